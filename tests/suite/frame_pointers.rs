//! Where JIT code keeps frame pointers, their chain and the scan of the stack see the same.

use std::time::Duration;

use escope_beam::ProcessBlock;
use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::stack::{ChainEnd, follow, scan};
use escope_model::{StackCopy, Words};

use crate::support::{Workload, otp, start, temp_dir};

const FLAGS: [&str; 2] = ["+JPperf", "map"];

fn clean_up(vm: Workload) {
    let inner = vm.ready().number("pid");
    assert!(vm.quit().success());
    std::fs::remove_file(otp::outside(&format!("/tmp/perf-{inner}.map"))).unwrap();
}

/// The structs of all processes that wait, and their stacks: `erl_ptab.h`. One that has run
/// meanwhile is not among them.
fn waiting(vm: &Vm) -> Vec<(Vec<u8>, Vec<u8>)> {
    let layout = &vm.layout.process_table;
    let table = vm.globals.process_table + u64::from(layout.read_only);
    let slots = vm.memory.u64(table).unwrap();
    let max = vm.memory.u32(table + u64::from(layout.max)).unwrap();
    let slots = vm.memory.words(slots, max as usize).unwrap();
    let mut processes = Vec::new();
    for slot in slots {
        let mut bytes = vec![0; vm.layout.process.size as usize];
        if slot == 0 || vm.memory.read(slot, &mut bytes).is_err() {
            continue;
        }
        let block = ProcessBlock::new(&bytes, &vm.layout);
        if block.id() & 15 != 3 || block.hend() == 0 || block.state().status() != "waiting" {
            continue;
        }
        let mut stack = vec![0; (block.hend() - block.stop()) as usize];
        let read = vm.memory.read(block.stop(), &mut stack);
        let mut again = vec![0; bytes.len()];
        vm.memory.read(slot, &mut again).unwrap();
        if read.is_ok() && again == bytes {
            processes.push((bytes, stack));
        }
    }
    processes
}

#[test]
fn for_processes_at_rest_they_are_equal() {
    live!();
    let mut frames = 0;
    for (module, env) in [
        ("deep", ("DEPTHS", "1,10,100,1000,20000")),
        ("table", ("PROCESSES", "1000")),
    ] {
        let mut workload = Workload::start(module, &FLAGS, &[env]);
        workload.go();
        let vm = Vm::attach(workload.pid()).unwrap();
        assert!(vm.frame_pointers);
        let processes = waiting(&vm);
        assert!(processes.len() > 40, "{module}: {}", processes.len());
        for (process, bytes) in &processes {
            let block = ProcessBlock::new(process, &vm.layout);
            let stack = StackCopy {
                address: block.stop(),
                words: Words::new(bytes),
            };
            let (mut scanned, mut chained) = (Vec::new(), Vec::new());
            let walk = scan(stack.words, &vm.jit, vm.normal_exit, &mut scanned);
            let end = follow(
                stack,
                block.hend(),
                block.frame_pointer(),
                &vm.jit,
                vm.normal_exit,
                &mut chained,
            );
            assert!(walk.reached_bottom, "{module}");
            assert_eq!(end, ChainEnd::Bottom, "{module}");
            assert_eq!(chained, scanned, "{module}");
            frames += chained.len();
        }
        workload.stop();
        drop(vm);
        clean_up(workload);
    }
    assert!(frames > 20_000, "only {frames} frames");
}

/// The scan may be fooled by what is left over in a frame that is being made: rarely.
#[test]
fn for_running_processes_they_hardly_ever_differ() {
    live!();
    for module in ["deep", "mixed"] {
        let folder = temp_dir();
        let mut vm = Workload::start(module, &FLAGS, &[]);
        vm.go();
        let (pid, path) = (vm.pid().to_string(), folder.path("test.escope"));
        let arguments = ["record", "-p", &pid, "-d", "8s", "-F", "997", "-o", &path];
        let output = start(&arguments).finish(Duration::from_secs(120)).success();
        vm.stop();
        clean_up(vm);
        let line = output
            .stderr
            .lines()
            .find(|line| line.contains("have frame pointers"));
        let line = line.unwrap_or_else(|| panic!("{output:#?}"));
        let numbers: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [chained, differ, broken] = numbers[..] else {
            panic!("{line}");
        };
        println!("{module}: {line}");
        assert!(chained > 1000, "{module}: {line}");
        // One in 500, and what a sample of that size may be off by chance: three standard deviations of a rare
        // event.
        let expected = chained as f64 / 500.0;
        let limit = expected + 3.0 * expected.sqrt();
        assert!(differ as f64 <= limit, "{module}: {line}");
        // While a collection moves the stack.
        assert!(broken * 50 <= chained, "{module}: {line}");
    }
}
