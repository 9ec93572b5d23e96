// SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only
/*
 * The kernel half: on a timer tick that finds a thread of the target on this CPU, copy
 * what is needed to tell later which Erlang process ran, what it was doing and where.
 *
 * Nothing is interpreted here beyond finding the pieces. Stacks are copied raw: walking
 * them in user space is cheaper than here and can be tested without a kernel.
 */
#include "target.h"
#include "thread.h"

/* Filled in before the programs are loaded; the verifier sees constants. */
const volatile struct config config = {};

/* Code registrations that did not fit the ring or could not be read, where user space can see
 * it without a system call before it names a sample. */
u64 code_doubts = 0;

/* Those that are in the ring or were: what user space has read of the target's descriptions of
 * code is sound if it has taken as many out. */
u64 code_records = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHEDULERS_MAX);
	__type(key, struct scheduler_key);
	__type(value, struct scheduler_slot);
} schedulers SEC(".maps");

#define BODY_BYTES                                                                   \
	(PROCESS_BYTES + NATIVE_BYTES_MAX + KERNEL_BYTES_MAX + ERLANG_BYTES_MAX +    \
	 ERLANG_BOTTOM_BYTES)

/* One sample under construction. A tick cannot interrupt another one on the same CPU
 * (bpf_prog_active in kernel/events/core.c), so one per CPU is enough. An ordinary array
 * indexed by CPU, because a per-CPU array's value may not exceed 32 KiB. */
struct draft {
	struct sample_head head;
	u8 body[BODY_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* resized to the number of CPUs before load */
	__type(key, u32);
	__type(value, struct draft);
} drafts SEC(".maps");

#define FIELD(draft, offset)                                                         \
	(*(u64 *)((draft)->body + ((offset) <= PROCESS_BYTES - 8 ? (offset) : 0)))

static __always_inline void read_registers(struct sample_head *head)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct user_regs *regs = (void *)bpf_task_pt_regs(task);
	struct user_regs copy;

	if (bpf_probe_read_kernel(&copy, sizeof copy, regs))
		return;
	head->ip = copy.ip;
	head->sp = copy.sp;
	head->bp = copy.bp;
	head->bx = copy.bx;
	head->dx = copy.dx;
	head->r12 = copy.r12;
	head->r13 = copy.r13;
	head->r14 = copy.r14;
	head->r15 = copy.r15;
}

static __always_inline void read_scheduler(struct sample_head *head, struct counters *count)
{
	struct task_struct___x86 *task = (void *)bpf_get_current_task_btf();
	struct scheduler_key key = { .thread_pointer = BPF_CORE_READ(task, thread.fsbase) };
	struct scheduler_slot *slot = bpf_map_lookup_elem(&schedulers, &key);
	u64 sleep_info = 0;
	long failed = 0;

	if (!slot)
		return;
	head->scheduler_data = slot->data;
	head->scheduler_kind = slot->kind;
	head->scheduler_number = slot->number;
	failed |= READ(head->registers, slot->data + config.scheduler_registers_at);
	failed |= READ(head->process, slot->data + config.scheduler_process_at);
	failed |= READ(head->port, slot->data + config.scheduler_port_at);
	failed |= READ(sleep_info, slot->data + config.scheduler_sleep_info_at);
	if (sleep_info)
		failed |= READ(head->sleep_flags, sleep_info + config.sleep_flags_at);
	/* Dirty schedulers run no JIT code: their registers are on the heap. */
	if (slot->kind == 0)
		failed |= READ(head->jit_return, head->registers - 8);
	if (failed) {
		head->flags |= FLAG_SCHEDULER_UNREADABLE;
		count->scheduler_unreadable++;
	}
}

struct dictionary_walk {
	u64 data;
	u64 key;
	u64 value[3];
};

/* A term that should be a boxed {Key, Value}, 3 words with its header; the value sought is
 * {M, F, A}, 4 words. */
