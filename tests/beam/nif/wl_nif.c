// Native code with known names for the tests: the same busy loop on a normal scheduler, on both kinds of dirty
// scheduler and on a thread of its own. Build without debug information and without frame pointers, as
// production NIFs are:  cc -O2 -g0 -fPIC -shared -fomit-frame-pointer -I ERL_ROOT/usr/include -o wl_nif.so wl_nif.c
//
// Native stacks:  wl_spin | wl_dirty_spin | wl_dirty_io_spin | wl_thread_main  ->  wl_burn  ->  wl_leaf
// wl_burn is in .dynsym; the others are static and only in .symtab, which `strip` removes.

#include <erl_nif.h>
#include <stdint.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

static ErlNifResourceType *thread_type;

typedef struct {
    ErlNifTid tid;
    ErlNifPid owner;
    int64_t ms;
    int joined;
} Thread;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// About 50 us; the empty asm keeps the compiler from working the loop out in advance.
static NOINLINE uint64_t wl_leaf(uint64_t x)
{
    for (int i = 0; i < 20000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

// Returns how often it called the leaf. The addition after the call keeps this from being a jump.
NOINLINE uint64_t wl_burn(int64_t ms)
{
    int64_t end = now_ns() + ms * 1000000;
    uint64_t x = 1, rounds = 0;
    while (now_ns() < end) {
        x = wl_leaf(x);
        rounds++;
    }
    return rounds + (x == 0);
}

static int get_ms(ErlNifEnv *env, ERL_NIF_TERM term, int64_t *ms)
{
    ErlNifSInt64 value;
    if (!enif_get_int64(env, term, &value) || value < 0 || value > 60000)
        return 0;
    *ms = value;
    return 1;
}

// The three entries name themselves in their results: were they alike, the compiler would fold them into one.
static ERL_NIF_TERM result(ErlNifEnv *env, const char *name, uint64_t rounds)
{
    return enif_make_tuple2(env, enif_make_atom(env, name), enif_make_uint64(env, rounds));
}

static ERL_NIF_TERM wl_spin(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int64_t ms;
    (void)argc;
    if (!get_ms(env, argv[0], &ms))
        return enif_make_badarg(env);
    return result(env, "spin", wl_burn(ms));
}

static ERL_NIF_TERM wl_dirty_spin(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int64_t ms;
    (void)argc;
    if (!get_ms(env, argv[0], &ms))
        return enif_make_badarg(env);
    return result(env, "dirty_spin", wl_burn(ms));
}

static ERL_NIF_TERM wl_dirty_io_spin(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int64_t ms;
    (void)argc;
    if (!get_ms(env, argv[0], &ms))
        return enif_make_badarg(env);
    return result(env, "dirty_io_spin", wl_burn(ms));
}

// A thread the VM does not schedule: no Erlang process is running on it.
static void *wl_thread_main(void *arg)
{
    Thread *thread = arg;
    uint64_t rounds = wl_burn(thread->ms);
    ErlNifEnv *env = enif_alloc_env();
    enif_send(NULL, &thread->owner, env, result(env, "thread_spin", rounds));
    enif_free_env(env);
    return NULL;
}

static ERL_NIF_TERM wl_thread_start(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int64_t ms;
    (void)argc;
    if (!get_ms(env, argv[0], &ms))
        return enif_make_badarg(env);
    Thread *thread = enif_alloc_resource(thread_type, sizeof *thread);
    thread->ms = ms;
    thread->joined = 0;
    enif_self(env, &thread->owner);
    if (enif_thread_create("wl_thread", &thread->tid, wl_thread_main, thread, NULL) != 0) {
        thread->joined = 1;
        enif_release_resource(thread);
        return enif_make_badarg(env);
    }
    ERL_NIF_TERM handle = enif_make_resource(env, thread);
    enif_release_resource(thread);
    return handle;
}

// Called once the thread has sent its message, so there is next to nothing left to wait for.
static ERL_NIF_TERM wl_thread_join(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    void *object;
    (void)argc;
    if (!enif_get_resource(env, argv[0], thread_type, &object))
        return enif_make_badarg(env);
    Thread *thread = object;
    if (!thread->joined) {
        enif_thread_join(thread->tid, NULL);
        thread->joined = 1;
    }
    return enif_make_atom(env, "ok");
}

// A handle that nobody joined: the thread still reads it, so it must end first.
static void thread_gone(ErlNifEnv *env, void *object)
{
    Thread *thread = object;
    (void)env;
    if (!thread->joined)
        enif_thread_join(thread->tid, NULL);
}

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    (void)priv;
    (void)info;
    thread_type = enif_open_resource_type(env, NULL, "wl_thread", thread_gone, ERL_NIF_RT_CREATE, NULL);
    return thread_type == NULL;
}

static ErlNifFunc functions[] = {
    {"spin", 1, wl_spin, 0},
    {"dirty_spin", 1, wl_dirty_spin, ERL_NIF_DIRTY_JOB_CPU_BOUND},
    {"dirty_io_spin", 1, wl_dirty_io_spin, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"thread_start", 1, wl_thread_start, 0},
    {"thread_join", 1, wl_thread_join, ERL_NIF_DIRTY_JOB_IO_BOUND},
};

ERL_NIF_INIT(wl_nif, functions, load, NULL, NULL, NULL)
