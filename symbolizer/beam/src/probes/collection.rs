//! Where a collection of garbage begins and ends: where the process's state says so.
//!
//! What may collect sets a bit of the state before it does and clears it afterwards
//! (`set_proc_state_gc`, in earlier releases the same in place: `erl_gc.c`). Nothing that is
//! called only then is cheap to probe, and a probe on the way back is none of ours. But what
//! follows the change of the bit is a test and a branch, in which the process is in a register.

use std::ops::Range;

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

use super::site::{Bytes, Emulated, Spot, Want, instructions, jumped_into, walk};
use super::state::State;
use crate::process::ProcessState;

/// How far before the bit is changed the state is read.
const BEFORE: usize = 8;
/// How far behind it the change is tried.
const BEHIND: usize = 4;

/// Which way the bit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The collection begins.
    Begin,
    /// It has ended.
    End,
}

/// The spot behind a change of the bit in a function, if there is only one. Where a collection is
/// given up the bit is cleared too, but there a call comes next.
///
/// # Errors
/// Why there is none.
pub(super) fn find(
    code: &impl Bytes,
    function: Range<u64>,
    state: u32,
    edge: Edge,
    want: Want,
) -> Result<Spot, &'static str> {
    let all: Vec<Instruction> = instructions(code, function.clone()).collect();
    let mut spots = (0..all.len())
        .filter_map(|at| changed(&all, at, state, edge))
        .filter_map(|(from, process)| behind(code, &function, from, process, want));
    match (spots.next(), spots.next()) {
        (Some(spot), None) => Ok(spot),
        (Some(_), Some(_)) => Err("it changes its process's state in several places"),
        (None, _) => Err("it does not change its process's state as expected"),
    }
}

/// Whether the instruction at an index changes the bit: where it goes on afterwards, and which
/// register points to the process.
fn changed(all: &[Instruction], at: usize, state: u32, edge: Edge) -> Option<(u64, Register)> {
    let instruction = all.get(at)?;
    let (mnemonic, mask) = match edge {
        Edge::Begin => (Mnemonic::Or, ProcessState::GC),
        Edge::End => (Mnemonic::And, !ProcessState::GC),
    };
    let is_it = instruction.mnemonic() == mnemonic
        && instruction.op1_kind() == OpKind::Immediate32
        && instruction.immediate32() == mask;
    if !is_it {
        return None;
    }
    if instruction.op0_kind() == OpKind::Memory {
        // lock and dword [process + state], mask
        let process = points_to_state(instruction, state)?;
        return instruction
            .has_lock_prefix()
            .then_some((instruction.next_ip(), process));
    }
    // mov eax, [process + state]; again: ...; lock cmpxchg [..], changed; ...; jne again
    let before = all.get(at.saturating_sub(BEFORE)..at)?;
    let is_read = |other: &Instruction| {
        other.mnemonic() == Mnemonic::Mov && other.op0_register() == Register::EAX
    };
    let read = before
        .iter()
        .rposition(|other| is_read(other) && points_to_state(other, state).is_some())?;
    let process = points_to_state(before.get(read)?, state)?;
    let tried = all.get(at + 1..)?.iter().take(BEHIND);
    let tried = tried.take_while(|other| other.flow_control() == FlowControl::Next);
    let exchanges = |other: &Instruction| {
        other.mnemonic() == Mnemonic::Cmpxchg
            && other.has_lock_prefix()
            && other.op1_register() == instruction.op0_register()
    };
    let length = tried.clone().count();
    if !tried.clone().any(exchanges) {
        return None;
    }
    let again = all.get(at + 1 + length)?;
    let loop_start = before.get(read)?.next_ip();
    let retries = again.flow_control() == FlowControl::ConditionalBranch
        && (loop_start..=instruction.ip()).contains(&again.near_branch_target());
    let mut known = State::with(process);
    let mut factory = InstructionInfoFactory::new();
    let between = before.iter().skip(read).chain([instruction]).chain(tried);
    between.for_each(|other| known.execute(other, &mut factory));
    let kept = known.word(process) == State::with(process).word(process);
    (retries && kept).then_some((again.next_ip(), process))
}

