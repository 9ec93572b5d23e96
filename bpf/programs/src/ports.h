/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * What the VM does besides running processes: code that comes and goes, and ports. Part of
 * events.bpf.c, whose words these are.
 */
#pragma once

static __always_inline int event_code_load(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 process = VALUE(regs, cookie, 0), pid = 0;

	if (!begin(&event, EVENT_CODE_LOAD))
		return 0;
	/* None where the VM loads by itself. */
	if (process)
		TAKE(&event, pid, process + event_config.process_id_at);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	if (!reserve(&event, 1, scheduler(), process, pid))
		return 0;
	event.record->words[0] = VALUE(regs, cookie, 1);
	return end(&event);
}

static __always_inline int event_code_purge(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 process = VALUE(regs, cookie, 0), pid = 0;
	/* Module and step: the arguments of a BIF. */
	struct { u64 module, step; } with = {};

	if (!begin(&event, EVENT_CODE_PURGE))
		return 0;
	TAKE(&event, pid, process + event_config.process_id_at);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	TAKE(&event, with, VALUE(regs, cookie, 1));
	if (!reserve(&event, 2, scheduler(), process, pid))
		return 0;
	event.record->words[0] = with.module;
	event.record->words[1] = with.step;
	return end(&event);
}

/* The most cells and binaries of data for a port that are looked at, and how deep lists may lie in
 * lists: beyond it is not known how many bytes there are. */
#define IOLIST_STEPS 64
#define IOLIST_DEPTH 8

struct iolist {
	u64 term;
	u64 rest[IOLIST_DEPTH];
	u64 bytes;
	u32 depth;
	u32 known;
};

/* Goes on with what comes after. */
static __always_inline long iolist_next(struct iolist *list)
{
	if (!list->depth) {
		list->known = 1;
		return 1;
	}
	list->depth--;
	list->term = list->rest[list->depth & (IOLIST_DEPTH - 1)];
	return 0;
}

static __always_inline long iolist_binary(struct iolist *list)
{
	u64 at = list->term & ~7ull, head[2] = {}, start = 0, end = 0;
	u32 subtag;

	if (READ(head, at))
		return 1;
	subtag = head[0] >> 2 & 15;
	if (head[0] & 3)
		return 1;
	if (subtag == event_config.binary_heap || subtag == event_config.binary_reference) {
		list->bytes += head[1] >> event_config.binary_shift;
	} else if (subtag == event_config.binary_part) {
		if (READ(start, at + event_config.binary_start_at))
			return 1;
		if (event_config.binary_end_at && READ(end, at + event_config.binary_end_at))
			return 1;
		list->bytes += event_config.binary_end_at ? (end - start) >> 3 : start;
	} else {
		return 1;
	}
	return iolist_next(list);
}

/* One cell or binary. Whatever is none of what may be given to a port ends it. */
static long iolist_step(u32 step, struct iolist *list)
{
	u64 cell[2] = {};

	if (list->term == 0x3b)
		return iolist_next(list);
	if ((list->term & 3) == 2)
		return iolist_binary(list);
	if ((list->term & 3) != 1 || READ(cell, list->term & ~7ull))
		return 1;
	if ((cell[0] & 15) == 15) {
		list->bytes++;
		list->term = cell[1];
		return 0;
	}
	if (cell[1] != 0x3b) {
		if (list->depth >= IOLIST_DEPTH)
			return 1;
		list->rest[list->depth & (IOLIST_DEPTH - 1)] = cell[1];
		list->depth++;
	}
	list->term = cell[0];
	return 0;
}

/* What a driver says to make a term of. */
#define TERM_STEPS 32

struct term_parts {
	u64 at;
	u64 bytes;
	u32 left;
	u32 known;
};

/* One part: ERL_DRV_NIL and so on in erl_driver.h, the same in OTP 25 to 29, and their words. */
static long term_step(u32 step, struct term_parts *parts)
{
	u64 part[4] = {};
	u32 words;

	if (!parts->left) {
		parts->known = 1;
		return 1;
	}
	/* The last one may lie at the end of what is there. */
	if (parts->left >= 4 ? READ(part, parts->at) :
	    bpf_probe_read_user(part, (parts->left & 3) * 8, (void *)parts->at))
		return 1;
	switch (part[0]) {
	case 1: words = 1; break; /* NIL */
	case 5: words = 4; parts->bytes += part[2]; break; /* BINARY: it, size, offset */
	case 6: /* STRING: pointer, size */
	case 9: /* STRING_CONS */
	case 14: words = 3; parts->bytes += part[2]; break; /* BUF2BINARY */
	/* EXT2TERM is a term, as a reference, and no data: the VM does not count it either. */
	case 12: words = 3; break;
	case 2: case 3: case 4: case 7: case 8: case 10: case 11: case 13: case 15: case 16: case 17:
		words = 2; break;
	default: return 1;
	}
	if (words > parts->left)
		return 1;
	parts->left -= words;
	parts->at += 8 * words;
	return 0;
}

#define BYTES_UNKNOWN (~0ull)

