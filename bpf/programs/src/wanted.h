/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Which processes somebody asked for. A map has them by pid, as a term, which is never divisible
 * by 4, and by address, with the pid of who was there last: an address is used again, a pid for
 * long not.
 */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u64);
} event_wanted SEC(".maps");

/* Whether there was room for it: else nothing of it is recorded. */
static __always_inline bool want(struct event_counters *count, u64 process, u64 pid)
{
	if (bpf_map_update_elem(&event_wanted, &pid, &pid, BPF_ANY) ||
	    bpf_map_update_elem(&event_wanted, &process, &pid, BPF_ANY)) {
		__sync_fetch_and_add(&count->wanted_full, 1);
		return false;
	}
	return true;
}

static __always_inline bool wanted_pid(u64 pid)
{
	if (!event_config.filtered)
		return true;
	return bpf_map_lookup_elem(&event_wanted, &pid);
}

/* Who is there was seen to come, or was there before. */
static __always_inline bool wanted_address(u64 process)
{
	if (!event_config.filtered)
		return true;
	return bpf_map_lookup_elem(&event_wanted, &process);
}

static __always_inline bool wanted_process(u64 process, u64 pid)
{
	u64 *there;

	if (!event_config.filtered)
		return true;
	there = bpf_map_lookup_elem(&event_wanted, &process);
	return there && *there == pid;
}

/* The same of a process that begins to run, which is when an address gets another owner. */
static __always_inline bool wanted_in(struct event_counters *count, u64 process, u64 pid,
				      bool born, u64 module, u64 function, u64 arity)
{
	u64 *there;

	if (!event_config.filtered)
		return true;
	there = bpf_map_lookup_elem(&event_wanted, &process);
	if (there && *there == pid)
		return true;
	if (there) {
		u64 before = *there;

		bpf_map_delete_elem(&event_wanted, &before);
		bpf_map_delete_elem(&event_wanted, &process);
	}
	if (bpf_map_lookup_elem(&event_wanted, &pid))
		return want(count, process, pid);
	for (u32 at = 0; born && at < WANTED_CALLS_MAX && at < event_config.calls; at++) {
		const volatile u64 *call = &event_config.call[3 * at];

		if (call[0] == module && call[1] == function && call[2] == arity)
			return want(count, process, pid);
	}
	return false;
}

/* Whether a name that a process has got is asked for, or that one is. */
static __always_inline bool wanted_name(struct event_counters *count, u64 name, u64 process, u64 pid)
{
	if (wanted_process(process, pid))
		return true;
	for (u32 at = 0; at < WANTED_NAMES_MAX && at < event_config.names; at++) {
		if (event_config.name[at] == name)
			return want(count, process, pid);
	}
	return wanted_pid(pid);
}