/// The base of an operand that is the state of a process.
fn points_to_state(instruction: &Instruction, state: u32) -> Option<Register> {
    let base = instruction.memory_base();
    let operand = [instruction.op0_kind(), instruction.op1_kind()].contains(&OpKind::Memory);
    (operand
        && base.is_gpr64()
        && base != Register::RSP
        && instruction.memory_index() == Register::None
        && instruction.memory_displacement64() == u64::from(state))
    .then_some(base)
}

/// The first cheap instruction from an address on, if it is a branch that all of what came here
/// gets to, and nothing else does.
fn behind(
    code: &impl Bytes,
    function: &Range<u64>,
    from: u64,
    process: Register,
    want: Want,
) -> Option<Spot> {
    let mut found = None;
    walk(
        code,
        from,
        State::with(process),
        |state, instruction, cheap| {
            if let Some(cheap) = cheap {
                found = Some(Spot {
                    address: instruction.ip(),
                    instruction: cheap,
                    places: vec![state.place(want.word, want.half)],
                });
            }
            cheap.is_none()
        },
    );
    let spot = found?;
    let way = from..spot.address.saturating_add(1);
    let good = spot.instruction == Emulated::ConditionalJump
        && spot.places.iter().all(Option::is_some)
        && !jumped_into(code, function.clone(), way, &[]);
    good.then_some(spot)
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::super::site::{Emulated, Place, Word};
    use super::{Edge, Spot, Want, find};

    /// mov eax, [rbx+0x280]; again: mov esi, eax; mov ecx, eax; and esi, ~GC;
    /// lock cmpxchg [rdx], esi; cmp ecx, eax; jne again; what comes next.
    fn cleared(next: &[u8]) -> Vec<u8> {
        let mut code = vec![0x8b, 0x83, 0x80, 0x02, 0, 0, 0x89, 0xc6, 0x89, 0xc1];
        code.extend([0x81, 0xe6, 0xff, 0xff, 0xfd, 0xff, 0xf0, 0x0f, 0xb1, 0x32]);
        code.extend([0x39, 0xc1, 0x75, 0xee]);
        code.extend(next);
        code
    }

    fn spot(code: Vec<u8>, edge: Edge) -> Result<Spot, &'static str> {
        let want = Want {
            word: Word::Argument(0),
            half: false,
            needed: true,
        };
        let end = 0x1000 + code.len() as u64;
        find(&Code(code), 0x1000..end, 640, edge, want)
    }

    /// test byte [rbx+0x41], 0x40; je +0
    const TEST: [u8; 6] = [0xf6, 0x43, 0x41, 0x40, 0x74, 0x00];
    /// mov rdi, rbx; call
    const GIVE_UP: [u8; 8] = [0x48, 0x89, 0xdf, 0xe8, 0, 0, 0, 0];

    #[test]
    fn the_branch_behind_the_change_is_the_site() {
        let code = [cleared(&GIVE_UP), cleared(&TEST)].concat();
        let found = spot(code.clone(), Edge::End).expect("the second");
        let expected = Spot {
            address: 0x1000 + code.len() as u64 - 2,
            instruction: Emulated::ConditionalJump,
            places: vec![Some(Place::Register(5))],
        };
        assert_eq!(found, expected);
        assert!(spot(code, Edge::Begin).is_err());
        // lock and dword [rbx+0x280], ~GC
        let mut short = vec![0xf0, 0x81, 0xa3, 0x80, 0x02, 0, 0, 0xff, 0xff, 0xfd, 0xff];
        short.extend(TEST);
        assert_eq!(spot(short, Edge::End).expect("it").address, 0x100f);
    }

    #[test]
    fn what_is_not_certain_is_no_site() {
        // Two of them; none; the register is another by then; a jump onto what is tested.
        let twice = [cleared(&TEST), cleared(&TEST)].concat();
        assert!(spot(twice, Edge::End).is_err());
        assert!(spot(cleared(&GIVE_UP), Edge::End).is_err());
        assert!(spot(cleared(&[0x89, 0xc3, 0x74, 0x00]), Edge::End).is_err());
        let jumped = [&cleared(&TEST)[..], &[0xeb, 0xf8]].concat();
        assert!(spot(jumped, Edge::End).is_err());
        // The state of something else, at another place.
        let mut other = cleared(&TEST);
        other[2] = 0x84;
        assert!(spot(other, Edge::End).is_err());
    }
}