static __always_inline long dictionary_pair(u64 term, struct dictionary_walk *walk)
{
	u64 pair[3] = {}, call[4] = {};

	if ((term & 3) != 2 || READ(pair, term - 2) || pair[1] != walk->key)
		return 0;
	if ((pair[2] & 3) != 2 || READ(call, pair[2] - 2) || call[0] != 3 << 6)
		return 0;
	walk->value[0] = call[1];
	walk->value[1] = call[2];
	walk->value[2] = call[3];
	return 1;
}

#define BUCKET_MAX 8

/* A slot of a process dictionary holds one pair, or a list of those that share it. */
static long dictionary_slot(u32 index, struct dictionary_walk *walk)
{
	u64 term = 0, cell[2];

	if (READ(term, walk->data + 8 * (u64)index))
		return 0;
	for (int link = 0; link < BUCKET_MAX && (term & 3) == 1; link++) {
		if (READ(cell, term - 1))
			return 0;
		if (dictionary_pair(cell[0], walk))
			return 1;
		term = cell[1];
	}
	return dictionary_pair(term, walk);
}

#define DICTIONARY_MAX 256

static __always_inline void read_identity(struct draft *draft)
{
	struct sample_head *head = &draft->head;
	u64 reg = FIELD(draft, config.process_reg_at);
	u64 dictionary = FIELD(draft, config.process_dictionary_at);
	u32 size = 0;

	if (reg)
		READ(head->registered_name, reg + config.reg_name_at);
	if (FIELD(draft, config.process_initial_at) != config.atom_proc_lib || !dictionary)
		return;
	struct dictionary_walk walk = {
		.data = dictionary + config.dictionary_data_at,
		.key = config.atom_initial_call,
	};
	if (READ(size, dictionary + config.dictionary_size_at))
		return;
	if (size > DICTIONARY_MAX)
		size = DICTIONARY_MAX;
	bpf_loop(size, dictionary_slot, &walk, 0);
	head->initial_call[0] = walk.value[0];
	head->initial_call[1] = walk.value[1];
	head->initial_call[2] = walk.value[2];
}

static __always_inline void read_process(struct draft *draft, struct counters *count)
{
	struct sample_head *head = &draft->head;
	u32 bytes = config.process_bytes;

	if (bytes > PROCESS_BYTES)
		bytes = PROCESS_BYTES;
	if (bpf_probe_read_user(draft->body, bytes, (void *)head->process)) {
		head->flags |= FLAG_PROCESS_UNREADABLE;
		count->process_unreadable++;
		head->process_bytes = 0;
		return;
	}
	head->process_bytes = bytes;
	u64 heap = FIELD(draft, config.process_heap_at);
	u64 end = FIELD(draft, config.process_hend_at);

	if (head->scheduler_kind == 0 && heap && head->sp >= heap && head->sp <= end)
		head->flags |= FLAG_ON_ERLANG_STACK;
	u64 current = FIELD(draft, config.process_current_at);

	if (current)
		READ(head->current_call, current);
	read_identity(draft);
}

#define PAGE 4096

struct page_copy {
	struct draft *draft;
	u64 from;
	u32 bytes;
	u32 done;
	u32 missing;
	u32 bounded;
};

/* A callback of its own, so that the verifier looks at it once. */
static long copy_page(u32 index, struct page_copy *copy)
{
	u32 done = copy->done, chunk = PAGE - ((copy->from + done) & (PAGE - 1));

	if (done >= copy->bytes)
		return 1;
	if (chunk > copy->bytes - done)
		chunk = copy->bytes - done;
	OPAQUE(chunk);
	OPAQUE(done);
	if (chunk > PAGE || done > NATIVE_BYTES_MAX)
		return 1;
	if (bpf_probe_read_user(copy->draft->body + PROCESS_BYTES + done, chunk,
				(void *)(copy->from + done))) {
		/* The end of a stack whose length is not known. */
		if (!copy->bounded)
			return 1;
		copy->missing++;
	}
	copy->done = done + chunk;
	return 0;
}

