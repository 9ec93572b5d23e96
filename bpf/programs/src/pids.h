/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Whose a `Process` is, without reading its memory at each message: a read is the dearest part of
 * a hit. Remembered from when all probes are in place, so that nobody ends unseen.
 */
#pragma once

/* The window, from 1, in which what is remembered holds; 0 while probes come and go. */
u64 event_window = 0;

/* One of those whose addresses come to this place. Both words are written one after the other: one is
 * the key xor the other's hash, so that the words of two are not taken for one. */
struct known_pid {
	u64 check, pid;
};

#define KNOWN_BITS 14

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << KNOWN_BITS);
	__type(key, u32);
	__type(value, struct known_pid);
} event_pids SEC(".maps");

/* Fibonacci hashing: 2^64 by the golden ratio. */
#define HASH(word) ((word) * 0x9e3779b97f4a7c15ull)

/* An address has 47 bits. */
#define IN_WINDOW(process, window) ((process) ^ (window) << 48)

static __always_inline struct known_pid *known_at(u64 process)
{
	u32 place = HASH(process) >> (64 - KNOWN_BITS);

	return bpf_map_lookup_elem(&event_pids, &place);
}

/* What is remembered there of a process in a window; 0 if it is of another, or nothing. */
static __always_inline u64 known_pid(struct known_pid *known, u64 key)
{
	u64 pid = *(volatile u64 *)&known->pid;

	return (*(volatile u64 *)&known->check ^ HASH(pid)) == key ? pid : 0;
}

/* To remember costs more than to read: one in so many, which who gets many messages soon is. */
#define REMEMBER_EACH 8

/* One whose words are copied is counted apart, after this. */
static __always_inline u64 seen_until_now(struct event *event)
{
	return event->count->attempts[event->what] + event->count->attempts[EVENT_PAYLOAD];
}

/* Of a process that cannot go away meanwhile: who sends to it holds it. */
static __always_inline u64 pid_of(struct event *event, u64 process)
{
	u64 window = *(volatile u64 *)&event_window;
	u64 key = IN_WINDOW(process, window), pid = 0;
	struct known_pid *known = known_at(process);
	u32 state = 0;

	if (window && known) {
		pid = known_pid(known, key);
		if (pid)
			return pid;
	}
	TAKE(event, pid, process + event_config.process_id_at);
	if (!window || !known || event->failed || seen_until_now(event) % REMEMBER_EACH)
		return pid;
	*(volatile u64 *)&known->pid = pid;
	*(volatile u64 *)&known->check = key ^ HASH(pid);
	/* It is marked as ending before its end is seen. So either the mark is there now, or who sees
	 * the end will see what was remembered: an atomic operation lets no read pass. */
	__sync_fetch_and_add(&event->count->wanted_full, 0);
	TAKE(event, state, process + event_config.process_state_at);
	if (event->failed || (state & event_config.process_ending))
		known->check = 0;
	return pid;
}

static __always_inline void forget_pid(u64 process)
{
	u64 window = *(volatile u64 *)&event_window;
	struct known_pid *known = known_at(process);

	if (window && known && known_pid(known, IN_WINDOW(process, window)))
		known->check = 0;
}
