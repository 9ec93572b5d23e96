//! What the begin of a function shows: what it touches, what it tests, and what it calls with
//! which of its arguments.

use std::collections::BTreeSet;

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

use super::site::{Bytes, Word, decode, walk};
use super::state::State;

/// How many instructions are followed on all ways to the first calls.
const STEPS_MAX: usize = 256;
/// How many ways are taken at most.
const WAYS_MAX: usize = 32;

/// What a function does before it first branches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Begin {
    /// What it reads or writes at its arguments.
    pub(super) touched: Vec<Word>,
    /// What its first branch depends on: bits of a word,
    pub(super) tested: Option<(Word, u64)>,
    /// or a word that was compared with something.
    pub(super) compared: Option<Word>,
}

/// Looks at the begin of a function.
pub(super) fn begin(code: &impl Bytes, entry: u64) -> Begin {
    let mut begin = Begin::default();
    walk(code, entry, State::at_entry(), |state, instruction, _| {
        match instruction.flow_control() {
            FlowControl::Next => {}
            FlowControl::ConditionalBranch => return false,
            _ => {
                (begin.tested, begin.compared) = (None, None);
                return false;
            }
        }
        if instruction.mnemonic() != Mnemonic::Lea {
            begin.touched.extend(state.touched(instruction));
        }
        if instruction.rflags_modified() != 0 {
            let register = instruction.op0_register();
            let word = state.word(register).filter(|_| is_low(register));
            let mask = constant(instruction);
            (begin.tested, begin.compared) = match instruction.mnemonic() {
                Mnemonic::Test | Mnemonic::And => (word.zip(mask), None),
                Mnemonic::Cmp => (None, word),
                _ => (None, None),
            };
        }
        true
    });
    begin
}

/// Whether a part of a register begins at its lowest bit.
fn is_low(register: Register) -> bool {
    let high = [Register::AH, Register::BH, Register::CH, Register::DH];
    !high.contains(&register)
}

/// The second operand, if it is a number.
pub(super) fn constant(instruction: &Instruction) -> Option<u64> {
    match instruction.op1_kind() {
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Some(instruction.immediate(1)),
        _ => None,
    }
}

/// A call, and which words it passes in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstCall {
    pub(super) to: u64,
    pub(super) passed: [Option<Word>; 6],
}

/// The first call on each way from the entry of a function; of those that jump elsewhere at the
/// end, the jump.
pub(super) fn first_calls(code: &impl Bytes, entry: u64, end: u64) -> Vec<FirstCall> {
    let mut calls = Vec::new();
    let mut ways = vec![(entry, State::at_entry())];
    let mut seen = BTreeSet::new();
    let mut factory = InstructionInfoFactory::new();
    let mut steps = 0;
    while let Some((mut address, mut state)) = ways.pop() {
        while steps < STEPS_MAX && seen.insert(address) {
            steps += 1;
            let Some((instruction, _)) = decode(code, address) else {
                break;
            };
            let target = instruction.near_branch_target();
            let call = FirstCall {
                to: target,
                passed: state.passed(),
            };
            let inside = (entry..end).contains(&target);
            address = instruction.next_ip();
            match instruction.flow_control() {
                FlowControl::Next => state.execute(&instruction, &mut factory),
                FlowControl::ConditionalBranch => {
                    if inside && ways.len() < WAYS_MAX {
                        ways.push((target, state.clone()));
                    }
                }
                FlowControl::UnconditionalBranch if inside => address = target,
                FlowControl::Call | FlowControl::UnconditionalBranch => {
                    calls.push(call);
                    break;
                }
                _ => break,
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::{FirstCall, Word, begin, first_calls};

    #[test]
    fn the_first_branch_says_what_it_depends_on() {
        // As `erts_proc_sig_queue_try_enqueue_to_buffer`: push r15; mov eax, edx; and eax, 2;
        // mov [rsp+8], r8; mov [rdi+0x10], r9; je.
        let code = [
            &[0x41, 0x57, 0x89, 0xd0, 0x83, 0xe0, 0x02][..],
            &[0x4c, 0x89, 0x44, 0x24, 0x08],
            &[0x4c, 0x89, 0x4f, 0x10, 0x74, 0x00],
        ];
        let found = begin(&Code(code.concat()), 0x1000);
        assert_eq!(found.tested, Some((Word::Argument(2), 2)));
        assert_eq!(found.touched, [Word::At(0, 0x10)]);
        assert_eq!(found.compared, None);
        // cmp r8d, 3; je. And the same, but what is compared is no argument: test dh, 2; je.
        let code = Code(vec![0x41, 0x83, 0xf8, 0x03, 0x74, 0x00]);
        assert_eq!(begin(&code, 0x1000).compared, Some(Word::Argument(4)));
        let code = Code(vec![0xf6, 0xc6, 0x02, 0x74, 0x00]);
        assert_eq!(begin(&code, 0x1000), super::Begin::default());
    }

    #[test]
    fn calls_show_what_they_pass_whichever_way_leads_to_them() {
        // As `unregister_1`: mov rcx, [rsi]; test cl, 1; jne +3; xor eax, eax; ret;
        // xor edx, edx; call 0x2000.
        let code = [
            &[0x48, 0x8b, 0x0e, 0xf6, 0xc1, 0x01, 0x75, 0x03][..],
            &[0x31, 0xc0, 0xc3, 0x31, 0xd2, 0xe8, 0xee, 0x0f, 0, 0],
        ];
        let calls = first_calls(&Code(code.concat()), 0x1000, 0x1012);
        let arguments = [0, 1, 2, 3, 4, 5].map(|n| Some(Word::Argument(n)));
        let mut passed = arguments;
        (passed[2], passed[3]) = (None, Some(Word::At(1, 0)));
        assert_eq!(calls, [FirstCall { to: 0x2000, passed }]);
        // A jump to elsewhere at the end is a call; one in a loop is none.
        let calls = first_calls(&Code(vec![0xeb, 0x10]), 0x1000, 0x1002);
        let passed = arguments;
        assert_eq!(calls, [FirstCall { to: 0x1012, passed }]);
        assert!(first_calls(&Code(vec![0xeb, 0xfe]), 0x1000, 0x1002).is_empty());
    }
}
