//! Where names are given to processes and taken away.
//!
//! `erts_register_name` and `erts_unregister_name` in `register.c` are called as well where the name
//! is somebody else's, or nobody's. What they do shows where they look into the table of names, a
//! `Hash` that is passed with what to look for, which lies on the stack: to register is to put it
//! there, after which what is there is compared with the process, and to unregister begins with
//! looking for it, where none is a null pointer. The same in OTP 25 to 29.

use std::ops::Range;

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::port::last_set;
use super::site::{Bytes, Emulated, Place, Spot, instructions, jumped_into};
use super::state::place;

/// How far before a call its arguments are set.
const BEFORE: usize = 8;
/// How far after it its result is looked at.
const AFTER: usize = 5;

/// What is done after a lookup up to the first branch.
struct Looked<'a> {
    callee: u64,
    after: &'a [Instruction],
    branch: &'a Instruction,
}

/// A call with a fixed address and one on the stack, and what follows.
fn looked(all: &[Instruction], call: usize) -> Option<Looked<'_>> {
    let callee = callee(all.get(call)?)?;
    let before = all.get(call.saturating_sub(BEFORE)..call)?;
    let table = last_set(before, Register::RDI)?;
    let what = last_set(before, Register::RSI)?;
    let is_table = table.mnemonic() == Mnemonic::Lea && table.memory_base() == Register::RIP;
    let on_stack = [Register::RSP, Register::RBP].contains(&what.memory_base());
    if !is_table || !on_stack {
        return None;
    }
    let after = all.get(call + 1..)?;
    let length = after
        .iter()
        .take(AFTER)
        .position(|it| it.flow_control() != FlowControl::Next)?;
    let (after, rest) = after.split_at_checked(length)?;
    let branch = rest.first()?;
    let looked = Looked {
        callee,
        after,
        branch,
    };
    (branch.flow_control() == FlowControl::ConditionalBranch).then_some(looked)
}

fn callee(instruction: &Instruction) -> Option<u64> {
    let calls = instruction.flow_control() == FlowControl::Call;
    calls.then(|| instruction.near_branch_target())
}

/// Jumps to the last instruction before the branch that come from another lookup: a compiler may
/// have one comparison for both, if what that one needs is where all of them have their result.
fn joins(all: &[Instruction], looked: &Looked<'_>) -> Vec<u64> {
    let compare = match looked.after.last() {
        Some(compare) if compare.memory_base() == Register::RAX => compare,
        _ => return Vec::new(),
    };
    let from_lookup = |&(at, jump): &(usize, &Instruction)| {
        let before = all.get(at.saturating_sub(AFTER)..at).unwrap_or_default();
        let mut before = before.iter().rev();
        jump.flow_control() == FlowControl::UnconditionalBranch
            && jump.near_branch_target() == compare.ip()
            && before
                .find(|it| it.flow_control() != FlowControl::Next || !leaves_rax(it))
                .is_some_and(|it| callee(it) == Some(looked.callee))
    };
    let jumps = all.iter().enumerate().filter(from_lookup);
    jumps.map(|(_, jump)| jump.ip()).collect()
}

/// What the result of a lookup, and the process that it leads to, are in.
struct Found {
    /// The result: what is left of it and its copies.
    held: Vec<Register>,
    /// What lies at `process_at` of it.
    process: Option<Register>,
}

impl Found {
    fn follow(&mut self, it: &Instruction, process_at: u32) {
        if it.op0_kind() != OpKind::Register {
            return;
        }
        let to = it.op0_register().full_register();
        let copies = it.mnemonic() == Mnemonic::Mov
            && it.op1_kind() == OpKind::Register
            && self.held.contains(&it.op1_register());
        let loads = it.mnemonic() == Mnemonic::Mov && self.has_process(it, process_at);
        self.held.retain(|&held| held != to);
        if copies {
            self.held.push(to);
        }
        if loads {
            self.process = Some(to);
        } else if self.process == Some(to) {
            self.process = None;
        }
    }

    /// Whether an instruction looks at the process.
    fn has_process(&self, it: &Instruction, process_at: u32) -> bool {
        self.held.contains(&it.memory_base())
            && it.memory_index() == Register::None
            && it.memory_displacement64() == u64::from(process_at)
    }
}

