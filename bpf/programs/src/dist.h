/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * What goes to other nodes and what comes from them. Part of events.bpf.c, whose words these are.
 */
#pragma once

/* The most fragments of a signal that are counted: each has up to 64 KiB
 * (ERTS_DIST_FRAGMENT_SIZE in external.h). */
#define FRAGMENTS_MAX 1024

struct fragments {
	u64 at;
	u64 left;
	u64 bytes;
	u32 failed;
};

/* ErlIOVec.size in erl_driver.h. */
static long fragment_step(u32 step, struct fragments *fragments)
{
	u64 vector, size;

	if (!fragments->left)
		return 1;
	if (READ(vector, fragments->at + event_config.dist_buffer_vector_at) ||
	    READ(size, vector + 8)) {
		fragments->failed = 1;
		return 1;
	}
	fragments->bytes += size;
	fragments->at += event_config.dist_buffer_size;
	fragments->left--;
	return 0;
}

/* The name of a node, an atom. */
static __always_inline u64 node_of(struct event *event, u64 entry)
{
	u64 name = 0;

	TAKE(event, name, entry + event_config.dist_entry_name_at);
	return name;
}

static __noinline int event_dist_send(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct fragments fragments = {};
	u64 context, process = 0, pid = 0, entry = 0, node, control = 0;
	struct { u64 header, operation, flags; } tuple = {};

	if (!regs || !begin(&event, EVENT_DIST_SEND))
		return 0;
	context = VALUE(regs, cookie, 0);
	TAKE(&event, process, context + event_config.dist_process_at);
	/* None where the VM itself sends; for whom it does may be said nevertheless. */
	if (process)
		TAKE(&event, pid, process + event_config.process_id_at);
	else
		TAKE(&event, pid, context + event_config.dist_from_at);
	if (process ? !wanted_process(process, pid) : !wanted_pid(pid))
		return leave_out(&event);
	TAKE(&event, entry, context + event_config.dist_node_at);
	node = node_of(&event, entry);
	if ((cookie >> COOKIE_WAY_SHIFT & 15) == WAY_SUSPENDS) {
		fragments.bytes = BYTES_UNKNOWN;
		tuple.operation = ~0ull;
	} else {
		TAKE(&event, control, context + event_config.dist_control_at);
		TAKE(&event, tuple, control - 2);
		TAKE(&event, fragments.at, context + event_config.dist_buffers_at);
		TAKE(&event, fragments.left, context + event_config.dist_fragments_at);
		bpf_loop(FRAGMENTS_MAX, fragment_step, &fragments, 0);
		event.failed |= fragments.failed;
		if (fragments.left)
			fragments.bytes = BYTES_UNKNOWN;
	}
	if (!reserve(&event, 4, scheduler(), process, pid))
		return 0;
	event.record->words[0] = node;
	event.record->words[1] = fragments.bytes;
	event.record->words[2] = tuple.operation;
	event.record->words[3] = tuple.flags;
	return end(&event);
}

/* What has arrived on a thread and is not yet known to be what: the next signal that it finds to be
 * whole. */
struct arrived {
	u64 node;
	u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHEDULERS_MAX);
	__type(key, u64);
	__type(value, struct arrived);
} event_arrived SEC(".maps");

/* Before the header of what has arrived: erts_prepare_dist_ext in external.c. */
#define VERSION_MAGIC 131
#define FRAGMENT_FIRST 'E'
#define FRAGMENT_NEXT 'F'

enum part { PART_WHOLE, PART_LAST, PART_MORE_COME };

/* Data are a whole signal or a fragment, which says how many are to come, itself included, in network
 * order: magic, which, 8 bytes that say of which signal, 8 bytes. */
