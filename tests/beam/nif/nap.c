// Native code that waits in the kernel: on a normal scheduler, and on a dirty one. Built as wl_nif.c is.
//
// nap(Ms) and dirty_nap(Ms) sleep for so long and return for how long they did, in nanoseconds of CLOCK_MONOTONIC.

#include <erl_nif.h>
#include <errno.h>
#include <stdint.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static ERL_NIF_TERM nap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifSInt64 ms;
    (void)argc;
    if (!enif_get_int64(env, argv[0], &ms) || ms < 0 || ms > 1000)
        return enif_make_badarg(env);
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    int64_t before = now_ns();
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return enif_make_int64(env, now_ns() - before);
}

static ErlNifFunc functions[] = {
    {"nap", 1, nap, 0},
    {"dirty_nap", 1, nap, ERL_NIF_DIRTY_JOB_IO_BOUND},
};

ERL_NIF_INIT(nap, functions, NULL, NULL, NULL, NULL)
