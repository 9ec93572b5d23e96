/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/* Whether what runs on this CPU is the target. */
#pragma once

#include "target.h"

/* MAX_PID_NS_LEVEL in include/linux/pid_namespace.h. */
#define PID_LEVELS 32

/* The number that a thread has in the namespace we were told: a thread has one in its own
 * PID namespace and in each that it is nested in. 0 when it is not in there. Inlined: the
 * verifier fails on a function that only dead code calls. */
static __always_inline u32 pid_in_namespace(struct pid *pid, u32 inode)
{
	u32 level = BPF_CORE_READ(pid, level);

	for (u32 at = 0; at < PID_LEVELS; at++) {
		struct upid *number = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      at * bpf_core_type_size(struct upid);

		if (at > level)
			break;
		if (BPF_CORE_READ(number, ns, ns.inum) == inode)
			return BPF_CORE_READ(number, nr);
	}
	return 0;
}

/* The thread on this CPU, as thread group and thread id; 0 when it is not the target's. */
static __always_inline u64 target_thread(u32 tgid, u32 inode)
{
	struct task_struct *task;
	u64 id = bpf_get_current_pid_tgid();

	if (!inode)
		return id >> 32 == tgid ? id : 0;
	/* Idle, and threads of the kernel. */
	if (!(id >> 32))
		return 0;
	task = (void *)bpf_get_current_task();
	if (pid_in_namespace(BPF_CORE_READ(task, group_leader, thread_pid), inode) != tgid)
		return 0;
	return (u64)tgid << 32 | pid_in_namespace(BPF_CORE_READ(task, thread_pid), inode);
}
