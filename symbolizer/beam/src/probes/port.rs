//! Where ports come and go.
//!
//! `create_port` in `io.c`, a static function, prepares a port and has it put into the table of all
//! ports, which gives it its number. Nothing that is called with the port then is cheap to probe,
//! but what follows is a test and a branch. Whoever fails afterwards, as `driver_create_port` may,
//! takes it out of the table again and then frees what it has (`erts_port_task_free_port`), as
//! does every port in the end (`kill_port`). The same in OTP 25 to 29.

use std::ops::Range;

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::by_code::{ByCode, Found, only};
use super::functions::Function;
use super::site::{Bytes, Emulated, Spot, find as find_site, instructions, jumped_into};
use super::state::place;
use super::wanted::Probe;
use crate::layout::Text;
use crate::memory::Memory;

/// How far before a call its arguments are set.
const BEFORE: usize = 6;

/// A port is put into the table of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entered {
    /// Where the test of the result is.
    test: u64,
    /// Where the branch is that follows.
    branch: u64,
    /// What points to the port.
    port: Register,
    table: u64,
}

/// `mov rdx, PORT; mov rsi, PORT; lea rdi, TABLE; lea rcx, FUNCTION; call; test eax, eax; je`, the
/// first four in any order.
fn entered(all: &[Instruction], call: usize) -> Option<Entered> {
    let [test, branch] = all.get(call + 1..call + 3)? else {
        return None;
    };
    let tests = test.mnemonic() == Mnemonic::Test
        && test.op0_register() == Register::EAX
        && test.op1_register() == Register::EAX
        && branch.flow_control() == FlowControl::ConditionalBranch;
    if !tests || all.get(call)?.flow_control() != FlowControl::Call {
        return None;
    }
    let before = all.get(call.saturating_sub(BEFORE)..call)?;
    let (port, also) = (moved(before, Register::RSI)?, moved(before, Register::RDX)?);
    let table = loaded(before, Register::RDI)?;
    loaded(before, Register::RCX)?;
    (port == also && is_kept(port)).then_some(Entered {
        test: test.ip(),
        branch: branch.ip(),
        port,
        table,
    })
}

/// What the last instruction that sets a register copies into it.
fn moved(before: &[Instruction], to: Register) -> Option<Register> {
    let last = last_set(before, to)?;
    let copies = last.mnemonic() == Mnemonic::Mov && last.op1_kind() == OpKind::Register;
    copies.then(|| last.op1_register())
}

/// The fixed address that it loads.
fn loaded(before: &[Instruction], to: Register) -> Option<u64> {
    let last = last_set(before, to)?;
    let loads = last.mnemonic() == Mnemonic::Lea && last.memory_base() == Register::RIP;
    loads.then(|| last.memory_displacement64())
}

/// The last instruction whose first operand is a register, if all since follow straight on.
pub(super) fn last_set(before: &[Instruction], to: Register) -> Option<&Instruction> {
    let straight = |it: &&Instruction| it.flow_control() == FlowControl::Next;
    let mut since = before.iter().rev().take_while(straight);
    since.find(|it| it.op0_kind() == OpKind::Register && it.op0_register() == to)
}

/// A call leaves it as it is.
pub(super) fn is_kept(register: Register) -> bool {
    use Register::{R12, R13, R14, R15, RBP, RBX};
    [RBX, RBP, R12, R13, R14, R15].contains(&register)
}

fn all_entered(code: &impl Bytes, function: Range<u64>) -> Vec<Entered> {
    let all: Vec<Instruction> = instructions(code, function).collect();
    (0..all.len()).filter_map(|at| entered(&all, at)).collect()
}

/// The branch behind where a function puts a port into the table: the port, and whether it was
/// done.
///
/// # Errors
/// Why there is none.
pub(super) fn find(code: &impl Bytes, function: Range<u64>) -> Result<Spot, &'static str> {
    let [entered] = all_entered(code, function.clone())[..] else {
        return Err("it does not put a port into the table as expected");
    };
    let way = entered.test..entered.branch.saturating_add(1);
    if jumped_into(code, function, way, &[]) {
        return Err("something else leads to where a port was put into the table");
    }
    Ok(Spot {
        address: entered.branch,
        instruction: Emulated::ConditionalJump,
        places: vec![place(entered.port), place(Register::RAX)],
    })
}

