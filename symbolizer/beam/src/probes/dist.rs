//! Where signals go to other nodes and come from them.
//!
//! `erts_dsig_send` in `dist.c` encodes a signal, as often as it is called for it until all is
//! done, and keeps how far it is in a context. When all is encoded it sets the last phase, tests
//! whether its time is up and goes on: there the signal's bytes are known, and nothing else leads
//! there. Where the queue to the other node is full it has the process suspended (`erts_suspend`).
//!
//! `erts_net_message` gets what has arrived. It has its header looked at
//! (`erts_prepare_dist_ext`), and when the signal is whole its control message decoded, whose first
//! element is a small integer that it compares with the highest it knows before it jumps by it. The
//! same in OTP 25 to 29.

use std::ops::Range;

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::begin::{FirstCall, constant, first_calls};
use super::by_code::{ByCode, Found, only};
use super::port::{is_kept, last_set};
use super::site::{Bytes, Emulated, Spot, Word, instructions, jumped_into};
use super::state::place;
use crate::layout::DistLayout;
use crate::memory::Memory;

/// `ERTS_DSIG_SEND_PHASE_ALLOC` and `ERTS_DSIG_SEND_PHASE_SEND` in `dist.h`.
const ALLOC: u64 = 2;
const SEND: u64 = 5;
/// `ERTS_PROC_LOCK_MAIN` in `erl_process_lock.h`.
const MAIN_LOCK: u64 = 1;
/// How far before a call its arguments are set.
const BEFORE: usize = 6;
/// How far behind the last phase the test is that follows.
const BEHIND: usize = 3;
/// How far before the comparison the operation is loaded.
const LOADED: usize = 12;
/// How far behind it is the jump by a table.
const JUMPS: usize = 5;
/// What the highest operation is at least, and what all are below, as numbers: `DOP_...` in `dist.h`.
const OPERATIONS: Range<u64> = 32..128;

/// The register of a context of which an instruction sets the phase.
fn sets_phase(instruction: &Instruction, phase: u64, at: u32) -> Option<Register> {
    let is_it = instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Memory
        && instruction.op1_kind() == OpKind::Immediate32
        && instruction.immediate(1) == phase
        && instruction.memory_index() == Register::None
        && instruction.memory_displacement64() == u64::from(at);
    is_it.then(|| instruction.memory_base())
}

/// The branch behind where a signal is all encoded: its context.
///
/// # Errors
/// Why there is none.
pub(super) fn find_sent(
    code: &impl Bytes,
    function: Range<u64>,
    layout: Option<&DistLayout>,
) -> Result<Spot, &'static str> {
    let layout = layout.ok_or(NO_LAYOUT)?;
    let all: Vec<Instruction> = instructions(code, function.clone()).collect();
    let sent = |at: usize| {
        let context = sets_phase(all.get(at)?, SEND, layout.phase)?;
        let behind = all.get(at + 1..)?.iter().take(BEHIND);
        let compares = |it: &&Instruction| matches!(it.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        let branch = behind.clone().find(|it| !compares(it))?;
        let is_branch = branch.flow_control() == FlowControl::ConditionalBranch;
        (is_branch && is_kept(context)).then(|| (all[at].ip(), branch.ip(), context))
    };
    let mut found = (0..all.len()).filter_map(sent);
    let (Some((set, branch, context)), None) = (found.next(), found.next()) else {
        return Err("it does not say once that a signal is encoded");
    };
    if jumped_into(
        code,
        function,
        set.saturating_add(1)..branch.saturating_add(1),
        &[],
    ) {
        return Err("something else leads to where a signal is encoded");
    }
    Ok(Spot {
        address: branch,
        instruction: Emulated::ConditionalJump,
        places: vec![place(context)],
    })
}

