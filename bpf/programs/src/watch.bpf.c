// SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only
/*
 * The calls: hardware breakpoints on the first instruction of Erlang functions. A hit is a fault
 * before that instruction, so all is as the caller left it: r13 is the process, rbx the argument
 * registers, rsp the Erlang stack with the return address on top (beam_asm.hpp of the x86 JIT).
 *
 * The events are of single threads: what is hit here is the target.
 */
#include <stdbool.h>

#include "copies.h"
#include "target.h"

/* What a program of a perf event is given: linux/bpf_perf_event.h, with registers by name. */
struct breakpoint_context {
	struct user_regs regs;
	u64 sample_period;
	u64 addr;
};

const volatile struct watch_config watch_config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} call_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct watch_counters);
} watch_counters SEC(".maps");

/* Calls of all functions on all CPUs: whose turn it is decides whether it is within the limit. */
u64 calls_taken;
/* The same of those that are wanted, where processes are copied. */
u64 copies_taken;

struct call {
	struct call_record record;
	struct call_argument arguments[WATCH_ARGUMENTS];
};

/* Where a call is put together. A fault in user code does not interrupt another one here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct call);
} drafts SEC(".maps");

/* What the program returns. One turns the breakpoint off that was hit, in the kernel and at once,
 * because each has a budget of one such return (PERF_EVENT_IOC_REFRESH). */
#define GO_ON 0
#define TURN_OFF 1

static __always_inline bool is_sensitive(u64 process)
{
	u64 flags = 0;

	/* What cannot be read is not looked at. */
	if (READ(flags, process + watch_config.process_trace_flags_at))
		return true;
	return flags & watch_config.sensitive;
}

static __always_inline bool arguments_are(u64 registers)
{
	for (u32 at = 0; at < WATCH_CONDITIONS; at++) {
		u64 term = 0;

		if (at >= watch_config.condition_count)
			break;
		if (READ(term, registers + 8 * watch_config.conditions[at].argument) ||
		    term != watch_config.conditions[at].term)
			return false;
	}
	return true;
}

static __always_inline void process_of(struct call_record *record, u64 process)
{
	u64 reg = 0;
	u32 failed = READ(record->pid, process + watch_config.process_id_at) != 0;

	failed |= READ(record->initial, process + watch_config.process_initial_at) != 0;
	failed |= READ(reg, process + watch_config.process_reg_at) != 0;
	if (reg)
		failed |= READ(record->name, reg + watch_config.reg_name_at) != 0;
	if (failed)
		record->flags |= CALL_PROCESS_UNREADABLE;
}

static __always_inline bool is_wanted(const struct call_record *record, u64 registers)
{
	if (watch_config.only_pid && record->pid != watch_config.only_pid)
		return false;
	if (watch_config.only_name && record->name != watch_config.only_name)
		return false;
	if (!watch_config.condition_count)
		return true;
	/* Whether it matches would tell what is in it. */
	return !is_sensitive(record->process) && arguments_are(registers);
}

/* A short one may lie at the very end of what is mapped. */
static __always_inline bool copy_boxed(struct call_argument *argument)
{
	u64 address = argument->term & ~7ull;
	struct { u64 header, first; } two;

	if (!READ(argument->boxed, address))
		return true;
	__builtin_memset(argument->boxed, 0, sizeof(argument->boxed));
	/* No header looks so. */
	argument->boxed[0] = 1;
	if (READ(two, address))
		return false;
	argument->boxed[0] = two.header;
	argument->boxed[1] = two.first;
	return true;
}

/* Each argument's word; of what is boxed the first words. */
static __always_inline void copy_arguments(struct call *call, u64 registers, u32 arity)
{
	call->record.arguments = arity < WATCH_ARGUMENTS ? arity : WATCH_ARGUMENTS;
	for (u32 at = 0; at < WATCH_ARGUMENTS; at++) {
		struct call_argument *argument = &call->arguments[at];
		u32 failed;

		if (at >= call->record.arguments)
			break;
		failed = READ(argument->term, registers + 8 * at) != 0;
		if (!failed && (argument->term & 3) == 2)
			failed = !copy_boxed(argument);
		else
			/* Another call's, perhaps of another process. */
			__builtin_memset(argument->boxed, 0, sizeof(argument->boxed));
		if (failed)
			call->record.flags |= CALL_ARGUMENTS_UNREADABLE;
	}
}

/* Puts the call into the ring. */
static __always_inline bool output(struct call *call)
{
	u32 bytes = sizeof(call->record), arguments = call->record.arguments;

	if (arguments <= WATCH_ARGUMENTS)
		bytes += arguments * sizeof(struct call_argument);
	call->record.bytes = bytes;
	return !bpf_ringbuf_output(&call_ring, call, bytes, BPF_RB_NO_WAKEUP);
}

struct call_with_copy {
	struct call call;
	struct call_copy where;
	struct copied copied;
};