/// The functions that are called, after a port was taken out of a table, with it alone:
/// `mov rsi, PORT; lea rdi, TABLE; call; mov rdi, PORT; call`.
fn freed(code: &Text, function: Range<u64>, table: u64) -> Vec<u64> {
    let all: Vec<Instruction> = instructions(code, function).collect();
    let calls = |at: usize| {
        let is_call = all.get(at)?.flow_control() == FlowControl::Call;
        is_call.then(|| all.get(at.saturating_sub(BEFORE)..at))?
    };
    let frees = |at: usize| {
        let before = calls(at)?;
        let [copy, free] = all.get(at + 1..at + 3)? else {
            return None;
        };
        let port = moved(before, Register::RSI)?;
        let again = moved(std::slice::from_ref(copy), Register::RDI)?;
        let is_it = loaded(before, Register::RDI)? == table
            && port == again
            && free.flow_control() == FlowControl::Call;
        is_it.then(|| free.near_branch_target())
    };
    (0..all.len()).filter_map(frees).collect()
}

impl<M: Memory> ByCode<'_, M> {
    /// Where ports come and go, given where `driver_create_port` is.
    pub(super) fn of_ports(&self, probe: Probe, start: u64) -> Result<Function, String> {
        let range = |start: u64| start..self.code.end_of(start);
        let near = self.callees(start).into_iter().chain([start]);
        let creates = near.filter_map(|near| {
            let entered = all_entered(self.code, range(near));
            entered.first().map(|entered| (near, entered.table))
        });
        let (creates, table) = only(creates, "functions that put ports into their table")?;
        let start = match probe {
            Probe::OpenPort => creates,
            _ => {
                let freed = self.own(freed(self.code, range(start), table));
                only(freed, "functions that free a port")?
            }
        };
        Ok(self.function(probe, start))
    }

    /// What `erts_internal:port_command/3` calls with all that is to be known of it, and that
    /// looks at the port's driver.
    pub(super) fn port_output(&self) -> Found {
        let port = self.vm.layout.port.as_ref();
        let port = port.ok_or("where ports have their driver is not known of this release")?;
        let wants = Probe::PortOutput.wants(&self.vm.layout);
        let writes = |&start: &u64| {
            let function = start..self.code.end_of(start);
            let reads = instructions(self.code, function.clone()).any(|instruction| {
                instruction.memory_base().is_gpr64()
                    && instruction.memory_displacement64() == u64::from(port.driver)
            });
            reads && find_site(self.code, function, &wants).is_ok()
        };
        let bif = self.bif_of("erts_internal", "port_command", 3)?;
        let found = self.callees(bif).into_iter().filter(writes);
        only(found, "functions that give data to ports")
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::Code;
    use super::super::site::{Emulated, Place};
    use super::find;

    /// lea rcx, [rip+0]; mov rdx, r15; mov rsi, r15; lea rdi, [rip+0x100]; call; test eax, eax; je.
    fn enters() -> Vec<u8> {
        let code = [
            &[0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0x4c, 0x89, 0xfa][..],
            &[0x4c, 0x89, 0xfe, 0x48, 0x8d, 0x3d, 0, 1, 0, 0],
            &[0xe8, 0, 0x10, 0, 0, 0x85, 0xc0, 0x74, 0x10, 0xc3],
        ];
        code.concat()
    }

    #[test]
    fn a_port_is_where_its_result_is_tested() {
        let code = Code(enters());
        let spot = find(&code, 0x1000..0x101e).expect("one");
        assert_eq!(spot.address, 0x101b);
        assert_eq!(spot.instruction, Emulated::ConditionalJump);
        let places = [Some(Place::Register(0)), Some(Place::Register(10))];
        assert_eq!(spot.places, places);
        // Twice, or with something else than the port.
        let twice = Code([enters(), enters()].concat());
        assert!(find(&twice, 0x1000..0x103c).is_err());
        let mut other = enters();
        other[12] = 0xf6;
        assert!(find(&Code(other), 0x1000..0x101e).is_err());
        // Another way leads to the test: jmp to it.
        let mut around = enters();
        around.extend([0xeb, 0xf9]);
        assert!(find(&Code(around), 0x1000..0x1020).is_err());
    }
}