/// Where the process that sends is suspended: the context.
///
/// # Errors
/// Why there is none.
pub(super) fn find_suspended(
    code: &impl Bytes,
    function: Range<u64>,
    layout: Option<&DistLayout>,
) -> Result<Spot, &'static str> {
    let process = u64::from(layout.ok_or(NO_LAYOUT)?.process);
    let all: Vec<Instruction> = instructions(code, function.clone()).collect();
    // mov rdi, [CONTEXT+process]; xor edx, edx; mov esi, 1; call.
    let suspends = |at: usize| {
        let call = all.get(at)?;
        if call.flow_control() != FlowControl::Call {
            return None;
        }
        let before = all.get(at.saturating_sub(BEFORE)..at)?;
        let whom = last_set(before, Register::RDI)?;
        let locks = last_set(before, Register::ESI)?;
        let port = last_set(before, Register::EDX)?;
        let is_it = whom.mnemonic() == Mnemonic::Mov
            && whom.op1_kind() == OpKind::Memory
            && whom.memory_index() == Register::None
            && whom.memory_displacement64() == process
            && is_kept(whom.memory_base())
            && locks.mnemonic() == Mnemonic::Mov
            && constant(locks) == Some(MAIN_LOCK)
            && port.mnemonic() == Mnemonic::Xor
            && port.op1_register() == Register::EDX;
        is_it.then(|| (whom.ip(), call.ip(), whom.memory_base()))
    };
    let mut found = (0..all.len()).filter_map(suspends);
    let (Some((set, call, context)), None) = (found.next(), found.next()) else {
        return Err("it does not suspend at one place");
    };
    if jumped_into(
        code,
        function,
        set.saturating_add(1)..call.saturating_add(1),
        &[],
    ) {
        return Err("something else leads to where it suspends");
    }
    Ok(Spot {
        address: call,
        instruction: Emulated::Call,
        places: vec![place(context)],
    })
}

/// The comparison of an operation before the jump by it.
struct Operation {
    compared: u64,
    branch: u64,
    tuple: Register,
    operation: Register,
}

/// `mov OP, [TUPLE+8]; ...; cmp OP, small; ja; ...; jmp by a table`.
fn operation(all: &[Instruction], at: usize) -> Option<Operation> {
    let [compare, branch] = all.get(at..at + 2)? else {
        return None;
    };
    let number = constant(compare)?;
    let is_small = compare.mnemonic() == Mnemonic::Cmp
        && compare.op0_register().is_gpr64()
        && number & 0xf == 0xf
        && OPERATIONS.contains(&(number >> 4));
    let jumps = all.get(at + 2..)?.iter().take(JUMPS);
    let mut jumps = jumps.skip_while(|it| it.flow_control() == FlowControl::Next);
    if !is_small
        || branch.mnemonic() != Mnemonic::Ja
        || jumps.next()?.flow_control() != FlowControl::IndirectBranch
    {
        return None;
    }
    let operation = compare.op0_register();
    let before = all.get(at.saturating_sub(LOADED)..at)?;
    // What checks that it is a small integer branches away.
    let sets = |it: &&Instruction| it.op0_register().full_register() == operation && changes(it);
    let loaded = before.iter().rposition(|it| sets(&it))?;
    let (load, since) = (before.get(loaded)?, before.get(loaded + 1..)?);
    let tuple = load.memory_base();
    let is_load = load.mnemonic() == Mnemonic::Mov
        && load.op1_kind() == OpKind::Memory
        && load.memory_index() == Register::None
        && load.memory_displacement64() == 8
        && tuple.is_gpr64()
        && tuple != operation;
    let goes_on = |it: &Instruction| {
        matches!(
            it.flow_control(),
            FlowControl::Next | FlowControl::ConditionalBranch
        ) && !(it.op0_register().full_register() == tuple && changes(it))
    };
    (is_load && since.iter().all(goes_on)).then(|| Operation {
        compared: load.ip(),
        branch: branch.ip(),
        tuple,
        operation,
    })
}

/// Whether an instruction may change its first operand.
fn changes(instruction: &Instruction) -> bool {
    !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
}

fn operations(code: &impl Bytes, function: Range<u64>) -> Vec<Operation> {
    let all: Vec<Instruction> = instructions(code, function).collect();
    (0..all.len())
        .filter_map(|at| operation(&all, at))
        .collect()
}

