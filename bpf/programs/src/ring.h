/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/* The ring of events, as ring.rs of the crate `escope-wire` tells. */
#pragma once

#include "target.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	/* As large as is asked for when it is loaded. */
	__uint(value_size, RING_DATA_AT + RING_SPILL);
} event_ring SEC(".maps");

/* Who waits for records that have to be looked at soon. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} event_waker SEC(".maps");

/* Another CPU reserves at the same time: so often, and it is as if there were no room. */
#define RING_TRIES 16

/* A record of so many bytes, which has to be given to `ring_end`; NULL where there is no room.
 *
 * That a record is not ended no verifier sees: all that come after it would wait for ever. */
static __always_inline void *ring_begin(u32 bytes)
{
	u32 zero = 0, room = 8 + ((bytes + 7) & ~7u);
	struct ring_head *ring = bpf_map_lookup_elem(&event_ring, &zero);
	u64 at, was, *word;

	if (!ring)
		return NULL;
	at = *(volatile u64 *)&ring->reserved;
	for (u32 tries = 0; tries < RING_TRIES; tries++) {
		u64 held = at + room - *(volatile u64 *)&ring->consumed;

		/* Negative if others have come between. */
		if ((long long)held > (long long)event_config.ring_mask + 1)
			return NULL;
		was = __sync_val_compare_and_swap(&ring->reserved, at, at + room);
		if (was != at) {
			at = was;
			continue;
		}
		word = (void *)ring + RING_DATA_AT + (at & event_config.ring_mask);
		*(volatile u64 *)word = (((at >> 3) + 1) << RING_PLACE_SHIFT | RING_BUSY | bytes) ^
					event_config.ring_key;
		return word + 1;
	}
	return NULL;
}

/* Stores become visible in their order: x86-64 keeps it. */
static __always_inline void ring_end(void *record)
{
	volatile u64 *word = (u64 *)record - 1;

	asm volatile("" ::: "memory");
	*word ^= RING_BUSY;
}

static __always_inline void ring_wake(void)
{
	u64 zero = 0;

	bpf_ringbuf_output(&event_waker, &zero, sizeof(zero), BPF_RB_FORCE_WAKEUP);
}