static __always_inline enum part part(u64 buffer, u64 size)
{
	u8 head[18];

	if (size < sizeof(head) || READ(head, buffer))
		return PART_WHOLE;
	if (head[0] != VERSION_MAGIC || (head[1] != FRAGMENT_FIRST && head[1] != FRAGMENT_NEXT))
		return PART_WHOLE;
	for (u32 at = 10; at < 17; at++) {
		if (head[at])
			return PART_MORE_COME;
	}
	if (head[17] > 1)
		return PART_MORE_COME;
	return head[1] == FRAGMENT_NEXT ? PART_LAST : PART_WHOLE;
}

static __noinline int event_dist_arrive(const struct registers *regs, u64 cookie)
{
	struct event event = {};
	struct arrived arrived = {};
	u64 thread = bpf_get_current_pid_tgid();

	if (!regs)
		return 0;
	arrived.bytes = VALUE(regs, cookie, 1);
	enum part of = part(VALUE(regs, cookie, 0), arrived.bytes);

	if (of != PART_MORE_COME) {
		/* What came before was nobody's yet, and is not told. */
		if (of == PART_LAST && event_config.filtered)
			arrived.bytes = BYTES_UNKNOWN;
		/* It is told with what it is. */
		arrived.node = node_of(&event, VALUE(regs, cookie, 2));
		bpf_map_update_elem(&event_arrived, &thread, &arrived, BPF_ANY);
		return pass();
	}
	bpf_map_delete_elem(&event_arrived, &thread);
	if (!begin(&event, EVENT_DIST_FRAGMENT))
		return 0;
	/* Whom it is for is not at hand. */
	if (event_config.filtered)
		return leave_out(&event);
	arrived.node = node_of(&event, VALUE(regs, cookie, 2));
	if (!reserve(&event, 2, scheduler(), 0, 0))
		return 0;
	event.record->words[0] = arrived.node;
	event.record->words[1] = arrived.bytes;
	return end(&event);
}

/* Whether a name or a pid is of somebody that is asked for. */
static __always_inline bool wanted_receiver(u64 to)
{
	if (wanted_pid(to))
		return true;
	for (u32 at = 0; at < WANTED_NAMES_MAX && at < event_config.names; at++) {
		if (event_config.name[at] == to)
			return true;
	}
	return false;
}

static __noinline int event_dist_receive(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct arrived *there, arrived = { .bytes = BYTES_UNKNOWN };
	struct { u64 header, at[4]; } tuple = {};
	u64 thread = bpf_get_current_pid_tgid(), control, operation, to = 0;

	if (!regs || !begin(&event, EVENT_DIST_RECEIVE))
		return 0;
	there = bpf_map_lookup_elem(&event_arrived, &thread);
	if (there) {
		arrived = *there;
		bpf_map_delete_elem(&event_arrived, &thread);
	}
	control = VALUE(regs, cookie, 0);
	operation = VALUE(regs, cookie, 1) >> 4;
	/* Operation and two more at least; of some, the fourth. */
	if (READ(tuple.header, control))
		event.failed = 1;
	else if (tuple.header >> 6 >= 4)
		TAKE(&event, tuple, control);
	else if (tuple.header >> 6 == 3)
		event.failed |= bpf_probe_read_user(&tuple, 32, (void *)control) != 0;
	switch (operation) {
	/* DOP_REG_SEND, DOP_REG_SEND_TT, DOP_UNLINK_ID, DOP_UNLINK_ID_ACK, DOP_ALTACT_SIG_SEND. */
	case 6: case 16: case 35: case 36: case 37: to = tuple.at[3]; break;
	/* DOP_SPAWN_REQUEST, DOP_SPAWN_REQUEST_TT: there is none yet. */
	case 29: case 30: break;
	default: to = tuple.at[2]; break;
	}
	if (!wanted_receiver(to))
		return leave_out(&event);
	if (!reserve(&event, 5, scheduler(), 0, 0))
		return 0;
	event.record->words[0] = arrived.node;
	event.record->words[1] = arrived.bytes;
	event.record->words[2] = VALUE(regs, cookie, 1);
	event.record->words[3] = tuple.at[1];
	event.record->words[4] = to;
	return end(&event);
}