/* At once where it can be; else page by page, because a large frame may have pages that were
 * never touched and are not there yet. Those read as zeros. */
static __always_inline u32 copy_native(struct draft *draft, u64 sp, u64 want,
				       struct counters *count)
{
	u32 bytes = want & ~7u;
	struct page_copy copy = {
		.draft = draft,
		.from = sp,
		.bytes = bytes,
		.bounded = draft->head.scheduler_number && draft->head.scheduler_kind == 0,
	};

	OPAQUE(bytes);
	if (bytes == 0 || bytes > NATIVE_BYTES_MAX)
		return 0;
	if (!bpf_probe_read_user(draft->body + PROCESS_BYTES, bytes, (void *)sp))
		return bytes;
	bpf_loop(NATIVE_BYTES_MAX / PAGE + 1, copy_page, &copy, 0);
	bytes = copy.done & ~7u;
	OPAQUE(bytes);
	if (bytes == 0 || bytes > NATIVE_BYTES_MAX || bytes <= PAGE * copy.missing) {
		count->native_unreadable++;
		return 0;
	}
	return bytes;
}

/* How much of a stack to copy when its end is not known. */
#define OTHER_NATIVE_BYTES (16 * 1024)

/* The C stack lies between the stack pointer and the scheduler's registers, which the VM
 * places on the same stack. Other threads: as much as is mapped. */
static __always_inline u32 read_native(struct draft *draft, struct counters *count)
{
	struct sample_head *head = &draft->head;
	u64 limit = config.native_bytes;
	u64 want = limit < OTHER_NATIVE_BYTES ? limit : OTHER_NATIVE_BYTES;
	u64 sp = head->sp & ~7ull;

	if (head->flags & FLAG_ON_ERLANG_STACK)
		return 0;
	if (head->scheduler_number && head->scheduler_kind == 0) {
		if (sp > head->registers || head->registers - sp > (64 << 20))
			return 0;
		want = head->registers - sp;
	}
	if (want > limit) {
		want = limit;
		head->flags |= FLAG_NATIVE_CAPPED;
	}
	head->native_address = sp;
	return copy_native(draft, sp, want, count);
}

struct real_process {
	struct draft *draft;
	u64 scheduler;
	u64 found;
};

/* How many words of a C stack are looked at: the real process lies within the topmost frames,
 * and this runs with interrupts off. */
#define LOOKS_MAX 2048

/* ERTS_INVALID_PID: all ones above the tag, in every release. */
#define INVALID_PID(term) ((u32)(term) == 0xfffffff3u)

static long real_process_word(u32 index, struct real_process *real)
{
	u32 at = PROCESS_BYTES + 8 * index;
	u64 word, scheduler = 0, id = 0;

	if (at > PROCESS_BYTES + NATIVE_BYTES_MAX - 8)
		return 1;
	word = *(u64 *)(real->draft->body + at);
	if ((word & 7) || word < 1 << 16 || word >> 47)
		return 0;
	if (READ(scheduler, word + config.process_scheduler_at) || scheduler != real->scheduler)
		return 0;
	if (READ(id, word + config.process_id_at) || (id & 15) != 3 || INVALID_PID(id))
		return 0;
	real->found = word;
	return 1;
}

/* A match specification runs in a pseudo process that has no pid (db_prog_match in
 * erl_db_util.c). The real one is in a register that C code has saved: the process on the C
 * stack that says it runs on this scheduler. */
static __always_inline u64 real_process(struct draft *draft, u32 native_bytes)
{
	struct real_process real = {
		.draft = draft,
		.scheduler = draft->head.scheduler_data,
	};

	u32 words = native_bytes >> 3;

	bpf_loop(words < LOOKS_MAX ? words : LOOKS_MAX, real_process_word, &real, 0);
	return real.found;
}

struct stack_top {
	struct draft *draft;
	u64 low;
	u64 high;
	u64 best;
};

