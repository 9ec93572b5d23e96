//! What is in registers and on the stack, in terms of what a function was called with.

use std::collections::BTreeMap;

use iced_x86::{Instruction, Register};

use super::site::{Place, Word};

/// The registers that arguments are in: System V ABI of x86-64, 3.2.3.
const ARGUMENTS: [Register; 6] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
];
/// Those that a function leaves as they were: the same, figure 3.4.
const KEPT: [Register; 6] = [
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
/// The registers as the words of `struct pt_regs` are in order:
/// `arch/x86/include/asm/ptrace.h`. The stack pointer is not among them.
pub(super) const PT_REGS: [Register; 15] = [
    Register::R15,
    Register::R14,
    Register::R13,
    Register::R12,
    Register::RBP,
    Register::RBX,
    Register::R11,
    Register::R10,
    Register::R9,
    Register::R8,
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
];

/// Where a register is when a probe is hit.
pub(super) fn place(register: Register) -> Option<Place> {
    let number = PT_REGS.iter().position(|&it| it == register)?;
    Some(Place::Register(number as u8))
}
/// How many arguments beyond the sixth are followed.
const MORE_ARGUMENTS: u8 = 6;

/// What a register or a word of the stack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Unknown,
    /// A word and a number that was added; the lower half of the word alone, or all of it.
    Word {
        word: Word,
        plus: i64,
        half: bool,
    },
    /// An address on the stack, counted from where the stack pointer was at the entry.
    Stack(i64),
}

/// Where an instruction's operand in memory is.
pub(super) enum Operand {
    /// On the stack, in this call's frame or what the caller put there.
    Stack(i64),
    /// At an offset from a word.
    From(Word, i64),
    /// On the stack, but not known where.
    SomewhereOnStack,
    Elsewhere,
}

/// What is held where before an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    registers: [Held; 16],
    pub(super) stack: BTreeMap<i64, Held>,
}

impl State {
    /// Before the first instruction of a function.
    pub(crate) fn at_entry() -> State {
        let mut state = State {
            registers: [Held::Unknown; 16],
            stack: BTreeMap::new(),
        };
        let argument = |number: u8| Held::Word {
            word: Word::Argument(number),
            plus: 0,
            half: false,
        };
        for (number, register) in (0..).zip(ARGUMENTS) {
            state.set(register, argument(number));
        }
        // The return address comes first.
        for number in 0..MORE_ARGUMENTS {
            let at = 8 + 8 * i64::from(number);
            state.stack.insert(at, argument(6 + number));
        }
        state.set(Register::RSP, Held::Stack(0));
        state
    }

    /// Where nothing is known but that a register holds the first argument.
    pub(crate) fn with(register: Register) -> State {
        let mut state = State {
            registers: [Held::Unknown; 16],
            stack: BTreeMap::new(),
        };
        state.set(
            register,
            Held::Word {
                word: Word::Argument(0),
                plus: 0,
                half: false,
            },
        );
        state.set(Register::RSP, Held::Stack(0));
        state
    }

    /// The word that a register holds, or its lower half.
    pub(crate) fn word(&self, register: Register) -> Option<Word> {
        match self.get(register.full_register()) {
            Held::Word { word, plus: 0, .. } => Some(word),
            _ => None,
        }
    }

    /// The words that a call would pass in registers.
    pub(crate) fn passed(&self) -> [Option<Word>; 6] {
        ARGUMENTS.map(|register| self.word(register))
    }

    /// What is in memory where an instruction reads or writes, if that is at an argument.
    pub(crate) fn touched(&self, instruction: &Instruction) -> Option<Word> {
        match self.operand(instruction) {
            Operand::From(Word::Argument(number), at) => Some(Word::At(number, at)),
            _ => None,
        }
    }

    /// Where a word is, in a register if possible.
    pub(crate) fn place(&self, wanted: Word, half: bool) -> Option<Place> {
        let is_it = |held: Held| match held {
            Held::Word {
                word,
                plus: 0,
                half: lower,
            } => word == wanted && (half || !lower),
            _ => false,
        };
        // Where it was passed, if it is still there.
        let passed = ARGUMENTS.iter().chain(&PT_REGS);
        let found = passed.copied().find(|&register| is_it(self.get(register)));
        if let Some(register) = found {
            let index = PT_REGS.iter().position(|&other| other == register)?;
            return Some(Place::Register(index as u8));
        }
        let Held::Stack(top) = self.get(Register::RSP) else {
            return None;
        };
        self.stack
            .range(top..)
            .find(|&(_, &held)| is_it(held))
            .and_then(|(&at, _)| Some(Place::Stack(u32::try_from(at.checked_sub(top)?).ok()?)))
    }

    pub(super) fn get(&self, register: Register) -> Held {
        self.registers
            .get(register.full_register().number())
            .copied()
            .filter(|_| register.is_gpr64() || register.is_gpr32())
            .unwrap_or(Held::Unknown)
    }

    pub(super) fn set(&mut self, register: Register, held: Held) {
        if register.is_gpr()
            && let Some(slot) = self.registers.get_mut(register.full_register().number())
        {
            *slot = held;
        }
    }

    /// What is the same here and in another state.
    pub(super) fn join(&mut self, other: &State) {
        for (held, other) in self.registers.iter_mut().zip(&other.registers) {
            if held != other {
                *held = Held::Unknown;
            }
        }
        self.stack
            .retain(|at, held| other.stack.get(at) == Some(held));
    }

    /// After a call: what is kept for the caller, and the frame, which the callee does not know.
    pub(super) fn call(&mut self) {
        for (number, held) in self.registers.iter_mut().enumerate() {
            let kept = KEPT.iter().any(|register| register.number() == number);
            if !kept && number != Register::RSP.number() {
                *held = Held::Unknown;
            }
        }
        self.stored_elsewhere();
        // An address in the frame may have been handed over.
        self.stack.clear();
    }

    /// Memory that is not the frame may have changed: what was loaded need not be there now.
    pub(super) fn stored_elsewhere(&mut self) {
        let forget = |held: &mut Held| {
            if let Held::Word { word, .. } = held
                && !matches!(word, Word::Argument(_))
            {
                *held = Held::Unknown;
            }
        };
        self.registers.iter_mut().for_each(forget);
        self.stack.values_mut().for_each(forget);
    }

    /// Where the operand in memory is.
    pub(super) fn operand(&self, instruction: &Instruction) -> Operand {
        let plain = instruction.memory_index() == Register::None
            && !matches!(instruction.memory_segment(), Register::FS | Register::GS);
        let displacement = instruction.memory_displacement64() as i64;
        match self.get(instruction.memory_base()) {
            Held::Stack(at) => match at.checked_add(displacement) {
                Some(at) if plain => Operand::Stack(at),
                _ => Operand::SomewhereOnStack,
            },
            Held::Word {
                word,
                plus,
                half: false,
            } if plain => match plus.checked_add(displacement) {
                Some(at) => Operand::From(word, at),
                None => Operand::Elsewhere,
            },
            _ if instruction.memory_base() == Register::RSP => Operand::SomewhereOnStack,
            _ => Operand::Elsewhere,
        }
    }
}
