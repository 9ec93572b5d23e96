// SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only
/*
 * The events: probes at the VM's own functions, each of which copies some words. A probe's
 * cookie says in which registers it finds its values.
 *
 * A hit costs its trap and little else: as few reads as possible, and no wake-up.
 */
#include <stdbool.h>

#include "target.h"
#include "thread.h"

const volatile struct event_config event_config = {};

#include "ring.h"
#include "wanted.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_counters);
} event_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHEDULERS_MAX);
	__type(key, struct scheduler_key);
	__type(value, struct scheduler_slot);
} event_schedulers SEC(".maps");

/* The registers by number, because a context may only be read at a constant offset. The last
 * one is none. */
struct registers {
	u64 at[16];
};

static __always_inline void copy_registers(struct registers *to, const struct user_regs *from)
{
	to->at[0] = from->r15;
	to->at[1] = from->r14;
	to->at[2] = from->r13;
	to->at[3] = from->r12;
	to->at[4] = from->bp;
	to->at[5] = from->bx;
	to->at[6] = from->r11;
	to->at[7] = from->r10;
	to->at[8] = from->r9;
	to->at[9] = from->r8;
	to->at[10] = from->ax;
	to->at[11] = from->cx;
	to->at[12] = from->dx;
	to->at[13] = from->si;
	to->at[14] = from->di;
	to->at[15] = 0;
}

/* The value that a probe's site has at a place in its cookie. */
#define VALUE(regs, cookie, place) ((regs)->at[(cookie) >> (4 * (place)) & 15])

/* One hit. The record lies in the ring: a place is reserved first, and then the time is read, so
 * that whoever has read all places that were reserved until now has read all times until now. */
struct event {
	struct event_counters *count;
	struct event_record *record;
	u32 what;
	u32 failed;
};

/* A program may lose its CPU to another one that counts there too. */
#define COUNT(event, what_of, kind) __sync_fetch_and_add(&(event)->count->what_of[kind], 1)

/* A hit of which it is not yet known what it is. */
static __always_inline bool begin_uncounted(struct event *event)
{
	u32 zero = 0;

	event->count = bpf_map_lookup_elem(&event_counters, &zero);
	event->failed = 0;
	return event->count;
}

static __always_inline void count_as(struct event *event, u32 what)
{
	COUNT(event, attempts, what);
	event->what = what;
}

/* Counts the hit. */
static __always_inline bool begin(struct event *event, u32 what)
{
	if (!begin_uncounted(event))
		return false;
	count_as(event, what);
	return true;
}

/* A hit at which nothing happens that anybody could ask for: it costs, and that is all. */
static __always_inline int pass(void)
{
	u32 zero = 0;
	struct event_counters *count = bpf_map_lookup_elem(&event_counters, &zero);

	if (count)
		__sync_fetch_and_add(&count->attempts[EVENT_PASSED], 1);
	return 0;
}

/* A probe that shares its kind with others, or that is also hit when there is nothing to see. */
static __always_inline void count_site(u32 site)
{
	u32 zero = 0;
	struct event_counters *count = bpf_map_lookup_elem(&event_counters, &zero);

	if (count)
		__sync_fetch_and_add(&count->sites[site & (SITES - 1)], 1);
}

/* Nobody asked for it. */
static __always_inline int leave_out(struct event *event)
{
	COUNT(event, filtered, event->what);
	return 0;
}

#define RECORD_BYTES(words) (sizeof(struct event_record) - 8 * (EVENT_WORDS - (words)))

/* The head of a record that has just been reserved. A thread that was not looked up is no
 * scheduler. */
static __always_inline void fill_head(struct event *event, struct event_record *record,
				      struct scheduler_slot *slot, u64 process, u64 pid)
{
	record->monotonic_ns = bpf_ktime_get_ns();
	record->kind = KIND_EVENT;
	record->what = event->what;
	record->cpu = bpf_get_smp_processor_id();
	record->scheduler_kind = slot ? slot->kind : 0;
	record->scheduler_number = slot ? slot->number : 0;
	record->process = process;
	record->pid = pid;
	event->record = record;
}

