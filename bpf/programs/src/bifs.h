/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * Calls of C functions that implement BIFs and NIFs. Which process calls is what its scheduler
 * says: on a dirty scheduler the function itself is given a process that is none.
 */
#pragma once

/* Process.common.id is the first word of a process; its stack's top is read apart. */
static __always_inline u64 calls_now(struct event *event, struct scheduler_slot *slot, u64 *pid)
{
	u64 process = 0;

	*pid = 0;
	if (slot)
		TAKE(event, process, slot->data + event_config.current_process_at);
	if (process)
		TAKE(event, *pid, process + event_config.process_id_at);
	return process;
}

static __always_inline int event_native_call(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct scheduler_slot *slot;
	u64 process, pid, stack = 0, caller = 0, code = VALUE(regs, cookie, 0);
	bool is_bif = cookie & NATIVE_CALL_BIF;
	bool has_code = (cookie & 15) != 15;

	if (!begin(&event, EVENT_NATIVE_CALL))
		return 0;
	slot = scheduler();
	process = calls_now(&event, slot, &pid);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	/* Where the process has left its stack is stored for all but what is called as guards are. */
	if (is_bif && has_code && !code && !(cookie & NATIVE_CALL_FRAME_POINTERS))
		stack = VALUE(regs, cookie, 1);
	else if (process && (!is_bif || has_code))
		TAKE(&event, stack, process + event_config.process_stop_at);
	if (stack)
		TAKE(&event, caller, stack + (cookie & NATIVE_CALL_FRAME_POINTERS ? 8 : 0));
	if (!reserve(&event, 3, slot, process, pid))
		return 0;
	event.record->words[0] = (u32)cookie >> NATIVE_CALL_FUNCTION_SHIFT;
	event.record->words[1] = code;
	event.record->words[2] = caller;
	return end(&event);
}

static __always_inline int event_native_return(const struct registers *regs, u64 cookie)
{
	struct event event;
	struct scheduler_slot *slot;
	u64 process, pid;

	if (!begin(&event, EVENT_NATIVE_RETURN))
		return 0;
	slot = scheduler();
	process = calls_now(&event, slot, &pid);
	if (!wanted_process(process, pid))
		return leave_out(&event);
	if (!reserve(&event, 1, slot, process, pid))
		return 0;
	event.record->words[0] = (u32)cookie >> NATIVE_CALL_FUNCTION_SHIFT;
	return end(&event);
}
