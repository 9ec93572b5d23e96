//! What instructions do to what is known of registers and the stack.

use iced_x86::{
    Instruction, InstructionInfoFactory, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};

use super::site::Word;
use super::state::{Held, Operand, State};

/// How many words of the stack are remembered.
const STACK_MAX: usize = 128;

impl State {
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
