/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * What a process has as it stops to wait: its struct, its heaps, its stack and the fragments beside
 * them, copied at the entry of `erts_schedule`. The thread still holds the process's main lock there,
 * so nothing of that changes while it is copied.
 *
 * Records have a few sizes, because as much has to be reserved as the verifier was shown.
 */
#pragma once

/* Whose: by pid, as a term, which is never divisible by 4, with the address of who runs with it, and
 * by that address, with the pid of who was there last. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
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
	struct state_head head;
	struct state_piece pieces[STATE_PIECES];
	char process[PROCESS_BYTES];
	char memory[];
};

/* Which process, and the words that are told of any that stops. */
struct resting {
	u64 process, pid, words[4];
};

/* Where its memory lies: `Process` has these fields in this order. */
struct spans {
	u64 htop, stop;
	u64 heap, hend;
	u64 old_hend, old_htop, old_heap;
	u64 mbuf, live_hf_end, msg_frag, mbuf_words;
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
	to->head.flags = flags;
	to->head.pieces = 0;
	to->head.bytes = 0;
	to->head.process_bytes = event_config.state_process_bytes;
	if (event_config.state_process_bytes > PROCESS_BYTES ||
	    bpf_probe_read_user(to->process, event_config.state_process_bytes, (void *)of->process))
		to->head.process_bytes = 0;
}

/* It stops, and why nothing more is told. */
static __always_inline int state_uncopied(struct event *event, struct scheduler_slot *slot,
					  const struct resting *of, u32 flags)
{
	struct state_record *to = bpf_ringbuf_reserve(&event_ring, sizeof(*to), 0);

	event->what = EVENT_STATE_NONE;
	COUNT(event, attempts, EVENT_STATE_NONE);
	if (!to) {
		COUNT(event, ring_full, EVENT_STATE_NONE);
		return 0;
	}
	fill_state(event, to, slot, of, flags);
	/* It has to be read at once: it may rest for a short time only. */
	return end_with(event, flags & STATE_TOO_LARGE ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* A piece may be a quarter of what a record holds. How far it is filled is in the record: what is
 * there the verifier takes for any number, so all ways that lead on look the same to it. */
#define PIECE_BYTES(class) ((class) / 4)
#define PIECES_OF_ALL 4

static __always_inline void copy_span(struct state_record *to, u32 class, u64 from, u64 bytes)
{
	for (u32 count = 0; count < PIECES_OF_ALL; count++) {
		u32 at = to->head.bytes, piece = to->head.pieces;
		u32 length = bytes < PIECE_BYTES(class) ? bytes : PIECE_BYTES(class);

		if (!bytes)
			return;
		OPAQUE(at);
		OPAQUE(piece);
		OPAQUE(length);
		if (at >= class || piece >= STATE_PIECES)
			break;
		if (length == 0 || length > PIECE_BYTES(class))
			break;
		if (bpf_probe_read_user(to->memory + at, length, (void *)from))
			break;
		to->pieces[piece].address = from;
		to->pieces[piece].at = at;
		to->pieces[piece].bytes = length;
		to->head.bytes = at + length;
		to->head.pieces = piece + 1;
		from += length;
		bytes -= length;
	}
	if (bytes)
		to->head.flags |= STATE_PARTIAL;
}

/* Copies what a fragment holds; the next one of its chain. */
static __always_inline u64 copy_fragment(struct state_record *to, u32 class, u64 fragment)
{
	u64 next = 0, words = 0;

	if (READ(next, fragment + event_config.fragment_next_at) ||
	    READ(words, fragment + event_config.fragment_used_at)) {
		to->head.flags |= STATE_PARTIAL;
		return 0;
	}
	copy_span(to, class, fragment + event_config.fragment_memory_at, 8 * words);
	return next;
}

/* What lies in no heap until it is collected: what functions in C have made, and messages that were
 * received (`erts_save_message_in_proc` in erl_message.c). */
static __always_inline void copy_fragments(struct state_record *to, u32 class,
					   const struct spans *spans)
{
	u64 fragment = spans->mbuf, message = spans->msg_frag, attached, next;

	for (u32 count = 0; fragment && count < STATE_FRAGMENTS; count++)
		fragment = copy_fragment(to, class, fragment);
	for (u32 count = 0; message && count < STATE_FRAGMENTS; count++) {
		if (READ(attached, message + event_config.message_attached_at) ||
		    READ(next, message + event_config.message_next_at)) {
			to->head.flags |= STATE_PARTIAL;
			return;
		}
		/* ERTS_MSG_COMBINED_HFRAG. */
		if (attached == 1)
			attached = message + event_config.message_fragment_at;
		if (attached && copy_fragment(to, class, attached))
			to->head.flags |= STATE_PARTIAL;
		message = next;
	}
	if (fragment || message)
		to->head.flags |= STATE_PARTIAL;
}

static __always_inline int state_copied(struct event *event, struct scheduler_slot *slot,
					const struct resting *of, const struct spans *spans,
					u32 number, u32 class)
{
	struct state_record *to = bpf_ringbuf_reserve(
		&event_ring, sizeof(*to) + class + PIECE_BYTES(class), 0);

	if (!to)
		return state_uncopied(event, slot, of, STATE_NO_ROOM);
	event->what = EVENT_STATE_FIRST + number;
	COUNT(event, attempts, EVENT_STATE_FIRST + number);
	fill_state(event, to, slot, of, 0);
	copy_span(to, class, spans->heap, spans->htop - spans->heap);
	copy_span(to, class, spans->stop, spans->hend - spans->stop);
	if (spans->old_heap)
		copy_span(to, class, spans->old_heap, spans->old_htop - spans->old_heap);
	copy_fragments(to, class, spans);
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
	if (bpf_probe_read_user(&spans.htop, 16, (void *)(of->process + event_config.process_top_at)) ||
	    bpf_probe_read_user(&spans.heap, 16, (void *)(of->process + event_config.process_young_at)) ||
	    bpf_probe_read_user(&spans.old_hend, 24, (void *)(of->process + event_config.process_old_at)) ||
	    bpf_probe_read_user(&spans.mbuf, 32, (void *)(of->process + event_config.process_fragments_at)))
		return state_uncopied(event, slot, of, STATE_PARTIAL);
	bytes = (spans.htop - spans.heap) + (spans.hend - spans.stop) + 8 * spans.mbuf_words;
	if (spans.old_heap)
		bytes += spans.old_htop - spans.old_heap;
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
