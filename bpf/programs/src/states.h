/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * What a process has as it stops to wait: its struct, its heaps, its stack and the fragments beside
 * them, copied at the entry of `erts_schedule`. The thread still holds the process's main lock there,
 * so nothing of that changes while it is copied.
 */
#pragma once

#include "copies.h"

/* Whose: by pid, as a term, which is never divisible by 4, with the address of who runs with it, and
 * by that address, with the pid of who was there last. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u64);
} event_states SEC(".maps");

static __always_inline void choose_state(struct event_counters *count, u64 process, u64 pid)
{
	if (bpf_map_update_elem(&event_states, &pid, &process, BPF_ANY) ||
	    (process && bpf_map_update_elem(&event_states, &process, &pid, BPF_ANY)))
		__sync_fetch_and_add(&count->wanted_full, 1);
}

/* Whether the state of a process that begins to run is asked for. */
static __always_inline bool state_in(struct event_counters *count, u64 process, u64 pid)
{
	u64 *there;

	if (!event_config.states)
		return false;
	there = bpf_map_lookup_elem(&event_states, &pid);
	if (!there)
		return false;
	if (*there != process)
		choose_state(count, process, pid);
	return true;
}

/* The same of one that stops. */
static __always_inline bool state_out(u64 process, u64 pid)
{
	u64 *there;

	if (!event_config.states)
		return false;
	there = bpf_map_lookup_elem(&event_states, &process);
	return there && *there == pid;
}

/* The same of one that ends, and will not be asked for again. */
static __always_inline bool state_gone(u64 process, u64 pid)
{
	if (!event_config.states || !bpf_map_lookup_elem(&event_states, &pid))
		return false;
	bpf_map_delete_elem(&event_states, &pid);
	if (state_out(process, pid))
		bpf_map_delete_elem(&event_states, &process);
	return true;
}

/* Whether a name is asked for that somebody gets. Where that one is, is known if it is who asks; else
 * it shows itself when it runs. */
static __always_inline bool state_name(struct event *event, u64 by, u64 name, u64 whose)
{
	u64 pid = 0;

	for (u32 at = 0; at < WANTED_NAMES_MAX && at < event_config.state_names; at++) {
		if (event_config.state_name[at] == name) {
			TAKE(event, pid, by + event_config.process_id_at);
			choose_state(event->count, pid == whose ? by : 0, whose);
			return true;
		}
	}
	return false;
}

struct state_record {
	struct event_record event;
	struct copied copied;
};

/* Which process, and the words that are told of any that stops. */
struct resting {
	u64 process, pid, words[4];
};

static __always_inline void fill_state(struct event *event, struct state_record *to,
				       struct scheduler_slot *slot, const struct resting *of, u32 flags)
{
	fill_head(event, &to->event, slot, of->process, of->pid);
	to->event.words[0] = of->words[0];
	to->event.words[1] = of->words[1];
	to->event.words[2] = of->words[2];
	to->event.words[3] = of->words[3];
	to->event.words[4] = 0;
	to->event.words[5] = 0;
	to->event.words[6] = 0;
	copy_begun(&to->copied, of->process, flags, &event_config.copies);
}

/* It stops, and why nothing more is told. */
static __always_inline int state_uncopied(struct event *event, struct scheduler_slot *slot,
					  const struct resting *of, u32 flags)
{
	struct state_record *to = ring_begin(sizeof(*to));

	event->what = EVENT_STATE_NONE;
	COUNT(event, attempts, EVENT_STATE_NONE);
	if (!to) {
		COUNT(event, ring_full, EVENT_STATE_NONE);
		return 0;
	}
	fill_state(event, to, slot, of, flags);
	end(event);
	/* It has to be read at once: it may rest for a short time only. */
	if (flags & STATE_TOO_LARGE)
		ring_wake();
	return 0;
}

static __always_inline int state_copied(struct event *event, struct scheduler_slot *slot,
					const struct resting *of, const struct spans *spans,
					u32 number, u32 class)
{
	struct state_record *to = ring_begin(sizeof(*to) + class + PIECE_BYTES(class));

	if (!to)
		return state_uncopied(event, slot, of, STATE_NO_ROOM);
	event->what = EVENT_STATE_FIRST + number;
	COUNT(event, attempts, EVENT_STATE_FIRST + number);
	fill_state(event, to, slot, of, 0);
	copy_all(&to->copied, class, spans, &event_config.copies);
	return end(event);
}

/* One that waits from now on, and whose state is asked for. It was counted as one that stops. Its
 * event is begun anew: of what another function may write the verifier forgets what it knew. */
static __noinline int event_state(struct event_counters *count, struct scheduler_slot *slot,
				  const struct resting *of)
{
	struct event begun = { .count = count }, *event = &begun;
	struct spans spans = {};
	u32 flags = 0;
	u64 bytes;

	if (!count)
		return 0;
	__sync_fetch_and_add(&count->attempts[EVENT_OUT], -1);
	if (READ(flags, of->process + event_config.process_trace_flags_at) ||
	    (flags & event_config.sensitive))
		return state_uncopied(event, slot, of, STATE_SENSITIVE);
	if (read_spans(&spans, of->process, &event_config.copies))
		return state_uncopied(event, slot, of, STATE_PARTIAL);
	bytes = bytes_of(&spans);
	if (bytes <= STATE_BYTES_0)
		return state_copied(event, slot, of, &spans, 0, STATE_BYTES_0);
	if (bytes <= STATE_BYTES_1)
		return state_copied(event, slot, of, &spans, 1, STATE_BYTES_1);
	if (bytes <= STATE_BYTES_2)
		return state_copied(event, slot, of, &spans, 2, STATE_BYTES_2);
	if (bytes <= STATE_BYTES_3)
		return state_copied(event, slot, of, &spans, 3, STATE_BYTES_3);
	return state_uncopied(event, slot, of, STATE_TOO_LARGE);
}
