/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Copies of what a process has: its struct, its heaps, its stack and the fragments beside them, while
 * nobody changes them. Records have a few sizes, because as much has to be reserved as the verifier was
 * shown.
 */
#pragma once

#include "target.h"

struct copied {
	struct state_head head;
	struct state_piece pieces[STATE_PIECES];
	char process[PROCESS_BYTES];
	char memory[];
};

/* Where its memory lies: `Process` has these fields in this order. */
struct spans {
	u64 htop, stop;
	u64 heap, hend;
	u64 old_hend, old_htop, old_heap;
	u64 mbuf, live_hf_end, msg_frag, mbuf_words;
};

/* Reads where it lies; of a process that runs the tops of heap and stack are elsewhere. */
static __always_inline bool read_spans(struct spans *spans, u64 process,
				       const volatile struct copy_layout *at)
{
	return bpf_probe_read_user(&spans->htop, 16, (void *)(process + at->top_at)) ||
	       bpf_probe_read_user(&spans->heap, 16, (void *)(process + at->young_at)) ||
	       bpf_probe_read_user(&spans->old_hend, 24, (void *)(process + at->old_at)) ||
	       bpf_probe_read_user(&spans->mbuf, 32, (void *)(process + at->fragments_at));
}

static __always_inline u64 bytes_of(const struct spans *spans)
{
	u64 bytes = (spans->htop - spans->heap) + (spans->hend - spans->stop) + 8 * spans->mbuf_words;

	if (spans->old_heap)
		bytes += spans->old_htop - spans->old_heap;
	return bytes;
}

/* Begins a copy: with the struct. */
static __always_inline void copy_begun(struct copied *to, u64 process, u32 flags,
				       const volatile struct copy_layout *at)
{
	u32 bytes = at->process_bytes;

	to->head.flags = flags;
	to->head.pieces = 0;
	to->head.bytes = 0;
	to->head.process_bytes = bytes;
	if (bytes > PROCESS_BYTES || bpf_probe_read_user(to->process, bytes, (void *)process))
		to->head.process_bytes = 0;
}

/* A piece may be a quarter of what a record holds. How far it is filled is in the record: what is
 * there the verifier takes for any number, so all ways that lead on look the same to it. */
#define PIECE_BYTES(class) ((class) / 4)
#define PIECES_OF_ALL 4

static __always_inline void copy_span(struct copied *to, u32 class, u64 from, u64 bytes)
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
static __always_inline u64 copy_fragment(struct copied *to, u32 class, u64 fragment,
					 const volatile struct copy_layout *at)
{
	u64 next = 0, words = 0;

	if (READ(next, fragment + at->fragment_next_at) ||
	    READ(words, fragment + at->fragment_used_at)) {
		to->head.flags |= STATE_PARTIAL;
		return 0;
	}
	copy_span(to, class, fragment + at->fragment_memory_at, 8 * words);
	return next;
}

/* What lies in no heap until it is collected: what functions in C have made, and messages that were
 * received (`erts_save_message_in_proc` in erl_message.c). */
static __always_inline void copy_fragments(struct copied *to, u32 class, const struct spans *spans,
					   const volatile struct copy_layout *at)
{
	u64 fragment = spans->mbuf, message = spans->msg_frag, attached, next;

	for (u32 count = 0; fragment && count < STATE_FRAGMENTS; count++)
		fragment = copy_fragment(to, class, fragment, at);
	for (u32 count = 0; message && count < STATE_FRAGMENTS; count++) {
		if (READ(attached, message + at->message_attached_at) ||
		    READ(next, message + at->message_next_at)) {
			to->head.flags |= STATE_PARTIAL;
			return;
		}
		/* ERTS_MSG_COMBINED_HFRAG. */
		if (attached == 1)
			attached = message + at->message_fragment_at;
		if (attached && copy_fragment(to, class, attached, at))
			to->head.flags |= STATE_PARTIAL;
		message = next;
	}
	if (fragment || message)
		to->head.flags |= STATE_PARTIAL;
}

/* All of it, the stack first. */
static __always_inline void copy_all(struct copied *to, u32 class, const struct spans *spans,
				     const volatile struct copy_layout *at)
{
	copy_span(to, class, spans->stop, spans->hend - spans->stop);
	copy_span(to, class, spans->heap, spans->htop - spans->heap);
	if (spans->old_heap)
		copy_span(to, class, spans->old_heap, spans->old_htop - spans->old_heap);
	copy_fragments(to, class, spans, at);
}
