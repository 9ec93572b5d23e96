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

/* Another CPU has reserved meanwhile: after so many times it is as if there were no room. Each of them has a
 * trap to take before it comes again, so that takes more CPUs than there are tries. */
#define RING_TRIES 128

#define RING_NO_PLACE (~0ull)

/* Reserves so many bytes, and says where. The verifier looks at it once, as it is not static. */
__noinline u64 ring_reserve(u32 room)
{
	u32 zero = 0;
	struct ring_head *ring = bpf_map_lookup_elem(&event_ring, &zero);
	u64 at, was;

	if (!ring)
		return RING_NO_PLACE;
	at = *(volatile u64 *)&ring->reserved;
	for (u32 tries = 0; tries < RING_TRIES; tries++) {
		u64 held = at + room - *(volatile u64 *)&ring->consumed;

		/* Negative if others have come between. */
		if ((long long)held > (long long)event_config.ring_mask + 1)
			return RING_NO_PLACE;
		was = __sync_val_compare_and_swap(&ring->reserved, at, at + room);
		if (was == at)
			return at;
		at = was;
	}
	return RING_NO_PLACE;
}

/* A record of so many bytes, which has to be given to `ring_end`; NULL where there is no room.
 *
 * That a record is not ended no verifier sees: all that come after it would wait for ever. */
static __always_inline void *ring_begin(u32 bytes)
{
	u32 zero = 0;
	void *ring = bpf_map_lookup_elem(&event_ring, &zero);
	u64 at, *word;

	if (!ring)
		return NULL;
	at = ring_reserve(8 + ((bytes + 7) & ~7u));
	if (at == RING_NO_PLACE)
		return NULL;
	word = ring + RING_DATA_AT + (at & event_config.ring_mask);
	*(volatile u64 *)word = (((at >> 3) + 1) << RING_PLACE_SHIFT | RING_BUSY | bytes) ^
				event_config.ring_key;
	return word + 1;
}

/* Where a record lies that was begun. */
static __always_inline u64 ring_place(void *record)
{
	u64 word = *((u64 *)record - 1) ^ event_config.ring_key;

	return ((word >> RING_PLACE_SHIFT) - 1) << 3;
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