/// What the result of a lookup is in, and what the process that it leads to is compared with before
/// the branch: `cmp [RESULT+P], PROCESS`, or with that loaded before.
fn compared(looked: &Looked<'_>, process_at: u32) -> Option<(Register, Register)> {
    let (compare, before) = looked.after.split_last()?;
    if compare.mnemonic() != Mnemonic::Cmp {
        return None;
    }
    let mut result = Found {
        held: vec![Register::RAX],
        process: None,
    };
    for it in before {
        result.follow(it, process_at);
    }
    let operands = [
        (compare.op0_kind(), compare.op0_register()),
        (compare.op1_kind(), compare.op1_register()),
    ];
    let registers = operands.map(|(kind, register)| (kind == OpKind::Register).then_some(register));
    let process = match registers {
        [Some(one), other @ Some(_)] if result.process == Some(one) => other,
        [one @ Some(_), Some(other)] if result.process == Some(other) => one,
        [Some(_), Some(_)] => None,
        [one, other] => one
            .or(other)
            .filter(|_| result.has_process(compare, process_at)),
    };
    Some((*result.held.first()?, process?))
}

/// Where a name was looked up to be given: what is in the table, and the process.
///
/// # Errors
/// Why there is no such place.
pub(super) fn find_given(
    code: &impl Bytes,
    function: Range<u64>,
    process_at: u32,
) -> Result<Spot, &'static str> {
    let all: Vec<Instruction> = instructions(code, function.clone()).collect();
    let given = |call: usize| {
        let looked = looked(&all, call)?;
        let (result, process) = compared(&looked, process_at)?;
        Some((looked, vec![place(result), place(process)]))
    };
    let found = (0..all.len()).filter_map(given).collect();
    spot(code, (function, &all), found).map_err(|many| match many {
        true => "it gives names at several places",
        false => "it does not compare whose a name is then",
    })
}

fn leaves_rax(instruction: &Instruction) -> bool {
    instruction.op0_kind() != OpKind::Register
        || instruction.op0_register().full_register() != Register::RAX
}

/// Where a name was looked up to be taken away: what is in the table.
///
/// # Errors
/// Why there is no such place.
pub(super) fn find_taken(code: &impl Bytes, function: Range<u64>) -> Result<Spot, &'static str> {
    let all: Vec<Instruction> = instructions(code, function.clone()).collect();
    let taken = |call: usize| {
        let looked = looked(&all, call)?;
        let (test, before) = looked.after.split_last()?;
        let tests = test.mnemonic() == Mnemonic::Test
            && test.op0_register() == Register::RAX
            && test.op1_register() == Register::RAX
            && before.iter().all(leaves_rax);
        tests.then(|| (looked, vec![place(Register::RAX)]))
    };
    let found = (0..all.len()).filter_map(taken).collect();
    spot(code, (function, &all), found).map_err(|many| match many {
        true => "it looks for names at several places",
        false => "it does not look whether a name is there",
    })
}

