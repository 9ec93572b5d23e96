//! Where in a function a probe is cheap, and where the function's arguments are there.
//!
//! A uprobe on an instruction that the kernel emulates costs a twelfth of one on an instruction
//! that it must step over. So a function is followed from its entry through what is executed in
//! every call, with the contents of registers as expressions of the arguments, and the first
//! cheap instruction at which all that is wanted is at hand is the site.
//!
//! Pure over bytes. All of it is x86-64, and arguments are passed as in the System V ABI.

use std::ops::Range;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory};

use super::state::State;

/// How many instructions are followed.
const STEPS_MAX: usize = 96;
/// How many of them lie off the way, in a branch that comes back.
const DETOUR_MAX: usize = 16;
/// More than a function has that is worth following.
const FUNCTION_MAX: u64 = 1 << 16;
/// The longest instruction.
const INSTRUCTION_MAX: usize = 15;

/// An instruction that the kernel emulates: `arch/x86/kernel/uprobes.c`, `push_setup_xol_ops` and
/// `branch_setup_xol_ops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emulated {
    /// `push` of a register.
    Push,
    /// `jmp` to a fixed target.
    Jump,
    /// `jcc`.
    ConditionalJump,
    /// `call` of a fixed target.
    Call,
    /// `nop` of one byte.
    Nop,
}

impl Emulated {
    /// What the kernel makes of the bytes of one instruction. Prefixes other than REX.B before
    /// `push` are left alone: it refuses some of them and misreads others (`41 90` is no `nop`).
    pub(crate) fn of(bytes: &[u8]) -> Option<Emulated> {
        match bytes {
            [0x50..=0x57] | [0x41, 0x50..=0x57] => Some(Emulated::Push),
            [0x90] => Some(Emulated::Nop),
            [0xeb, _] | [0xe9, _, _, _, _] => Some(Emulated::Jump),
            [0xe8, _, _, _, _] => Some(Emulated::Call),
            [0x70..=0x7f, _] | [0x0f, 0x80..=0x8f, _, _, _, _] => Some(Emulated::ConditionalJump),
            _ => None,
        }
    }
}

/// A word that a function is called with, or that one of them leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// An argument; the first one is 0. Of those that are passed in 32 bits the upper half says
    /// nothing.
    Argument(u8),
    /// What lies at an offset from an argument.
    At(u8, i64),
    /// What lies at an offset from such a word.
    AtAt(u8, i64, i64),
}

/// What is wanted at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) word: Word,
    /// Whether its lower half is enough.
    pub(crate) half: bool,
    /// Whether there is no site without it.
    pub(crate) needed: bool,
}

/// Where a word is when a probe is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a register: its index among the words of `struct pt_regs`.
    Register(u8),
    /// In memory, so many bytes above the stack pointer.
    Stack(u32),
}

/// An instruction at which a probe is cheap, and where what is wanted is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) address: u64,
    pub(crate) instruction: Emulated,
    /// One for each want.
    pub(crate) places: Vec<Option<Place>>,
}

/// The bytes of code from an address on; fewer or none where there is no more.
pub(crate) trait Bytes {
    fn bytes_at(&self, address: u64) -> &[u8];
}

/// Finds the best spot of a function: the first one with most of what is wanted.
///
/// # Errors
/// Why there is none.
pub(crate) fn find(
    code: &impl Bytes,
    function: Range<u64>,
    wants: &[Want],
) -> Result<Spot, &'static str> {
    let mut best: Option<(usize, Spot)> = None;
    let mut seen = false;
    let returns = walk(
        code,
        function.start,
        State::at_entry(),
        |state, at, cheap| {
            let Some(instruction) = cheap else {
                return true;
            };
            seen = true;
            let place = |want: &Want| state.place(want.word, want.half);
            let places: Vec<_> = wants.iter().map(place).collect();
            let lacks = |(want, place): (&Want, &Option<Place>)| want.needed && place.is_none();
            let placed = places.iter().flatten().count();
            let better = best.as_ref().is_none_or(|(most, _)| placed > *most);
            if better && !wants.iter().zip(&places).any(lacks) {
                let spot = Spot {
                    address: at.ip(),
                    instruction,
                    places,
                };
                best = Some((placed, spot));
            }
            true
        },
    );
    let Some((_, spot)) = best else {
        return Err(match seen {
            true => "its arguments are gone where a probe is cheap",
            false => "nothing that the kernel emulates is executed in every call",
        });
    };
    let way = function.start..spot.address.saturating_add(1);
    match jumped_into(code, function, way, &returns) {
        false => Ok(spot),
        true => Err("what would be probed is executed more than once in a call"),
    }
}

