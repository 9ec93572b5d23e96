//! In a VM that has symbols, looking at structures finds what the symbols say.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::layout::globals::{Count, SchedulerArray};
use crate::layout::{symbols, table_for_erts};
use crate::memory::{LiveMemory, Memory};
use crate::target::{Elf, proc_path, read_executable_mappings};

/// An Erlang VM that rests. Dropping it ends it.
struct Vm(Child);

impl Vm {
    /// `None` when there is no Erlang here.
    fn start() -> Option<Vm> {
        let child = Command::new("erl")
            .args(["-noinput", "-eval", "io:put_chars(\"ready\\n\")."])
            .env_remove("ERL_FLAGS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut vm = Vm(child);
        let mut line = String::new();
        let stdout = vm.0.stdout.take()?;
        BufReader::new(stdout).read_line(&mut line).ok()?;
        assert_eq!(line, "ready\n");
        Some(vm)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_found_is_what_symbols_say() {
    let Some(vm) = Vm::start() else {
        assert_ne!(
            std::env::var("ESCOPE_REQUIRE_LIVE").as_deref(),
            Ok("1"),
            "this test must run: install Erlang"
        );
        return;
    };
    let pid = vm.0.id();
    let memory = LiveMemory::new(pid);
    let exe = proc_path(pid, "exe");
    let elf = Elf::open(&exe).expect("an ELF file");
    let name = std::fs::read_link(&exe).expect("a link");
    let mappings = read_executable_mappings(pid).expect("mappings");
    let code = mappings
        .iter()
        .find(|mapping| Path::new(&mapping.path) == name)
        .expect("its own code");
    let bias = code.start - elf.address_of(code.file_offset).expect("mapped");
    let text = |symbol: &str| {
        let symbol = elf.symbol(symbol).expect("a VM with symbols");
        memory.c_string(symbol.address + bias, 32).expect("a text")
    };
    let (release, erts) = (text("etp_otp_release"), text("etp_erts_version"));
    let layout = table_for_erts(&release, &erts).expect("a table");

    let said = symbols::find(&elf, bias, &layout).expect("a VM with symbols");
    let found = super::find(&memory, &elf.without_symbols(), bias, &layout)
        .expect("readable")
        .expect("everything");
    assert_eq!(found.atom_table, said.atom_table);
    assert_eq!(found.process_table, said.process_table);
    assert_eq!(found.jit_descriptor, said.jit_descriptor);
    assert_eq!(found.jit_register, said.jit_register);
    assert_eq!(found.bifs, said.bifs);
    let start = |range: Option<std::ops::Range<u64>>| range.map(|range| range.start);
    assert_eq!(start(found.dirty_main), start(said.dirty_main));
    let value = |at: Option<u64>| memory.u64(at.expect("found")).expect("readable");
    assert_eq!(value(found.this_node), value(said.this_node));
    for (found, said) in found.schedulers.into_iter().zip(said.schedulers) {
        let array = |array: Option<SchedulerArray>| {
            let array = array.expect("all kinds");
            let count = match array.count {
                Count::At(variable) => value(Some(variable)),
                Count::Is(count) => count,
            };
            (value(Some(array.pointer)), count)
        };
        assert_eq!(array(found), array(said));
    }
}