/// The only one that was found, if nothing leads to its branch but lookups. Else whether there are
/// too many.
fn spot(
    code: &impl Bytes,
    (function, all): (Range<u64>, &[Instruction]),
    mut found: Vec<(Looked<'_>, Vec<Option<Place>>)>,
) -> Result<Spot, bool> {
    let Some((looked, places)) = found.pop() else {
        return Err(false);
    };
    let from = looked
        .after
        .first()
        .map_or(looked.branch.ip(), Instruction::ip);
    let way = from..looked.branch.ip().saturating_add(1);
    if !found.is_empty() || jumped_into(code, function, way, &joins(all, &looked)) {
        return Err(true);
    }
    Ok(Spot {
        address: looked.branch.ip(),
        instruction: Emulated::ConditionalJump,
        places,
    })
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::super::site::{Emulated, Place};
    use super::{find_given, find_taken};

    /// `RegProc.p`.
    const P: u32 = 16;
    const RAX: Option<Place> = Some(Place::Register(10));
    const R15: Option<Place> = Some(Place::Register(0));

    /// lea rsi, [rsp+16]; lea rdi, [rip+0x100]; call; and more.
    fn looks(more: &[&[u8]]) -> Vec<u8> {
        let call = [
            &[0x48, 0x8d, 0x74, 0x24, 0x10, 0x48, 0x8d, 0x3d, 0, 1, 0, 0][..],
            &[0xe8, 0, 0x10, 0, 0],
        ];
        [call.concat(), more.concat()].concat()
    }

    /// mov r14, rax; mov rax, [rax+16]; cmp rax, r15; je; ret.
    const COPIED: [&[u8]; 4] = [
        &[0x49, 0x89, 0xc6],
        &[0x48, 0x8b, 0x40, 0x10],
        &[0x4c, 0x39, 0xf8],
        &[0x74, 0x10, 0xc3],
    ];
    /// mov rdx, [rax+16]; cmp rdx, r15; je; ret.
    const LOADED: [&[u8]; 3] = [
        &[0x48, 0x8b, 0x50, 0x10],
        &[0x4c, 0x39, 0xfa],
        &[0x74, 0x10, 0xc3],
    ];
    /// cmp [rax+16], r15; je; ret.
    const COMPARED: [&[u8]; 2] = [&[0x4c, 0x39, 0x78, 0x10], &[0x74, 0x10, 0xc3]];
    /// cmp [rax+24], r14; je; ret: a port.
    const PORT: [&[u8]; 2] = [&[0x4c, 0x39, 0x70, 0x18], &[0x74, 0x10, 0xc3]];
    /// mov r15, rax; test rax, rax; je; ret.
    const TESTED: [&[u8]; 3] = [
        &[0x49, 0x89, 0xc7],
        &[0x48, 0x85, 0xc0],
        &[0x74, 0x10, 0xc3],
    ];

    #[test]
    fn a_name_is_given_where_its_process_is_compared() {
        const R14: Option<Place> = Some(Place::Register(1));
        for (more, at, result) in [
            (&LOADED[..], 0x1018, RAX),
            (&COMPARED[..], 0x1015, RAX),
            (&COPIED[..], 0x101b, R14),
        ] {
            let whole = [looks(&PORT), looks(more)].concat();
            let end = 0x1000 + whole.len() as u64;
            let spot = find_given(&Code(whole), 0x1000..end, P).expect("one");
            let before = looks(&PORT).len() as u64;
            assert_eq!(
                (spot.address, spot.instruction),
                (at + before, Emulated::ConditionalJump)
            );
            assert_eq!(spot.places, [result, R15]);
        }
        // The same after another lookup, by a jump to the comparison.
        let mut joined = [looks(&COMPARED), looks(&[&[0xeb, 0xe6]])].concat();
        let end = 0x1000 + joined.len() as u64;
        let other = Code(joined.clone());
        assert!(
            find_given(&other, 0x1000..end, P).is_err(),
            "of another table"
        );
        joined[0x25..0x27].copy_from_slice(&[0xe8, 0x0f]);
        let spot = find_given(&Code(joined), 0x1000..end, P).expect("one");
        assert_eq!((spot.address, spot.places), (0x1015, vec![RAX, R15]));
        let twice = [looks(&LOADED), looks(&COMPARED)].concat();
        let end = 0x1000 + twice.len() as u64;
        assert!(find_given(&Code(twice), 0x1000..end, P).is_err());
        assert!(find_given(&Code(looks(&PORT)), 0x1000..0x1018, P).is_err());
        // mov rax, [rax+16] leaves nothing that leads to the name.
        let lost = looks(&[
            &[0x48, 0x8b, 0x40, 0x10],
            &[0x4c, 0x39, 0xf8],
            &[0x74, 0x10],
        ]);
        assert!(find_given(&Code(lost), 0x1000..0x101a, P).is_err());
    }

    #[test]
    fn a_name_is_taken_where_what_was_found_is_tested() {
        let code = looks(&TESTED);
        let end = 0x1000 + code.len() as u64;
        let spot = find_taken(&Code(code.clone()), 0x1000..end).expect("one");
        assert_eq!((spot.address, spot.places), (0x1017, vec![RAX]));
        let twice = Code([code.clone(), code.clone()].concat());
        assert!(find_taken(&twice, 0x1000..0x1000 + 2 * (end - 0x1000)).is_err());
        // Something else leads to the test: jmp to it.
        let around = Code([code, vec![0xeb, 0xf8]].concat());
        assert!(find_taken(&around, 0x1000..end + 2).is_err());
    }
}
