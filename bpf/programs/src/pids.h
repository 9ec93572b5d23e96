/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Whose a `Process` is, without reading its memory at each message: a read is the dearest part of
 * a hit. Remembered from when all probes are in place, so that nobody ends unseen.
 */
#pragma once

/* The window, from 1, in which what is remembered holds; 0 while probes come and go. */
u64 event_window = 0;

/* By address and window. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, u64);
	__type(value, u64);
} event_pids SEC(".maps");

/* An address has 47 bits. */
#define IN_WINDOW(process, window) ((process) ^ (window) << 48)

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
	u64 key = IN_WINDOW(process, window), pid = 0, *known;
	u32 state = 0;

	if (window) {
		known = bpf_map_lookup_elem(&event_pids, &key);
		if (known)
			return *known;
	}
	TAKE(event, pid, process + event_config.process_id_at);
	if (!window || event->failed || seen_until_now(event) % REMEMBER_EACH)
		return pid;
	bpf_map_update_elem(&event_pids, &key, &pid, BPF_NOEXIST);
	/* It is marked as ending before its end is seen. So either the mark is there now, or who sees
	 * the end will see what was remembered: an atomic operation lets no read pass. */
	__sync_fetch_and_add(&event->count->wanted_full, 0);
	TAKE(event, state, process + event_config.process_state_at);
	if (event->failed || (state & event_config.process_ending))
		bpf_map_delete_elem(&event_pids, &key);
	return pid;
}

static __always_inline void forget_pid(u64 process)
{
	u64 window = *(volatile u64 *)&event_window;
	u64 key = IN_WINDOW(process, window);

	if (window && bpf_map_lookup_elem(&event_pids, &key))
		bpf_map_delete_elem(&event_pids, &key);
}
