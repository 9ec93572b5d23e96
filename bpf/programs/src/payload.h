/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * What a message says: the memory in which its term lies, copied as it is put into the queue.
 *
 * What is sent is copied into one area (copy_struct in copy.c): its root first, and cells of
 * lists with atoms and small integers, as strings have them, from the end downwards. So the area
 * lies behind a tuple, and before the first cell of a string. What it shares with the code, its
 * literals, stays where it is, among it the keys of maps: of the first few a piece is copied too.
 *
 * Copied is only what goes between processes of which none has asked not to be looked at.
 */
#pragma once

/* Of the block so many words are looked at for what lies elsewhere. */
#define PAYLOAD_WORDS 64

struct payload_record {
	struct event_record event;
	struct payload_head payload;
	char pieces[PAYLOAD_PIECES][PAYLOAD_PIECE_BYTES];
	u64 block[];
};

/* Which message. */
struct payload_of {
	u64 receiver, receiver_pid, from, signal, term, used_words;
	struct shape is;
	u32 flags;
};

/* Of a message of which nothing is copied. */
#define PAYLOAD_HEADS (sizeof(struct event_record) + sizeof(struct payload_head))

/* What a message says, as a term. One to an alias is the third element of a tuple of its sender, the alias and itself until
 * it is handled (erts_proc_sig_send_to_alias, OTP 25 to 27), the second of one of its sender and
 * itself later (erts_proc_sig_send_altact_msg). Only the tags of the latter have more than an
 * operation and a type. Of one from another node there is no such tuple. 0 for other
 * signals. */
#define SIGNAL_TAG 0x30
#define SIGNAL_TO_ALIAS 15

static __always_inline u64 says(struct event *event, u64 signal, u64 term)
{
	u64 from = 0, elements[3] = {};

	if ((term & 63) != SIGNAL_TAG)
		return term;
	if ((term >> 6 & 0xff) != SIGNAL_TO_ALIAS)
		return 0;
	/* ErtsMessage.m[2]. */
	TAKE(event, from, signal + event_config.message_term_at + 16);
	if ((from & 3) != 2)
		return 0;
	TAKE(event, elements, (from & ~7ull) + 8);
	return (u32)term >> 22 ? elements[1] : elements[2];
}

/* What speaks against copying anything of a message between these. */
static __always_inline u32 withheld(struct scheduler_slot *slot, u64 receiver, u64 from)
{
	u64 sender = 0, pid = 0;
	u32 flags = 0, why = 0;

	if (READ(flags, receiver + event_config.process_trace_flags_at))
		return PAYLOAD_UNREADABLE;
	if (flags & event_config.sensitive)
		why |= PAYLOAD_RECEIVER_SENSITIVE;
	/* Ports, timers and the VM itself are no processes. */
	if ((from & 15) != 3)
		return why;
	if (!slot || READ(sender, slot->data + event_config.current_process_at) || !sender ||
	    READ(pid, sender + event_config.process_id_at) || pid != from ||
	    READ(flags, sender + event_config.process_trace_flags_at))
		return why | PAYLOAD_SENDER_UNKNOWN;
	return flags & event_config.sensitive ? why | PAYLOAD_SENDER_SENSITIVE : why;
}

/* Where the block of a list begins: at its first cell, or so that it ends with it. */
static __always_inline u64 block_of_list(u64 cell)
{
	u64 words[2] = {};

	if (READ(words, cell))
		return cell;
	/* The next cell lies below it. */
	if ((words[1] & 3) == 1 && (words[1] & ~7ull) < cell)
		return cell + 16 - event_config.payload_bytes;
	return cell;
}

#define PAGE 4096

/* Copies the block, or as much of it as is mapped around the root. */
static __always_inline void copy_block(struct payload_record *to, u64 root, u64 begin)
{
	u32 left = PAGE - (begin & (PAGE - 1));

	to->payload.block = begin;
	to->payload.bytes = event_config.payload_bytes;
	if (!bpf_probe_read_user(to->block, event_config.payload_bytes, (void *)begin))
		return;
	to->payload.bytes = 0;
	if (begin < root) {
		/* What lies before may be missing. */
		begin = root & ~(u64)(PAGE - 1);
		left = root + 16 - begin;
	}
	OPAQUE(left);
	if (left == 0 || left > event_config.payload_bytes)
		return;
	to->payload.block = begin;
	if (bpf_probe_read_user(to->block, left, (void *)begin))
		to->payload.flags |= PAYLOAD_UNREADABLE;
	else
		to->payload.bytes = left;
}

/* The loader puts what a literal holds behind it, but for keys of maps and what bitstrings are a
 * part of, which lie before. */
#define PIECE_BEFORE 64

/* Whether a piece begins before an address and goes on behind it. */
#define IN_PIECE(to, piece, address) \
	((address) - (to)->payload.pieces[piece] < PAYLOAD_PIECE_BYTES - PIECE_BEFORE)