/* A record of so many words; nothing else of it may be touched. */
static __always_inline bool reserve(struct event *event, u32 words, struct scheduler_slot *slot,
				    u64 process, u64 pid)
{
	struct event_record *record = ring_begin(RECORD_BYTES(words));

	if (!record) {
		COUNT(event, ring_full, event->what);
		return false;
	}
	fill_head(event, record, slot, process, pid);
	return true;
}

static __always_inline int end(struct event *event)
{
	if (event->failed)
		COUNT(event, unreadable, event->what);
	ring_end(event->record);
	return 0;
}

/* The scheduler whose thread this is, if it is one. */
static __always_inline struct scheduler_slot *scheduler(void)
{
	struct task_struct___x86 *task = (void *)bpf_get_current_task_btf();
	struct scheduler_key key = { .thread_pointer = BPF_CORE_READ(task, thread.fsbase) };

	return bpf_map_lookup_elem(&event_schedulers, &key);
}

#define TAKE(event, to, address) ((event)->failed |= READ(to, address) != 0)

#include "pids.h"
#include "states.h"

/* What a term is: of a boxed tuple, its header and its first element; where that is boxed too,
 * its header, which no term looks like. */
struct shape {
	u64 term, header, first;
};

static __always_inline struct shape shape(struct event *event, u64 term)
{
	u64 boxed[2] = {};

	if ((term & 3) == 2)
		TAKE(event, boxed, term - 2);
	if ((boxed[1] & 3) == 2 && !(boxed[0] & 63) && boxed[0])
		TAKE(event, boxed[1], boxed[1] - 2);
	return (struct shape){ term, boxed[0], boxed[1] };
}

/* The tag of a reply may be a list, `[alias | Reference]` (gen.erl): its head tells it from text. With the low bits of a
 * list it is like no term and no header. */
static __always_inline u64 tag_of_reply(struct event *event, struct shape is)
{
	u64 head = 0;

	if (is.header != 2 << 6 || (is.first & 3) != 1)
		return is.first;
	TAKE(event, head, is.first - 1);
	return (head & 3) == 3 ? (head & ~3ull) | 1 : 1;
}

/* No process has used as many before it runs: CONTEXT_REDS in erl_vm.h. */
#define YOUNG_REDS 4000

/* Process.i and Process.reds lie close together: one read. */
struct progress {
	u64 at[4];
};

#define PROGRESS_AT(from, what_at) \
	((from)->at[((what_at) - event_config.process_i_at) / 8 & 3])

/* Whether the process at the other end of a link is this one: of the first nodes of the tree. */
static __always_inline bool linked(struct event *event, u64 process, u64 to)
{
	u64 root = 0, node = 0, item = 0;

	TAKE(event, root, process + event_config.process_links_at);
	if (!root)
		return false;
	TAKE(event, item, root + event_config.relation_item_at);
	if (item == to)
		return true;
	TAKE(event, node, root + event_config.relation_left_at);
	if (node)
		TAKE(event, item, node + event_config.relation_item_at);
	if (item == to)
		return true;
	node = 0;
	TAKE(event, node, root + event_config.relation_right_at);
	if (node)
		TAKE(event, item, node + event_config.relation_item_at);
	return item == to;
}

/* The same of the one that has monitored it first. */
static __always_inline bool monitored(struct event *event, u64 process, u64 by)
{
	u64 node = 0, item = 0;

	TAKE(event, node, process + event_config.process_monitored_by_at);
	if (node)
		TAKE(event, item, node + event_config.relation_item_at);
	return item == by;
}

