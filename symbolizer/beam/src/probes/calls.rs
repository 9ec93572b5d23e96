//! What code calls.

use std::collections::VecDeque;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};

use crate::memory::Memory;

/// A call or a jump that leaves a piece of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Where the instruction is.
    pub(super) at: u64,
    /// Where it leads.
    pub(super) to: u64,
}

/// The calls in code, and the jumps that leave it, in order: straight ones, by a word that is
/// addressed relative to the program counter, and by an address that was just loaded.
pub(super) fn calls(memory: &impl Memory, start: u64, code: &[u8]) -> Vec<Call> {
    let own = start..start.saturating_add(code.len() as u64);
    let mut loaded = (Register::None, 0);
    let mut calls = Vec::new();
    for instruction in &mut Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        if instruction.code() == Code::Mov_r64_imm64 {
            loaded = (instruction.op0_register(), instruction.immediate64());
        }
        let Some(to) = target(memory, &instruction, loaded) else {
            continue;
        };
        if !own.contains(&to) {
            let at = instruction.ip();
            calls.push(Call { at, to });
        }
    }
    calls
}

fn target(memory: &impl Memory, instruction: &Instruction, loaded: (Register, u64)) -> Option<u64> {
    match instruction.flow_control() {
        FlowControl::Call | FlowControl::UnconditionalBranch => {
            Some(instruction.near_branch_target()).filter(|&to| to != 0)
        }
        FlowControl::IndirectCall | FlowControl::IndirectBranch => match instruction.op0_kind() {
            OpKind::Memory if instruction.memory_base() == Register::RIP => {
                memory.u64(instruction.memory_displacement64()).ok()
            }
            OpKind::Register if instruction.op0_register() == loaded.0 => Some(loaded.1),
            _ => None,
        },
        _ => None,
    }
}

/// How far before a call its arguments are set.
const BEFORE: usize = 6;

/// Whether code calls the address that is in a register, and then whether it loads the second
/// argument, of 32 bits, from 8 bytes before an address. `None` where there is no such call.
pub(super) fn by_register(code: impl Iterator<Item = Instruction>) -> Option<bool> {
    let mut before: VecDeque<Instruction> = VecDeque::new();
    let mut found = None;
    for instruction in code {
        let by_register = instruction.flow_control() == FlowControl::IndirectCall
            && instruction.op0_kind() == OpKind::Register;
        if by_register {
            let arity = |other: &Instruction| {
                other.code() == Code::Mov_r32_rm32
                    && other.op0_register() == Register::ESI
                    && other.op1_kind() == OpKind::Memory
                    && other.memory_displacement64() == 8u64.wrapping_neg()
            };
            found = Some(found == Some(true) || before.iter().any(arity));
        }
        match instruction.flow_control() {
            FlowControl::Next if before.len() == BEFORE => {
                before.pop_front();
                before.push_back(instruction);
            }
            FlowControl::Next => before.push_back(instruction),
            _ => before.clear(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::{by_register, calls};
    use crate::memory::Image;

    #[test]
    fn calls_of_each_kind_lead_somewhere() {
        let code = [
            &[0xe8, 0xfb, 0x0f, 0, 0][..],               // call 0x2000
            &[0xff, 0x15, 0xf5, 0x1f, 0, 0],             // call [0x3000]
            &[0x48, 0xb8, 0, 0x50, 0, 0, 0, 0, 0, 0],    // mov rax, 0x5000
            &[0xff, 0xd0, 0xff, 0xd1, 0xeb, 0xe5],       // call rax; call rcx; jmp 0x1000
            &[0xe9, 0xe0, 0x4f, 0, 0, 0xff, 0x14, 0x25], // jmp 0x6000; the rest is cut
        ];
        let mut image = Image::new();
        image.map_words(0x3000, &[0x4000]);
        let found = calls(&image, 0x1000, &code.concat());
        let to: Vec<u64> = found.iter().map(|call| call.to).collect();
        assert_eq!(to, [0x2000, 0x4000, 0x5000, 0x6000]);
        assert_eq!(found[1].at, 0x1005);
        // Where that word cannot be read it leads nowhere.
        assert_eq!(calls(&Image::new(), 0x1000, &code.concat()).len(), 3);
    }

    #[test]
    fn a_nif_is_called_with_its_arity() {
        let decode = |code: &[u8]| {
            by_register(Decoder::with_ip(64, code, 0, DecoderOptions::NONE).into_iter())
        };
        // mov esi, [r14-8]; mov rdx, r15; mov rdi, rbp; call rcx
        let nif = [
            0x41, 0x8b, 0x76, 0xf8, 0x4c, 0x89, 0xfa, 0x48, 0x89, 0xef, 0xff, 0xd1,
        ];
        assert_eq!(decode(&nif), Some(true));
        assert_eq!(decode(&nif[4..]), Some(false));
        assert_eq!(decode(&nif[..10]), None);
        // A branch in between: it may be of something else.
        let other = [0x41, 0x8b, 0x76, 0xf8, 0x74, 0x00, 0xff, 0xd1];
        assert_eq!(decode(&other), Some(false));
    }
}
