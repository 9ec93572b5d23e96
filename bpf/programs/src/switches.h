/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * When the kernel takes the CPU from a scheduler's thread, and when it gives one back.
 *
 * The tracepoint sched_switch is hit by every thread of the machine: whoever is not the target
 * leaves after two comparisons. It runs on the CPU of the thread that leaves, before the memory of
 * the one that comes is there, so of that one nothing but the kernel's own accounts is read.
 */
#pragma once

/* include/linux/sched.h; of a kernel that does not count delays it has no fields. */
struct sched_info {
	unsigned long long run_delay;
	unsigned long long last_queued;
} __attribute__((preserve_access_index));

/* kernel/sched/sched.h. The clock is what delays are counted by. From the thread one comes to the
 * run queue of its CPU where there are groups of threads (CONFIG_FAIR_GROUP_SCHED); the run queues
 * themselves have no address that every kernel tells. */
struct rq {
	u64 clock;
} __attribute__((preserve_access_index));

struct cfs_rq {
	struct rq *rq;
} __attribute__((preserve_access_index));

struct sched_entity {
	struct cfs_rq *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct___switched {
	int tgid;
	struct sched_entity se;
	struct thread_struct___x86 thread;
	struct sched_info sched_info;
} __attribute__((preserve_access_index));

/* The target as the host knows it: only that can be compared without following pointers. In a PID
 * namespace it shows itself when one of its threads leaves a CPU. */
u32 switched_tgid = 0;

/* Where only some processes are wanted: threads that have left a CPU while they ran one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHEDULERS_MAX);
	__type(key, struct scheduler_key);
	__type(value, u64);
} switched_out SEC(".maps");

static __always_inline struct scheduler_slot *
scheduler_of(const struct task_struct___switched *task, struct scheduler_key *key)
{
	key->thread_pointer = task->thread.fsbase;
	return bpf_map_lookup_elem(&event_schedulers, key);
}

static __always_inline void event_switched_out(const struct task_struct___switched *task,
					       bool could_go_on)
{
	struct event event;
	struct scheduler_key key;
	struct scheduler_slot *slot = scheduler_of(task, &key);
	u64 process = 0, one = 1;

	if (!slot || !begin(&event, EVENT_SWITCHED_OUT))
		return;
	if (event_config.filtered) {
		/* This thread's memory is still there. */
		TAKE(&event, process, slot->data + event_config.current_process_at);
		if (!process || !wanted_address(process) ||
		    bpf_map_update_elem(&switched_out, &key, &one, BPF_ANY)) {
			leave_out(&event);
			return;
		}
	}
	if (!reserve(&event, 2, slot, 0, 0))
		return;
	event.record->words[0] = NOT_COUNTED;
	if (bpf_core_field_exists(task->sched_info.run_delay))
		event.record->words[0] = task->sched_info.run_delay;
	event.record->words[1] = could_go_on;
	end(&event);
}

static __always_inline void event_switched_in(const struct task_struct___switched *task)
{
	struct event event;
	struct scheduler_key key;
	struct scheduler_slot *slot = scheduler_of(task, &key);
	u64 delay = NOT_COUNTED, since = NOT_COUNTED;

	if (!slot || !begin(&event, EVENT_SWITCHED_IN))
		return;
	if (event_config.filtered && bpf_map_delete_elem(&switched_out, &key)) {
		leave_out(&event);
		return;
	}
	/* What sched_info_arrive in kernel/sched/stats.h is about to add, by the same clock. */
	if (bpf_core_field_exists(task->sched_info.run_delay) &&
	    bpf_core_field_exists(task->se.cfs_rq) &&
	    bpf_core_field_exists(task->se.cfs_rq->rq)) {
		u64 clock = task->se.cfs_rq->rq->clock;
		u64 queued = task->sched_info.last_queued;

		since = queued && clock > queued ? clock - queued : 0;
		delay = task->sched_info.run_delay + since;
	}
	if (!reserve(&event, 2, slot, 0, 0))
		return;
	event.record->words[0] = delay;
	event.record->words[1] = since;
	end(&event);
}

/* TASK_RUNNING in include/linux/sched.h. */
#define STILL_RUNNABLE 0

/* trace_sched_switch(preempt, prev, next, prev_state) in kernel/sched/core.c. Who is preempted in
 * the kernel may have said already that it will wait, but goes on first. */
SEC("tp_btf/sched_switch")
int switched(unsigned long long *ctx)
{
	bool preempted = ctx[0];
	const struct task_struct___switched *from = (void *)ctx[1], *to = (void *)ctx[2];
	u32 state = ctx[3], tgid = event_config.tgid;

	if (event_config.pid_namespace) {
		if (!switched_tgid && target_thread(event_config.tgid, event_config.pid_namespace))
			switched_tgid = bpf_get_current_pid_tgid() >> 32;
		tgid = switched_tgid;
		if (!tgid)
			return 0;
	}
	if (from->tgid == tgid)
		event_switched_out(from, preempted || state == STILL_RUNNABLE);
	if (to->tgid == tgid)
		event_switched_in(to);
	return 0;
}