static __always_inline bool copy_call(struct call *call, const struct spans *spans, u32 class,
				      u32 flags)
{
	const volatile struct copy_layout *at = &watch_config.copies;
	struct call_with_copy *to = bpf_ringbuf_reserve(
		&call_ring, sizeof(*to) + class + PIECE_BYTES(class), 0);

	if (!to)
		return false;
	call->record.flags |= CALL_COPIED;
	call->record.bytes = sizeof(*to) + class + PIECE_BYTES(class);
	bpf_probe_read_kernel(&to->call, sizeof(to->call), call);
	copy_begun(&to->copied, call->record.process, flags, at);
	/* The stack says at least where it is. */
	if (flags)
		copy_span(&to->copied, class, spans->stop, spans->hend - spans->stop);
	else
		copy_all(&to->copied, class, spans, at);
	to->where.stop = spans->stop;
	to->where.htop = spans->htop;
	to->where.took_ns = bpf_ktime_get_ns() - call->record.monotonic_ns;
	bpf_ringbuf_submit(to, BPF_RB_NO_WAKEUP);
	return true;
}

/* What the process has as it calls: nobody else changes that, and it goes on when this has returned. */
static __noinline bool copy_process(struct call *call, u64 stop, u64 htop)
{
	struct spans spans = {};
	u64 bytes;

	if (!call || read_spans(&spans, call->record.process, &watch_config.copies))
		return false;
	/* It runs: its struct has them of when it was last scheduled. */
	spans.stop = stop;
	spans.htop = htop;
	bytes = bytes_of(&spans);
	if (bytes <= STATE_BYTES_1)
		return copy_call(call, &spans, STATE_BYTES_1, 0);
	if (bytes <= STATE_BYTES_3)
		return copy_call(call, &spans, STATE_BYTES_3, 0);
	return copy_call(call, &spans, STATE_BYTES_3, STATE_TOO_LARGE);
}

/* Copies as much as is ever copied, and forgets it, for its price. */
static __noinline int rehearse_copy(u64 from)
{
	struct call_with_copy *to = bpf_ringbuf_reserve(
		&call_ring, sizeof(*to) + STATE_BYTES_3 + PIECE_BYTES(STATE_BYTES_3), 0);

	if (!to)
		return GO_ON;
	copy_begun(&to->copied, from, 0, &watch_config.copies);
	copy_span(&to->copied, STATE_BYTES_3, from, STATE_BYTES_3);
	bpf_ringbuf_discard(to, BPF_RB_NO_WAKEUP);
	return GO_ON;
}

/* Reads as much as a call needs, for its price. */
static __always_inline int rehearse(u64 sp)
{
	u64 words[3];

	for (u32 at = 0; at < 4; at++)
		READ(words, sp);
	return GO_ON;
}

SEC("perf_event")
int call(struct breakpoint_context *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u32 function = cookie & 255, zero = 0;
	u64 registers = ctx->regs.bx, process = ctx->regs.r13, sp = ctx->regs.sp;
	struct watch_counters *count = bpf_map_lookup_elem(&watch_counters, &zero);
	struct call *call = bpf_map_lookup_elem(&drafts, &zero);

	if (function == WATCH_MEASURE && cookie >> 9 & 1)
		return rehearse_copy(watch_config.rehearsal_at);
	if (function == WATCH_MEASURE)
		return cookie >> 8 & 1 ? TURN_OFF : rehearse(sp);
	if (!count || !call || function >= WATCH_FUNCTIONS)
		return GO_ON;
	if (__sync_fetch_and_add(&calls_taken, 1) >= watch_config.hits_max) {
		count->beyond[function]++;
		return TURN_OFF;
	}
	count->hits[function]++;
	__builtin_memset(&call->record, 0, sizeof(call->record));
	call->record.monotonic_ns = bpf_ktime_get_ns();
	call->record.kind = KIND_CALL;
	call->record.function = function;
	call->record.moved = cookie >> WATCH_MOVED_SHIFT;
	call->record.ip = ctx->regs.ip;
	call->record.process = process;
	process_of(&call->record, process);
	if (!is_wanted(&call->record, registers)) {
		count->filtered[function]++;
		return GO_ON;
	}
	if (watch_config.copies_max &&
	    __sync_fetch_and_add(&copies_taken, 1) >= watch_config.copies_max) {
		count->hits[function]--;
		count->beyond[function]++;
		return TURN_OFF;
	}
	if (READ(call->record.return_address, sp))
		call->record.flags |= CALL_CALLER_UNREADABLE;
	if (watch_config.with_arguments) {
		if (is_sensitive(process))
			call->record.flags |= CALL_SENSITIVE;
		else
			copy_arguments(call, registers, cookie >> 8 & 255);
	}
	if (watch_config.copies_max && !(call->record.flags & CALL_SENSITIVE)) {
		if (copy_process(call, sp, ctx->regs.r15)) {
			count->recorded[function]++;
			return GO_ON;
		}
		call->record.flags |= CALL_NO_ROOM;
	}
	if (output(call))
		count->recorded[function]++;
	else
		count->ring_full[function]++;
	return GO_ON;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
