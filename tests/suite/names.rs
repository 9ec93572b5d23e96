//! What a VM with `+JPperf` writes for `perf` says the same as its JIT list.

use std::path::Path;

use escope_beam::code::{CodeMap, read_module};
use escope_beam::names::{add_pieces, read_perf_names};
use escope_beam::stack::JitRanges;
use escope_beam::{PerfFileKind, Vm};

use crate::support::{Workload, otp};

/// Two generations are loaded and purged in turn, so that the files have old entries.
fn start(value: &str) -> Workload {
    let mut vm = Workload::start(
        "reload",
        &["+S", "2:2", "+JPperf", value],
        &[("SLICE_MS", "5"), ("GENERATIONS", "50")],
    );
    vm.go();
    // Nothing changes any more after that.
    let (_, done) = vm.stop();
    assert!(done.number("generations") >= 50, "{done:?}");
    vm
}

/// The files lie in a folder that all use.
fn clean_up(vm: Workload, names: &[&str]) {
    let inner = vm.ready().number("pid");
    assert!(vm.quit().success());
    for name in names {
        let path = format!("/tmp/{}", name.replace("PID", &inner.to_string()));
        std::fs::remove_file(otp::outside(&path)).unwrap();
    }
}

#[test]
fn list_map_and_dump_agree_on_every_function() {
    live!();
    for (value, kinds, files) in [
        (
            "true",
            &[PerfFileKind::Dump, PerfFileKind::Map][..],
            &["jit-PID.dump", "perf-PID.map"][..],
        ),
        ("map", &[PerfFileKind::Map], &["perf-PID.map"]),
        ("dump", &[PerfFileKind::Dump], &["jit-PID.dump"]),
    ] {
        let workload = start(value);
        let vm = Vm::attach(workload.pid()).unwrap();
        let (functions, agreements) = vm.compare_names().unwrap();
        assert!(functions > 5000, "only {functions} functions");
        let found: Vec<_> = agreements.iter().map(|it| it.kind).collect();
        assert_eq!(found, kinds, "+JPperf {value}");
        for agreement in &agreements {
            let compared = agreement.compared.as_ref().unwrap();
            assert_eq!(
                (compared.agree, compared.differ, compared.nonsense),
                (functions, 0, 0),
                "+JPperf {value}: {agreement:?}"
            );
        }
        drop(vm);
        clean_up(workload, files);
    }
}

#[test]
fn the_dump_has_the_same_lines_and_the_times_of_our_clock() {
    live!();
    let before_ns = crate::support::monotonic_ns() as u64;
    let workload = start("dump");
    let vm = Vm::attach(workload.pid()).unwrap();
    let mut listed = CodeMap::new();
    vm.list_code(&mut listed).unwrap();
    listed.read_all(|blob, bytes| read_module(&vm.memory, blob, bytes));
    let files = read_perf_names(vm.pid, &vm.jit).unwrap();
    let pieces = files[0].read.as_ref().unwrap();
    let now_ns = crate::support::monotonic_ns() as u64;
    let mut times = pieces.pieces.iter().map(|piece| piece.at_ns);
    assert!(times.clone().is_sorted());
    assert!(times.all(|time| (before_ns..now_ns).contains(&time)));

    let mut dumped = CodeMap::new();
    add_pieces(&mut dumped, pieces);
    let mut lines = 0;
    for module in listed.modules() {
        let other = dumped.module_at(module.base).unwrap();
        for function in &module.functions {
            let its = other.function_at(function.start);
            for offset in function.start..function.end {
                let line = module.line_at(function, offset);
                lines += usize::from(line.is_some());
                assert_eq!(
                    its.and_then(|its| other.line_at(its, offset)),
                    line,
                    "{}:{} + {offset}",
                    module.name,
                    function.name
                );
            }
        }
    }
    assert!(lines > 100_000, "only {lines} bytes of code have a line");
    clean_up(workload, &["jit-PID.dump"]);
}

/// Where the list cannot be read, names come from the files, and that is said.
#[test]
fn files_stand_in_for_the_list() {
    live!();
    for (value, file) in [("map", "perf-PID.map"), ("dump", "jit-PID.dump")] {
        let workload = start(value);
        let mut vm = Vm::attach(workload.pid()).unwrap();
        let mut listed = CodeMap::new();
        assert!(vm.read_code(&mut listed).unwrap());
        listed.read_all(|blob, bytes| read_module(&vm.memory, blob, bytes));
        let fragments = vm.fragments.clone();
        let descriptor = std::mem::replace(&mut vm.globals.jit_descriptor, 8);
        let mut named = CodeMap::new();
        assert!(!vm.read_code(&mut named).unwrap());
        let notes = &vm.certainty.notes;
        let note = notes.iter().find(|note| note.contains("of +JPperf"));
        assert!(note.is_some(), "{notes:?}");
        assert_eq!(vm.fragments, fragments);
        for module in listed.modules() {
            let other = named.module_at(module.base).unwrap();
            assert_eq!((&other.name, other.size), (&module.name, module.size));
            assert_eq!(other.functions.len(), module.functions.len());
        }
        // What nobody wrote, or somebody else, is not read.
        let path = otp::outside(&format!(
            "/tmp/{}",
            file.replace("PID", &workload.ready().number("pid").to_string())
        ));
        refused(&vm, &path);
        vm.globals.jit_descriptor = descriptor;
        drop(vm);
        clean_up(workload, &[file]);
    }
}

/// Files that others could have made.
fn refused(vm: &Vm, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let why = |jit: &JitRanges| {
        let files = read_perf_names(vm.pid, jit).unwrap();
        files[0].read.clone().err()
    };
    let jit = vm.jit.clone();
    mode(0o666);
    let said = why(&jit).unwrap();
    assert!(said.contains("others may write"), "{said}");
    mode(0o644);
    assert_eq!(why(&jit), None);
    let said = why(&JitRanges::new(vec![(0x1000, 0x2000)])).unwrap();
    assert!(said.contains("JIT code of the VM"), "{said}");
}