static long stack_top_word(u32 index, struct stack_top *top)
{
	u32 at = PROCESS_BYTES + 8 * index;
	u64 word;

	if (at > PROCESS_BYTES + NATIVE_BYTES_MAX - 8)
		return 1;
	word = *(u64 *)(top->draft->body + at);
	if (!(word & 7) && word > top->low && word < top->high && word > top->best)
		top->best = word;
	return 0;
}

/* Some calls into C leave Process.stop stale and keep the Erlang stack pointer in rbp only,
 * which C code may have pushed. The copy must begin at or below the real top; user space
 * then finds it exactly by unwinding. */
static __always_inline u64 stack_start(struct draft *draft, u32 native_bytes)
{
	u64 stop = FIELD(draft, config.process_stop_at);
	struct stack_top top = {
		.draft = draft,
		.low = FIELD(draft, config.process_htop_at),
		.high = stop,
	};
	u64 bp = draft->head.bp;

	if (!(bp & 7) && bp > top.low && bp < top.high)
		top.best = bp;
	bpf_loop(native_bytes >> 3, stack_top_word, &top, 0);
	return top.best ? top.best : stop;
}

/* Returns where the next section begins. */
static __always_inline u32 read_erlang(struct draft *draft, struct counters *count, u32 at,
				       u32 native_bytes)
{
	struct sample_head *head = &draft->head;
	u64 end = FIELD(draft, config.process_hend_at);
	u64 start;
	u32 bytes, limit = config.erlang_bytes;

	if (head->flags & FLAG_ON_ERLANG_STACK)
		start = head->sp;
	else if (head->scheduler_kind == 0)
		start = stack_start(draft, native_bytes);
	else
		start = FIELD(draft, config.process_stop_at);
	start &= ~7ull;
	if (start >= end || end - start > 1ull << 32 ||
	    start < FIELD(draft, config.process_heap_at)) {
		/* An empty stack is legal; one above its own end is being replaced. */
		if (start != end)
			goto unreadable;
		return at;
	}
	if (limit > ERLANG_BYTES_MAX)
		limit = ERLANG_BYTES_MAX;
	bytes = end - start > limit ? limit : (u32)(end - start) & ~7u;
	head->erlang_address = start;
	OPAQUE(bytes);
	OPAQUE(at);
	if (bytes > ERLANG_BYTES_MAX || at > PROCESS_BYTES + NATIVE_BYTES_MAX + KERNEL_BYTES_MAX)
		return at;
	if (bpf_probe_read_user(draft->body + at, bytes, (void *)start))
		goto unreadable;
	head->erlang_bytes = bytes;
	at += bytes;
	if (end - start > limit) {
		head->flags |= FLAG_ERLANG_CAPPED;
		head->erlang_bottom_address = end - ERLANG_BOTTOM_BYTES;
		if (end - ERLANG_BOTTOM_BYTES < start + bytes)
			head->erlang_bottom_address = start + bytes;
		u32 bottom = (end - head->erlang_bottom_address) & ~7u;

		OPAQUE(bottom);
		OPAQUE(at);
		if (bottom > ERLANG_BOTTOM_BYTES || at > BODY_BYTES - ERLANG_BOTTOM_BYTES)
			return at;
		if (!bpf_probe_read_user(draft->body + at, bottom,
					 (void *)head->erlang_bottom_address)) {
			head->erlang_bottom_bytes = bottom;
			at += bottom;
		}
	}
	return at;
unreadable:
	head->flags |= FLAG_ERLANG_UNREADABLE;
	/* A collection that is replacing the stack is no loss: user space tells it apart. */
	if (!(FIELD(draft, config.process_state_at) & config.process_state_gc))
		count->erlang_unreadable++;
	return at;
}

static __always_inline u32 read_kernel(struct bpf_perf_event_data *tick, struct draft *draft,
				       u32 at)
{
	long bytes;

	OPAQUE(at);
	if (at > PROCESS_BYTES + NATIVE_BYTES_MAX)
		return at;
	bytes = bpf_get_stack(tick, draft->body + at, KERNEL_BYTES_MAX, 0);
	if (bytes <= 0 || bytes > KERNEL_BYTES_MAX)
		return at;
	draft->head.flags |= FLAG_IN_KERNEL;
	draft->head.kernel_bytes = bytes;
	return at + (u32)bytes;
}