/// Follows what is always executed from an address on, and shows each instruction with what is in
/// registers before it, and whether it is cheap, as long as it is told to go on. Returns the jumps
/// that come back from aside.
pub(crate) fn walk(
    code: &impl Bytes,
    from: u64,
    mut state: State,
    mut show: impl FnMut(&State, &Instruction, Option<Emulated>) -> bool,
) -> Vec<u64> {
    let mut returns = Vec::new();
    let mut factory = InstructionInfoFactory::new();
    let mut address = from;
    for _ in 0..STEPS_MAX {
        let Some((instruction, bytes)) = decode(code, address) else {
            break;
        };
        if !show(&state, &instruction, Emulated::of(bytes)) {
            break;
        }
        match instruction.flow_control() {
            FlowControl::Next => state.execute(&instruction, &mut factory),
            FlowControl::ConditionalBranch => {
                let (to, back) = (instruction.near_branch_target(), instruction.next_ip());
                let Some((other, jump)) = detour(code, &state, to, back, &mut factory) else {
                    break;
                };
                state.join(&other);
                returns.push(jump);
            }
            _ => break,
        }
        address = instruction.next_ip();
    }
    returns
}

/// A branch that only goes aside, as to trace something, and comes back to what follows it: what
/// is in registers then, and the jump that comes back.
fn detour(
    code: &impl Bytes,
    state: &State,
    to: u64,
    back: u64,
    factory: &mut InstructionInfoFactory,
) -> Option<(State, u64)> {
    let mut state = state.clone();
    let mut address = to;
    for _ in 0..DETOUR_MAX {
        let (instruction, _) = decode(code, address)?;
        match instruction.flow_control() {
            FlowControl::Next => state.execute(&instruction, factory),
            FlowControl::Call | FlowControl::IndirectCall => state.call(),
            FlowControl::UnconditionalBranch => {
                let comes_back = instruction.near_branch_target() == back;
                return comes_back.then_some((state, address));
            }
            _ => return None,
        }
        address = instruction.next_ip();
    }
    None
}

/// Whether a branch of the function leads into a range of it, other than the given ones: what
/// lies there may be executed otherwise than straight on.
pub(super) fn jumped_into(
    code: &impl Bytes,
    function: Range<u64>,
    way: Range<u64>,
    but: &[u64],
) -> bool {
    instructions(code, function).any(|instruction| {
        let branches = matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        );
        let into = way.contains(&instruction.near_branch_target());
        branches && into && !but.contains(&instruction.ip())
    })
}

/// The instructions of a function, one after the other.
pub(super) fn instructions(
    code: &impl Bytes,
    function: Range<u64>,
) -> impl Iterator<Item = Instruction> {
    let bytes = code.bytes_at(function.start);
    let length = function.end.saturating_sub(function.start);
    let length = length.min(FUNCTION_MAX).min(bytes.len() as u64) as usize;
    let bytes = bytes.get(..length).unwrap_or_default();
    Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE).into_iter()
}

/// The instruction at an address, and its bytes.
pub(super) fn decode(code: &impl Bytes, address: u64) -> Option<(Instruction, &[u8])> {
    let bytes = code.bytes_at(address);
    let bytes = bytes.get(..INSTRUCTION_MAX).unwrap_or(bytes);
    let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    let bytes = bytes.get(..instruction.len())?;
    (instruction.code() != Code::INVALID).then_some((instruction, bytes))
}

#[cfg(test)]
pub(super) mod tests;
