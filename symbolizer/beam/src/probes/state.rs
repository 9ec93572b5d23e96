//! What is in registers and on the stack, in terms of what a function was called with.

use std::collections::BTreeMap;

use iced_x86::{
    Instruction, InstructionInfoFactory, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};

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
const PT_REGS: [Register; 15] = [
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
/// How many arguments beyond the sixth are followed.
const MORE_ARGUMENTS: u8 = 6;
/// How many words of the stack are remembered.
const STACK_MAX: usize = 128;

/// What a register or a word of the stack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
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
enum Operand {
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
    stack: BTreeMap<i64, Held>,
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

    fn get(&self, register: Register) -> Held {
        self.registers
            .get(register.full_register().number())
            .copied()
            .filter(|_| register.is_gpr64() || register.is_gpr32())
            .unwrap_or(Held::Unknown)
    }

    fn set(&mut self, register: Register, held: Held) {
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
    fn stored_elsewhere(&mut self) {
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

    /// Executes an instruction that does not branch.
    pub(super) fn execute(
        &mut self,
        instruction: &Instruction,
        factory: &mut InstructionInfoFactory,
    ) {
        match instruction.mnemonic() {
            Mnemonic::Push => self.push(instruction),
            Mnemonic::Pop => self.pop(instruction),
            Mnemonic::Mov if self.moved(instruction) => {}
            Mnemonic::Lea => {
                let held = match self.operand(instruction) {
                    Operand::Stack(at) => Held::Stack(at),
                    Operand::From(word, plus) => Held::Word {
                        word,
                        plus,
                        half: false,
                    },
                    Operand::SomewhereOnStack | Operand::Elsewhere => Held::Unknown,
                };
                let whole = instruction.op0_register().is_gpr64();
                self.set(
                    instruction.op0_register(),
                    if whole { held } else { Held::Unknown },
                );
            }
            Mnemonic::Add | Mnemonic::Sub if self.added(instruction) => {}
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop | Mnemonic::Endbr64 => {}
            _ => self.other(instruction, factory),
        }
    }

    fn push(&mut self, instruction: &Instruction) {
        let by = i64::from(instruction.stack_pointer_increment());
        let held = match instruction.op0_kind() {
            OpKind::Register if by == -8 => self.get(instruction.op0_register()),
            _ => Held::Unknown,
        };
        let Held::Stack(top) = self.get(Register::RSP) else {
            return;
        };
        let Some(top) = top.checked_add(by) else {
            return self.set(Register::RSP, Held::Unknown);
        };
        self.set(Register::RSP, Held::Stack(top));
        self.store(top, 8, held);
    }

    fn pop(&mut self, instruction: &Instruction) {
        let held = match self.get(Register::RSP) {
            Held::Stack(top) => {
                let above = top.checked_add(i64::from(instruction.stack_pointer_increment()));
                self.set(Register::RSP, above.map_or(Held::Unknown, Held::Stack));
                self.stack.get(&top).copied().unwrap_or(Held::Unknown)
            }
            _ => Held::Unknown,
        };
        match instruction.op0_kind() {
            OpKind::Register => self.set(instruction.op0_register(), held),
            _ => self.stored_elsewhere(),
        }
    }

    /// A `mov` whose meaning is followed; `false` for others.
    fn moved(&mut self, instruction: &Instruction) -> bool {
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        match (instruction.op0_kind(), instruction.op1_kind()) {
            (OpKind::Register, OpKind::Register) if to.is_gpr64() && from.is_gpr64() => {
                self.set(to, self.get(from));
            }
            (OpKind::Register, OpKind::Register) if to.is_gpr32() && from.is_gpr32() => {
                self.set(to, lower(self.get(from)));
            }
            (OpKind::Register, OpKind::Memory) if to.is_gpr64() || to.is_gpr32() => {
                let held = self.load(instruction);
                self.set(to, if to.is_gpr64() { held } else { lower(held) });
            }
            (OpKind::Memory, kind) => {
                let held = match kind {
                    OpKind::Register if from.is_gpr64() => self.get(from),
                    OpKind::Register if from.is_gpr32() => lower(self.get(from)),
                    _ => Held::Unknown,
                };
                self.store_operand(instruction, held);
            }
            _ => return false,
        }
        true
    }

    fn load(&self, instruction: &Instruction) -> Held {
        let held = |word| Held::Word {
            word,
            plus: 0,
            half: false,
        };
        match self.operand(instruction) {
            Operand::Stack(at) => self.stack.get(&at).copied().unwrap_or(Held::Unknown),
            Operand::From(Word::Argument(n), at) => held(Word::At(n, at)),
            Operand::From(Word::At(n, first), at) => held(Word::AtAt(n, first, at)),
            _ => Held::Unknown,
        }
    }

    /// `add` or `sub` of a number to a register that holds something known.
    fn added(&mut self, instruction: &Instruction) -> bool {
        let register = instruction.op0_register();
        let number = match instruction.op1_kind() {
            OpKind::Immediate8to64 => instruction.immediate8to64(),
            OpKind::Immediate32to64 => instruction.immediate32to64(),
            _ => return false,
        };
        if instruction.op0_kind() != OpKind::Register {
            return false;
        }
        let sum = |to: i64| match instruction.mnemonic() {
            Mnemonic::Add => to.checked_add(number),
            _ => to.checked_sub(number),
        };
        let held = match self.get(register) {
            Held::Stack(at) => sum(at).map(Held::Stack),
            Held::Word { word, plus, half } => {
                sum(plus).map(|plus| Held::Word { word, plus, half })
            }
            Held::Unknown => None,
        };
        self.set(register, held.unwrap_or(Held::Unknown));
        true
    }

    /// Anything else: what it writes is unknown afterwards.
    fn other(&mut self, instruction: &Instruction, factory: &mut InstructionInfoFactory) {
        let writes = |access| {
            matches!(
                access,
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            )
        };
        let info = factory.info(instruction);
        let stores = info.used_memory().iter().any(|used| writes(used.access()));
        for used in info.used_registers() {
            if writes(used.access()) && used.register().is_gpr() {
                self.set(used.register(), Held::Unknown);
            }
        }
        if stores {
            match self.is_plain_store(instruction) {
                true => self.store_operand(instruction, Held::Unknown),
                false => {
                    self.stored_elsewhere();
                    self.stack.clear();
                }
            }
        }
    }

    /// Whether it writes to no memory but its one operand there.
    fn is_plain_store(&self, instruction: &Instruction) -> bool {
        !instruction.is_string_instruction() && instruction.stack_pointer_increment() == 0
    }

    fn store_operand(&mut self, instruction: &Instruction, held: Held) {
        let bytes = instruction.memory_size().size().max(1) as i64;
        match self.operand(instruction) {
            Operand::Stack(at) => {
                let whole = instruction.memory_size() == MemorySize::UInt64;
                self.store(at, bytes, if whole { held } else { lower(held) });
            }
            Operand::SomewhereOnStack => self.stack.clear(),
            Operand::From(..) | Operand::Elsewhere => self.stored_elsewhere(),
        }
    }

    /// To the stack. What the caller has there may be reached by a pointer too.
    fn store(&mut self, at: i64, bytes: i64, held: Held) {
        let overlapped = at.saturating_sub(7)..at.saturating_add(bytes);
        let gone: Vec<i64> = self.stack.range(overlapped).map(|(&at, _)| at).collect();
        for at in gone {
            self.stack.remove(&at);
        }
        if at >= 0 {
            self.stored_elsewhere();
        }
        if held != Held::Unknown && self.stack.len() < STACK_MAX {
            self.stack.insert(at, held);
        }
    }

    fn operand(&self, instruction: &Instruction) -> Operand {
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

/// The lower half of what is held; of a sum of it nothing is known.
fn lower(held: Held) -> Held {
    match held {
        Held::Word { word, plus: 0, .. } => Held::Word {
            word,
            plus: 0,
            half: true,
        },
        _ => Held::Unknown,
    }
}