/// Where what a signal is for is known: its control message, a pointer to a tuple, and what its
/// first element is, a small integer.
///
/// # Errors
/// Why there is none.
pub(super) fn find_received(code: &impl Bytes, function: Range<u64>) -> Result<Spot, &'static str> {
    let [found] = &operations(code, function.clone())[..] else {
        return Err("it does not jump by an operation at one place");
    };
    let way = found.compared.saturating_add(1)..found.branch.saturating_add(1);
    if jumped_into(code, function, way, &[]) {
        return Err("something else leads to where it jumps by an operation");
    }
    Ok(Spot {
        address: found.branch,
        instruction: Emulated::ConditionalJump,
        places: vec![place(found.tuple), place(found.operation)],
    })
}

/// Whether a call passes the data, their size, the node and the connection as they were passed: each
/// two of them one after the other. What ends a program with a broken stack is called with none.
fn hands_over(call: &FirstCall) -> bool {
    let follows = |at: usize| match (call.passed.get(at), call.passed.get(at + 1)) {
        (Some(Some(Word::Argument(one))), Some(Some(Word::Argument(next)))) => one + 1 == *next,
        _ => false,
    };
    follows(1) && follows(4)
}

/// Why nothing is found where a release has no table of it.
const NO_LAYOUT: &str = "where what is sent to other nodes lies is not known of this release";