/* What is asked of the stack by a program and all that it calls at once is 512 bytes at most, each
 * rounded up to 32 (check_max_stack_depth, kernel/bpf/verifier.c): what looks at what is given to
 * ports needs half of it. So those that need most are apart. */
static __noinline int event_in(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct progress progress = {};
	u64 process = VALUE(regs, cookie, 0), pid = 0, reds, current = 0, parent = 0;
	u32 state = 0;

	if (!begin_uncounted(&event))
		return 0;
	TAKE(&event, pid, process + event_config.process_id_at);
	TAKE(&event, progress, process + event_config.process_i_at);
	reds = PROGRESS_AT(&progress, event_config.process_reds_at);
	if (reds < YOUNG_REDS)
		TAKE(&event, current, process + event_config.process_current_at);
	struct { u64 module, function, arity; } initial = {};
	/* One that has never run is in its initial call, which lies in its own struct
	 * (erl_create_process). It may have taken signals by then, which costs reductions. */
	bool born = current && current == process + event_config.process_initial_at;
	bool rests = state_in(event.count, process, pid);

	/* It is looked at more closely, which has a price of its own. */
	if (born) {
		count_as(&event, EVENT_BORN);
		TAKE(&event, initial, process + event_config.process_initial_at);
	} else {
		count_as(&event, EVENT_IN);
	}
	if (!wanted_in(event.count, process, pid, born, initial.module, initial.function, initial.arity) &&
	    !rests)
		return leave_out(&event);
	/* Who shows itself has done so, and its runs are of no interest. */
	if (!rests && (event_config.in_for_states || (!born && event_config.births_only)))
		return leave_out(&event);
	TAKE(&event, state, process + event_config.process_state_at);
	if (!born) {
		if (!reserve(&event, 2, scheduler(), process, pid))
			return 0;
		event.record->words[0] = progress.at[0];
		event.record->words[1] = state;
		return end(&event);
	}
	TAKE(&event, parent, process + event_config.process_parent_at);
	u32 ties = (linked(&event, process, parent) ? TIES_LINKED : 0) |
		   (monitored(&event, process, parent) ? TIES_MONITORED : 0);

	if (!reserve(&event, 7, scheduler(), process, pid))
		return 0;
	event.record->words[0] = progress.at[0];
	event.record->words[1] = state;
	event.record->words[2] = parent;
	event.record->words[3] = initial.module;
	event.record->words[4] = initial.function;
	event.record->words[5] = initial.arity;
	event.record->words[6] = ties;
	return end(&event);
}

static __always_inline int event_out(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct progress progress = {};
	struct scheduler_slot *slot;
	u64 process = VALUE(regs, cookie, 0), pid = 0;
	u32 state = 0, not_its_own = 0;

	/* A scheduler comes here without a process once, when it starts. */
	if (!process)
		return pass();
	if (!begin(&event, EVENT_OUT))
		return 0;
	TAKE(&event, pid, process + event_config.process_id_at);
	bool rests = state_out(process, pid);

	if (!rests && (event_config.out_for_states || !wanted_process(process, pid)))
		return leave_out(&event);
	slot = scheduler();
	/* As erts_schedule will put it on the process's account. */
	if (slot)
		TAKE(&event, not_its_own, slot->data + event_config.virtual_reds_at);
	TAKE(&event, progress, process + event_config.process_i_at);
	TAKE(&event, state, process + event_config.process_state_at);
	struct resting of = {
		process, pid, { progress.at[0], state, (u32)VALUE(regs, cookie, 1) - not_its_own,
				PROGRESS_AT(&progress, event_config.process_reds_at) },
	};

	if (rests && !(state & event_config.process_busy))
		return event_state(event.count, slot, &of);
	if (!reserve(&event, 4, slot, process, pid))
		return 0;
	event.record->words[0] = of.words[0];
	event.record->words[1] = of.words[1];
	event.record->words[2] = of.words[2];
	event.record->words[3] = of.words[3];
	return end(&event);
}