/* Copies what a word of the block points to, if that lies elsewhere, for the record at a place of the ring.
 * Returns how many pieces it has then. The verifier looks at it once, as it is not static, and not for each
 * word and each number of pieces. */
__noinline u32 copy_piece(u64 place, u32 at, u32 count)
{
	u32 zero = 0;
	void *ring = bpf_map_lookup_elem(&event_ring, &zero);
	struct payload_record *to;
	u64 begin, bytes, address, from;

	if (!ring || at >= PAYLOAD_WORDS || count >= PAYLOAD_PIECES ||
	    8 * at + 8 > event_config.payload_bytes)
		return count;
	to = ring + RING_DATA_AT + (place & event_config.ring_mask) + 8;
	begin = to->payload.block;
	bytes = to->payload.bytes;
	address = to->block[at] & ~7ull;
	if (address - begin < bytes || address < PAGE || address >> 47)
		return count;
	if (IN_PIECE(to, 0, address) || IN_PIECE(to, 1, address) || IN_PIECE(to, 2, address))
		return count;
	from = (address & (PAGE - 1)) >= PIECE_BEFORE ? address - PIECE_BEFORE : address;
	if (bpf_probe_read_user(to->pieces[count], PAYLOAD_PIECE_BYTES, (void *)from)) {
		/* The page behind it may not be there. */
		from = (address | (PAGE - 1)) + 1 - PAYLOAD_PIECE_BYTES;
		if (from > address ||
		    bpf_probe_read_user(to->pieces[count], PAYLOAD_PIECE_BYTES, (void *)from))
			return count;
	}
	to->payload.pieces[count] = from;
	return count + 1;
}

/* Copies what the words of the block point to elsewhere. Words of binaries and what lies behind
 * the message are taken for pointers as well: what is there is not looked at by anybody. */
static __always_inline void copy_pieces(struct payload_record *to)
{
	u64 bytes = to->payload.bytes, place = ring_place(to);
	u32 count = 0;

	for (u32 at = 0; at < PAYLOAD_WORDS; at++) {
		u64 word;

		if (8 * at + 8 > event_config.payload_bytes || 8 * at + 8 > bytes)
			break;
		word = to->block[at];
		if ((word & 3) == 1 || (word & 3) == 2)
			count = copy_piece(place, at, count);
	}
}

/* The message and how it lies in its queue; nothing of what it says yet. */
static __always_inline void fill_payload(struct event *event, struct payload_record *to,
					 const struct payload_of *of)
{
	fill_head(event, &to->event, NULL, of->receiver, of->receiver_pid);
	to->event.words[0] = of->from;
	to->event.words[1] = of->signal;
	to->event.words[2] = of->is.term;
	to->event.words[3] = of->is.header;
	to->event.words[4] = of->is.first;
	to->event.words[5] = of->used_words;
	to->event.words[6] = 0;
	to->payload.term = of->term;
	to->payload.block = 0;
	to->payload.bytes = 0;
	to->payload.flags = of->flags;
	to->payload.pieces[0] = 0;
	to->payload.pieces[1] = 0;
	to->payload.pieces[2] = 0;
	to->payload.pieces[3] = 0;
}

/* Where there is no room for what it says, it is told without. */
static __always_inline int event_heads(struct event *event, const struct payload_of *of)
{
	struct payload_record *to = ring_begin(PAYLOAD_HEADS);

	if (!to) {
		COUNT(event, ring_full, EVENT_PAYLOAD);
		return 0;
	}
	fill_payload(event, to, of);
	return end(event);
}

/* One message that says something. It was counted as one of which nothing more is taken. */
static __always_inline int event_said(struct event *event, struct payload_of *of)
{
	struct scheduler_slot *slot = scheduler();
	struct payload_record *to;
	u64 root = of->term & ~7ull, begin = root;

	of->flags = withheld(slot, of->receiver, of->from);
	__sync_fetch_and_add(&event->count->attempts[EVENT_ENQUEUE], -1);
	COUNT(event, attempts, EVENT_PAYLOAD);
	event->what = EVENT_PAYLOAD;
	/* Words, and what must not be looked at. */
	if (((of->term & 3) != 1 && (of->term & 3) != 2) ||
	    (of->flags & ~PAYLOAD_SENDER_UNKNOWN))
		return event_heads(event, of);
	if ((of->term & 3) == 1)
		begin = block_of_list(root);
	to = ring_begin(sizeof(*to) + event_config.payload_bytes);
	if (!to) {
		of->flags |= PAYLOAD_NO_ROOM;
		return event_heads(event, of);
	}
	fill_payload(event, to, of);
	copy_block(to, root, begin);
	copy_pieces(to);
	return end(event);
}