static __noinline int event_port_open(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 port, connected = 0, id = 0, driver = 0, name_at = 0, name[4] = {};

	if (!regs)
		return 0;
	/* It could not be put into the table. */
	if (!(u32)VALUE(regs, cookie, 1))
		return pass();
	if (!begin(&event, EVENT_PORT_OPEN))
		return 0;
	port = VALUE(regs, cookie, 0);
	TAKE(&event, connected, port + event_config.port_connected_at);
	if (!wanted_pid(connected))
		return leave_out(&event);
	TAKE(&event, id, port + event_config.port_id_at);
	TAKE(&event, driver, port + event_config.port_driver_at);
	TAKE(&event, name_at, port + event_config.port_name_at);
	if (bpf_probe_read_user_str(name, sizeof(name), (void *)name_at) < 0)
		event.failed = 1;
	if (!reserve(&event, 7, scheduler(), 0, 0))
		return 0;
	event.record->words[0] = id;
	event.record->words[1] = connected;
	event.record->words[2] = driver;
	event.record->words[3] = name[0];
	event.record->words[4] = name[1];
	event.record->words[5] = name[2];
	event.record->words[6] = name[3];
	return end(&event);
}

static __noinline int event_port_close(const struct registers *regs, u64 cookie)
{
	struct event event;
	u64 port, connected = 0, id = 0, driver = 0, in = 0, out = 0;

	if (!regs || !begin(&event, EVENT_PORT_CLOSE))
		return 0;
	port = VALUE(regs, cookie, 0);
	TAKE(&event, connected, port + event_config.port_connected_at);
	if (!wanted_pid(connected))
		return leave_out(&event);
	TAKE(&event, id, port + event_config.port_id_at);
	TAKE(&event, driver, port + event_config.port_driver_at);
	TAKE(&event, in, port + event_config.port_bytes_in_at);
	TAKE(&event, out, port + event_config.port_bytes_out_at);
	if (!reserve(&event, 5, scheduler(), 0, 0))
		return 0;
	event.record->words[0] = id;
	event.record->words[1] = connected;
	event.record->words[2] = driver;
	event.record->words[3] = in;
	event.record->words[4] = out;
	return end(&event);
}

static __noinline int event_port_output(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct iolist list = {};
	u64 process, pid = 0, port, id = 0, driver = 0;

	if (!regs || !begin(&event, EVENT_PORT_OUTPUT))
		return 0;
	process = VALUE(regs, cookie, 0);
	port = VALUE(regs, cookie, 1);
	/* None where the VM itself writes. */
	if (process)
		TAKE(&event, pid, process + event_config.process_id_at);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	TAKE(&event, id, port + event_config.port_id_at);
	TAKE(&event, driver, port + event_config.port_driver_at);
	list.term = VALUE(regs, cookie, 2);
	bpf_loop(IOLIST_STEPS, iolist_step, &list, 0);
	if (!reserve(&event, 3, scheduler(), process, pid))
		return 0;
	event.record->words[0] = id;
	event.record->words[1] = driver;
	event.record->words[2] = list.known ? list.bytes : BYTES_UNKNOWN;
	return end(&event);
}

static __noinline int event_port_input(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct term_parts parts = {};
	u32 way = cookie >> COOKIE_WAY_SHIFT & 15;
	u64 port, id = 0, to = 0, driver = 0, bytes = 0, skip = 0;

	if (!regs)
		return 0;
	port = VALUE(regs, cookie, 0);
	/* `driver_outputv` leaves to `driver_output2` what has nothing but the bytes before. */
	if (way == WAY_VECTOR) {
		skip = VALUE(regs, cookie, 3);
		/* ErlIOVec.size in erl_driver.h. */
		if (READ(bytes, VALUE(regs, cookie, 2) + 8) || bytes <= skip)
			return pass();
	}
	if (!begin(&event, EVENT_PORT_INPUT))
		return 0;
	/* ERL_DRV_PORT of a port that is closing is all ones. */
	if (way == WAY_ID_TERM || way == WAY_ID_TERM_TO) {
		id = port;
	} else if (port != ~0ull) {
		TAKE(&event, id, port + event_config.port_id_at);
		TAKE(&event, to, port + event_config.port_connected_at);
		TAKE(&event, driver, port + event_config.port_driver_at);
	}
	if (way == WAY_TERM_TO || way == WAY_ID_TERM_TO)
		to = VALUE(regs, cookie, 3);
	/* Whom it is for is not at hand. */
	if (way == WAY_ID_TERM ? event_config.filtered : !wanted_pid(to))
		return leave_out(&event);
	if (way >= WAY_TERM) {
		parts.at = VALUE(regs, cookie, 1);
		parts.left = VALUE(regs, cookie, 2);
		bpf_loop(TERM_STEPS, term_step, &parts, 0);
		bytes = parts.known ? parts.bytes : BYTES_UNKNOWN;
	} else if (way == WAY_VECTOR) {
		bytes = VALUE(regs, cookie, 1) + bytes - skip;
	} else {
		bytes = VALUE(regs, cookie, 1) + VALUE(regs, cookie, 2);
	}
	if (!reserve(&event, 4, scheduler(), 0, 0))
		return 0;
	event.record->words[0] = id;
	event.record->words[1] = to;
	event.record->words[2] = driver;
	event.record->words[3] = bytes;
	return end(&event);
}
