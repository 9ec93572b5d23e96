/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Why a process ends: the words of the reason that are worth a name. What went wrong is
 * `{Reason, Trace}` (`add_stacktrace` in `beam_common.c`), and what `gen` could not do
 * `{Reason, {gen_server, call, Arguments}}`.
 */
#pragma once

/* Tags of terms: erl_term.h. */
#define IS_BOXED(term) (((term) & 3) == 2)
#define IS_CONS(term) (((term) & 3) == 1)
#define IS_SMALL(term) (((term) & 15) == 15)
#define IS_ATOM(term) (((term) & 63) == 11)
#define NIL 0x3b
#define IS_LIST(term) (IS_CONS(term) || (term) == NIL)
#define IS_TUPLE(header) (!((header) & 63) && (header))
#define TUPLE_SIZE(header) ((header) >> 6)

/* What can be told of a term without its memory. */
static __always_inline u64 plain(u64 term)
{
	return IS_BOXED(term) || IS_CONS(term) ? 0 : term;
}

struct second {
	u64 words[3];
};

/* The arity of a function in a stack trace, or the arguments that it was called with. */
static __always_inline u32 arity(struct event *event, u64 term)
{
	u64 tail = term;

	if (IS_SMALL(term))
		return term >> 4 < SECOND_ARITY_UNKNOWN ? term >> 4 : SECOND_ARITY_UNKNOWN;
	for (u32 many = 0; many <= SECOND_ARGUMENTS_MAX; many++) {
		if (tail == NIL)
			return many;
		if (!IS_CONS(tail) || event->failed)
			break;
		TAKE(event, tail, tail - 1 + 8);
	}
	return SECOND_ARITY_UNKNOWN;
}

/* The list of a stack trace: `[{Module, Function, ArityOrArguments, Location} | _]`. */
static __always_inline void second_list(struct event *event, struct second *second, u64 list)
{
	u64 first = 0, frame[5] = {};

	TAKE(event, first, list - 1);
	if (!IS_BOXED(first))
		return;
	TAKE(event, frame[0], first - 2);
	if (!IS_TUPLE(frame[0]) || TUPLE_SIZE(frame[0]) != 4)
		return;
	TAKE(event, frame, first - 2);
	/* Else it is data that begins like one. */
	if (!IS_ATOM(frame[1]) || !IS_ATOM(frame[2]) || !IS_LIST(frame[4]) ||
	    !(IS_SMALL(frame[3]) || IS_LIST(frame[3])))
		return;
	second->words[0] = plain(frame[1]);
	second->words[1] = plain(frame[2]);
	second->words[2] = arity(event, frame[3]) << SECOND_SHIFT | SECOND_TRACE;
}

static __always_inline void second_tuple(struct event *event, struct second *second, u64 boxed)
{
	u64 tuple[3] = {};

	TAKE(event, tuple[0], boxed - 2);
	if (!IS_TUPLE(tuple[0]) || TUPLE_SIZE(tuple[0]) < 2)
		return;
	TAKE(event, tuple, boxed - 2);
	second->words[0] = plain(tuple[1]);
	second->words[1] = plain(tuple[2]);
	second->words[2] = TUPLE_SIZE(tuple[0]) << SECOND_SHIFT | SECOND_TUPLE;
}

static __noinline int event_exit(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct second second = {};
	u64 process, pid = 0, reason = 0, element = 0, inner = 0;
	u32 flags = 0;

	if (!regs)
		return 0;
	process = VALUE(regs, cookie, 0);
	if (!begin_uncounted(&event))
		return 0;
	forget_pid(process);
	TAKE(&event, pid, process + event_config.process_id_at);
	TAKE(&event, flags, process + event_config.process_trace_flags_at);
	/* Nothing is told of why a sensitive process ends. */
	if (!(flags & event_config.sensitive))
		TAKE(&event, reason, process + event_config.process_reason_at);
	count_as(&event, IS_BOXED(reason) ? EVENT_FAILED : EVENT_EXIT);
	if (!state_gone(process, pid) && !wanted_process(process, pid))
		return leave_out(&event);
	struct shape is = shape(&event, reason);

	if (IS_BOXED(reason) && IS_TUPLE(is.header)) {
		/* Of a tuple in front `shape` has the header. */
		if (IS_TUPLE(is.first)) {
			TAKE(&event, element, reason - 2 + 8);
			TAKE(&event, inner, element - 2 + 8);
		}
		element = 0;
		if (TUPLE_SIZE(is.header) >= 2)
			TAKE(&event, element, reason - 2 + 16);
		if (IS_CONS(element))
			second_list(&event, &second, element);
		else if (IS_BOXED(element))
			second_tuple(&event, &second, element);
		else
			second.words[0] = element;
	}
	if (!reserve(&event, 7, scheduler(), process, pid))
		return 0;
	event.record->words[0] = is.term;
	event.record->words[1] = is.header;
	event.record->words[2] = is.first;
	event.record->words[3] = plain(inner);
	event.record->words[4] = second.words[0];
	event.record->words[5] = second.words[1];
	event.record->words[6] = second.words[2];
	return end(&event);
}