impl<M: Memory> ByCode<'_, M> {
    /// `erts_dsig_send`, which `erlang:send/2` leads to.
    pub(super) fn dist_send(&self) -> Found {
        let layout = self.vm.layout.dist.as_ref().ok_or(NO_LAYOUT)?;
        let sends = |&start: &u64| {
            let function = start..self.code.end_of(start);
            let sets = |phase: u64| {
                instructions(self.code, function.clone())
                    .any(|it| sets_phase(&it, phase, layout.phase).is_some_and(is_kept))
            };
            sets(ALLOC) && sets(SEND)
        };
        let found = self.reached(self.bif("send", 2)?);
        only(
            found.into_iter().filter(sends),
            "functions that encode signals for other nodes",
        )
    }

    /// `erts_net_message`, or the part of it that does the work: a process that has data for the
    /// VM calls it with them (`dist_ctrl_put_data/2`).
    pub(super) fn dist_receive(&self) -> Found {
        let callees = self.callees(self.bif("dist_ctrl_put_data", 2)?);
        let receives = |&start: &u64| {
            let function = start..self.code.end_of(start);
            !operations(self.code, function).is_empty()
        };
        let found = callees.into_iter().filter(receives);
        only(
            found,
            "functions that jump by an operation from another node",
        )
    }

    /// `erts_prepare_dist_ext`: what that calls before all else.
    pub(super) fn dist_arrive(&self) -> Found {
        let start = self.dist_receive()?;
        let calls = first_calls(self.code, start, self.code.end_of(start));
        let found = calls.iter().filter(|call| hands_over(call));
        let found = self.own(found.map(|call| call.to));
        only(found, "functions that look at what comes from other nodes")
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::super::site::{Emulated, Place};
    use super::{find_received, find_sent, find_suspended};
    use crate::layout::DistLayout;

    const LAYOUT: DistLayout = DistLayout {
        control: 16,
        from: 32,
        entry: 112,
        phase: 148,
        buffers: 200,
        fragments: 216,
        process: 240,
        buffer_size: 32,
        buffer_vector: 16,
        entry_name: 112,
    };
    /// mov dword [r15+0x94], 5; cmp qword [r15+0x98], 0; jg +2.
    const SENT: &[u8] = &[
        0x41, 0xc7, 0x87, 0x94, 0, 0, 0, 5, 0, 0, 0, 0x49, 0x83, 0xbf, 0x98, 0, 0, 0, 0, 0x7f, 2,
    ];
    /// mov rdi, [r15+0xf0]; xor edx, edx; mov esi, 1; call.
    const SUSPENDED: &[u8] = &[
        0x49, 0x8b, 0xbf, 0xf0, 0, 0, 0, 0x31, 0xd2, 0xbe, 1, 0, 0, 0, 0xe8, 0, 0x10, 0, 0,
    ];

    #[test]
    fn a_signal_is_sent_where_the_last_phase_begins() {
        let all = [SENT, &[0x90, 0x90, 0xc3]].concat();
        let end = 0x1000 + all.len() as u64;
        let spot = find_sent(&Code(all.clone()), 0x1000..end, Some(&LAYOUT)).expect("one");
        assert_eq!(
            (spot.address, spot.instruction),
            (0x1013, Emulated::ConditionalJump)
        );
        assert_eq!(spot.places, [Some(Place::Register(0))]);
        // Without a table, twice, or in another phase.
        assert!(find_sent(&Code(all.clone()), 0x1000..end, None).is_err());
        let twice = Code([SENT, SENT].concat());
        assert!(find_sent(&twice, 0x1000..0x102a, Some(&LAYOUT)).is_err());
        let mut other = all.clone();
        other[7] = 4;
        assert!(find_sent(&Code(other), 0x1000..end, Some(&LAYOUT)).is_err());
        // Something else leads to the comparison: jmp to it.
        let around = [all, vec![0xeb, 0xf1]].concat();
        assert!(find_sent(&Code(around), 0x1000..end + 2, Some(&LAYOUT)).is_err());
    }

    #[test]
    fn who_sends_is_suspended_by_its_lock() {
        let spot = |code: &[u8]| {
            let end = 0x1000 + code.len() as u64;
            find_suspended(&Code(code.to_vec()), 0x1000..end, Some(&LAYOUT))
        };
        let found = spot(SUSPENDED).expect("one");
        assert_eq!((found.address, found.instruction), (0x100e, Emulated::Call));
        assert_eq!(found.places, [Some(Place::Register(0))]);
        // As `erts_resume`, which is given no port; or what is no process of a context.
        let mut resumes = SUSPENDED.to_vec();
        resumes[7..9].copy_from_slice(&[0x90, 0x90]);
        assert!(spot(&resumes).is_err());
        let mut other = SUSPENDED.to_vec();
        other[3] = 0xe0;
        assert!(spot(&other).is_err());
    }

    #[test]
    fn an_operation_is_compared_before_the_jump_by_it() {
        // mov rdx, [r14+8]; mov rcx, rdx; and ecx, 15; cmp rcx, 15; jne; mov r13, rdx; shr r13, 4;
        // cmp rdx, 0x24f; ja; lea rcx, [rip]; movsxd rdx, [rcx+r13*4]; add rdx, rcx; jmp rdx.
        let code = [
            &[0x49, 0x8b, 0x56, 0x08, 0x48, 0x89, 0xd1, 0x83, 0xe1, 0x0f][..],
            &[
                0x48, 0x83, 0xf9, 0x0f, 0x75, 0x20, 0x49, 0x89, 0xd5, 0x49, 0xc1, 0xed, 0x04,
            ],
            &[0x48, 0x81, 0xfa, 0x4f, 0x02, 0, 0, 0x77, 0x10],
            &[
                0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0x4a, 0x63, 0x14, 0xa9, 0x48, 0x01, 0xca, 0xff, 0xe2,
            ],
        ];
        let code = code.concat();
        let end = 0x1000 + code.len() as u64;
        let spot = find_received(&Code(code.clone()), 0x1000..end).expect("one");
        assert_eq!(
            (spot.address, spot.instruction),
            (0x101e, Emulated::ConditionalJump)
        );
        assert_eq!(
            spot.places,
            [Some(Place::Register(1)), Some(Place::Register(12))]
        );
        // Another number: what is no small integer, or too few operations.
        for number in [0x4c, 0x0f] {
            let mut other = code.clone();
            (other[26], other[27]) = (number, u8::from(number == 0x4c) * 2);
            assert!(find_received(&Code(other), 0x1000..end).is_err());
        }
        // No jump by a table.
        assert!(find_received(&Code(code[..0x2e].to_vec()), 0x1000..0x102e).is_err());
        // The tuple is gone: xor r14d, r14d in place of `mov r13, rdx`.
        let mut other = code;
        other[16..19].copy_from_slice(&[0x45, 0x31, 0xf6]);
        assert!(find_received(&Code(other), 0x1000..end).is_err());
    }
}