#include "payload.h"

/* How many signals are put into a queue at once at most: a monitor may be before what comes
 * after it (`proc_queue_signal`), and NIFs gather what they send when traced. */
#define CHAIN_MAX 8

#include "sizes.h"

static __always_inline int enqueued(struct event *event, u64 from, u64 signal, u64 term)
{
	event->record->words[0] = from;
	event->record->words[1] = signal;
	event->record->words[2] = term;
	return end(event);
}

static __noinline int event_enqueue(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 term = 0, pid = 0;
	u64 from = VALUE(regs, cookie, 0), receiver = VALUE(regs, cookie, 1);
	u64 signal = VALUE(regs, cookie, 2), last = VALUE(regs, cookie, 3);

	for (u32 at = 0; at < CHAIN_MAX; at++) {
		if (!begin(&event, EVENT_ENQUEUE))
			return 0;
		if (!at)
			pid = pid_of(&event, receiver);
		if (!wanted_process(receiver, pid) && !wanted_pid(from)) {
			leave_out(&event);
		} else {
			u64 used_words = term_and_size(&event, signal, &term);
			struct shape is = shape(&event, term);

			is.first = tag_of_reply(&event, is);
			/* Of a chain the last one is the message. */
			if (event_config.payload_bytes && signal == last) {
				struct payload_of of = { receiver, pid, from, signal };

				of.term = says(&event, signal, term);
				of.is = is;
				of.used_words = used_words;
				if (of.term)
					return event_said(&event, &of);
			}
			if (!is.header && !used_words) {
				if (reserve(&event, 3, NULL, receiver, pid))
					enqueued(&event, from, signal, term);
			} else if (reserve(&event, 6, NULL, receiver, pid)) {
				event.record->words[3] = is.header;
				event.record->words[4] = is.first;
				event.record->words[5] = used_words;
				enqueued(&event, from, signal, term);
			}
		}
		/* The last one's pointer to the next is at its begin. */
		if (signal == last)
			return 0;
		if (READ(signal, signal + event_config.message_next_at) || !signal)
			break;
	}
	/* There were more. */
	COUNT(&event, unreadable, EVENT_ENQUEUE);
	return 0;
}

static __always_inline int event_dequeue(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 process = VALUE(regs, cookie, 0), message = VALUE(regs, cookie, 1), save = 0;

	if (!begin(&event, EVENT_DEQUEUE))
		return 0;
	if (!wanted_address(process))
		return leave_out(&event);
	/* Some builds have it in a register by then. */
	if ((cookie >> 4 & 15) == 15) {
		message = 0;
		TAKE(&event, save, process + event_config.process_save_at);
		TAKE(&event, message, save);
	}
	if (!reserve(&event, 1, NULL, process, 0))
		return 0;
	event.record->words[0] = message;
	return end(&event);
}

#include "exits.h"

/* The words that both heaps of a process have, and how many of its collections were minor ones
 * since the last that was not. */
static __always_inline int collection(const struct registers *regs, u64 cookie, u32 what)
{
	struct event event;
	u64 process = VALUE(regs, cookie, 0), pid = 0;
	u64 heap = 0, old_heap = 0, old_end = 0;
	unsigned short minor = 0;

	if (!begin(&event, what))
		return 0;
	TAKE(&event, pid, process + event_config.process_id_at);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	TAKE(&event, heap, process + event_config.process_heap_words_at);
	TAKE(&event, old_heap, process + event_config.process_old_heap_at);
	TAKE(&event, old_end, process + event_config.process_old_hend_at);
	TAKE(&event, minor, process + event_config.process_minor_collections_at);
	if (!reserve(&event, 3, scheduler(), process, pid))
		return 0;
	event.record->words[0] = heap;
	event.record->words[1] = old_end > old_heap ? (old_end - old_heap) >> 3 : 0;
	event.record->words[2] = minor;
	return end(&event);
}

