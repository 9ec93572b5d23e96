/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/* How the target is read, and the limits that the verifier must see. */
#pragma once

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#include "wire.h"

/* The only kernel structs we look into, as far as we look into them (CO-RE). */
struct thread_struct___x86 {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

struct task_struct___x86 {
	struct thread_struct___x86 thread;
} __attribute__((preserve_access_index));

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct pid_namespace {
	struct ns_common ns;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
	struct pid_namespace *ns;
} __attribute__((preserve_access_index));

struct pid {
	unsigned int level;
	struct upid numbers[];
} __attribute__((preserve_access_index));

struct task_struct {
	struct task_struct *group_leader;
	struct pid *thread_pid;
} __attribute__((preserve_access_index));

/* x86-64 pt_regs, as asm/ptrace.h gives them to user space. */
struct user_regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax, ip, cs, flags, sp, ss;
};

#define READ(dst, address) bpf_probe_read_user(&(dst), sizeof(dst), (void *)(address))

/* Keeps clang from proving a bound that the verifier then cannot see. */
#define OPAQUE(value) asm volatile("" : "+r"(value))