SEC("perf_event")
int tick(struct bpf_perf_event_data *tick)
{
	u64 id = target_thread(config.tgid, config.pid_namespace);
	u32 zero = 0, cpu = bpf_get_smp_processor_id(), at = PROCESS_BYTES;
	struct counters *count;
	struct draft *draft;
	u64 bytes;

	if (!id)
		return 0;
	count = bpf_map_lookup_elem(&counters, &zero);
	draft = bpf_map_lookup_elem(&drafts, &cpu);
	if (!count || !draft)
		return 0;
	count->attempts++;

	struct sample_head *head = &draft->head;
	__builtin_memset(head, 0, sizeof *head);
	head->kind = KIND_SAMPLE;
	head->monotonic_ns = bpf_ktime_get_ns();
	head->weight_ns = config.weight_ns ? config.weight_ns : tick->sample_period;
	head->cpu = cpu;
	head->tid = (u32)id;

	read_registers(head);
	read_scheduler(head, count);
	if (head->process)
		read_process(draft, count);
	head->native_bytes = read_native(draft, count);
	if (head->process_bytes && INVALID_PID(FIELD(draft, config.process_id_at))) {
		u64 real = real_process(draft, head->native_bytes);

		head->process_bytes = 0;
		if (real) {
			head->process = real;
			read_process(draft, count);
		} else {
			head->flags |= FLAG_PROCESS_UNREADABLE;
			count->process_unreadable++;
		}
	}
	at = PROCESS_BYTES + head->native_bytes;
	at = read_kernel(tick, draft, at);
	if (head->process_bytes)
		at = read_erlang(draft, count, at, head->native_bytes);

	bytes = sizeof *head + (u64)at;
	head->bytes = bytes;
	OPAQUE(bytes);
	if (bytes > sizeof *draft)
		return 0;
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + bytes > config.sample_ring_bytes ||
	    bpf_ringbuf_output(&ring, draft, bytes, BPF_RB_NO_WAKEUP)) {
		count->ring_full++;
		return 0;
	}
	count->recorded++;
	count->bytes += bytes;
	count->busy_ns += bpf_ktime_get_ns() - head->monotonic_ns;
	return 0;
}

/* The VM calls __jit_debug_register_code after it has filled in the descriptor and before
 * the code can run, holding a lock of its own: what is read here is consistent. Not an
 * uprobe.multi: with a pid that fires for one thread only before Linux 6.10. */
SEC("uprobe")
int code_loaded(void *ctx)
{
	u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);
	struct code_record record = {
		.kind = KIND_CODE,
		.bytes = sizeof record,
		.monotonic_ns = bpf_ktime_get_ns(),
	};
	struct { u32 version, action; u64 relevant; } descriptor = {};
	struct { u64 next, previous, blob, bytes; } entry = {};
	struct { u64 kind, base; u32 ranges, bytes; } module = {};

	/* Another process may run the same file: the probe is in the file. */
	if (!count || !target_thread(config.tgid, config.pid_namespace))
		return 0;
	count->code_attempts++;
	READ(descriptor, config.jit_descriptor);
	record.action = descriptor.action;
	record.entry = descriptor.relevant;
	if (!READ(entry, descriptor.relevant)) {
		record.blob = entry.blob;
		record.blob_bytes = entry.bytes;
		if (!READ(module, entry.blob) && (u32)module.kind == 1) {
			record.code_start = module.base;
			record.code_bytes = module.bytes;
		}
	}
	long full = bpf_ringbuf_output(&ring, &record, sizeof record, BPF_RB_NO_WAKEUP);

	if (full)
		count->code_ring_full++;
	else
		__sync_fetch_and_add(&code_records, 1);
	if (full || !record.code_start)
		__sync_fetch_and_add(&code_doubts, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