/* What the table of names was found to have: of a name that is given, what is there now, which is
 * somebody else's where that one came first; of one that is taken away, what was there. */
static __always_inline int event_name(const struct registers *regs, u64 cookie, u32 what)
{
	struct event event;
	u64 registration = VALUE(regs, cookie, 0), process = 0, pid = 0, name = 0;
	bool given = what == EVENT_REGISTER;

	if (!registration ||
	    READ(process, registration + event_config.registration_process_at) ||
	    !process || (given && process != VALUE(regs, cookie, 1)))
		return pass();
	if (!begin(&event, what))
		return 0;
	TAKE(&event, pid, process + event_config.process_id_at);
	TAKE(&event, name, registration + event_config.registration_name_at);
	/* Each remembers who it is: both are asked. */
	bool rests = given && state_name(&event, process, name, pid);
	bool wanted = given ? wanted_name(event.count, name, process, pid) : wanted_process(process, pid);

	if (!rests && !wanted)
		return leave_out(&event);
	if (!reserve(&event, 1, NULL, process, pid))
		return 0;
	event.record->words[0] = name;
	return end(&event);
}

#include "switches.h"
#include "bifs.h"
#include "ports.h"
#include "dist.h"

/* One program for all, so that they can be attached and detached at once: detaching waits for
 * every CPU, each time. */
SEC("uprobe.multi")
int event(struct user_regs *ctx)
{
	/* That another process may run the same file is the kernel's affair, which was told whose
	 * hits are wanted (`uprobe_prog_run` in kernel/trace/bpf_trace.c). */
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct registers regs;

	if (cookie >> COOKIE_SITE_SHIFT)
		count_site(cookie >> COOKIE_SITE_SHIFT);
	copy_registers(&regs, ctx);
	switch (cookie >> COOKIE_WHAT_SHIFT & 255) {
	case EVENT_IN: return event_in(&regs, cookie);
	case EVENT_OUT: return event_out(&regs, cookie);
	case EVENT_ENQUEUE: return event_enqueue(&regs, cookie);
	case EVENT_DEQUEUE: return event_dequeue(&regs, cookie);
	case EVENT_EXIT: return event_exit(&regs, cookie);
	case EVENT_GC_START: return collection(&regs, cookie, EVENT_GC_START);
	case EVENT_GC_END: return collection(&regs, cookie, EVENT_GC_END);
	case EVENT_HIBERNATE_START: return collection(&regs, cookie, EVENT_HIBERNATE_START);
	case EVENT_HIBERNATE_END: return collection(&regs, cookie, EVENT_HIBERNATE_END);
	case EVENT_REGISTER: return event_name(&regs, cookie, EVENT_REGISTER);
	case EVENT_UNREGISTER: return event_name(&regs, cookie, EVENT_UNREGISTER);
	case EVENT_CODE_LOAD: return event_code_load(&regs, cookie);
	case EVENT_CODE_PURGE: return event_code_purge(&regs, cookie);
	case EVENT_PORT_OPEN: return event_port_open(&regs, cookie);
	case EVENT_PORT_CLOSE: return event_port_close(&regs, cookie);
	case EVENT_PORT_OUTPUT: return event_port_output(&regs, cookie);
	case EVENT_PORT_INPUT: return event_port_input(&regs, cookie);
	case EVENT_DIST_SEND: return event_dist_send(&regs, cookie);
	case EVENT_DIST_FRAGMENT: return event_dist_arrive(&regs, cookie);
	case EVENT_DIST_RECEIVE: return event_dist_receive(&regs, cookie);
	case EVENT_NATIVE_CALL: return event_native_call(&regs, cookie);
	case EVENT_NATIVE_RETURN: return event_native_return(&regs, cookie);
	default: return 0;
	}
}

/* What a trap alone costs: measured against `event`. */
SEC("uprobe.multi")
int bare(struct user_regs *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
