//! When schedulers' threads had no CPU: against what the kernel counts for each of them, and what
//! a program knows of its own sleep.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use escope_model::{OffCpu, OffCpuWhy, Run, SchedulerKind, Window};
use escope_recording::{Recording, TimeRange};
use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::support::{Facts, Folder, Running, Workload, escope, monotonic_ns, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program that wants a CPU all the time.
struct Busy(Child);

impl Busy {
    fn on(cpu: usize) -> Busy {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let busy = Busy(command.spawn().unwrap());
        pin(busy.0.id(), cpu);
        busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pin(tid: u32, cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    let tid = Pid::from_raw(tid as i32);
    sched_setaffinity(tid, &only).unwrap();
}

fn threads(pid: u32) -> Vec<u32> {
    let folder = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_str().unwrap().parse().unwrap())
        .collect()
}

/// The thread of the first scheduler: `1_scheduler`, or `erts_sched_1` since OTP 27.
fn first_scheduler(pid: u32) -> u32 {
    let is_it = |tid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap();
        ["1_scheduler", "erts_sched_1"].contains(&name.trim())
    };
    threads(pid).into_iter().find(is_it).unwrap()
}

/// A time, what the thread had by then, on its CPU and ready without it
/// (`/proc/PID/task/TID/schedstat`), and what others than threads had taken of that CPU.
#[derive(Debug, Clone, Copy)]
struct Account {
    clock_ns: i64,
    on_cpu_ns: i64,
    delayed_ns: i64,
    taken_ns: i64,
}

impl Account {
    fn now(pid: u32, tid: u32, cpu: usize) -> Account {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).unwrap();
        let numbers: Vec<i64> = text.split(' ').map_while(|it| it.parse().ok()).collect();
        Account {
            clock_ns: monotonic_ns(),
            on_cpu_ns: numbers[0],
            delayed_ns: numbers[1],
            taken_ns: taken_ns(cpu),
        }
    }
}

/// What interrupts and the host have taken of a CPU: a kernel that counts either
/// (`CONFIG_IRQ_TIME_ACCOUNTING`, `CONFIG_PARAVIRT_TIME_ACCOUNTING`) takes it off a thread's time
/// on the CPU, and does not call it a delay (`update_rq_clock_task` of `kernel/sched/core.c`).
fn taken_ns(cpu: usize) -> i64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name));
    let ticks: Vec<u64> = line
        .unwrap()
        .split(' ')
        .map(|it| it.parse().unwrap())
        .collect();
    // user nice system idle iowait irq softirq steal
    let taken: u64 = ticks[5..8].iter().sum();
    (taken * 1_000_000_000 / clock_ticks_per_second()) as i64
}

/// What was counted between two times, along the lines between the accounts around them.
fn between(accounts: &[Account], from_ns: i64, to_ns: i64, of: fn(&Account) -> i64) -> f64 {
    let at = |ns: i64| {
        let after = accounts.partition_point(|account| account.clock_ns < ns);
        let after = after.clamp(1, accounts.len() - 1);
        let (before, after) = (&accounts[after - 1], &accounts[after]);
        let part = (ns - before.clock_ns) as f64 / (after.clock_ns - before.clock_ns) as f64;
        of(before) as f64 + part * (of(after) - of(before)) as f64
    };
    at(to_ns) - at(from_ns)
}

fn span(off: &OffCpu) -> (f64, f64) {
    let ready_ns = off.ready_from_ns();
    let blocked_ns = (ready_ns - off.start_ns) as f64;
    (blocked_ns, (off.end_ns - ready_ns) as f64)
}

fn rows(path: &str) -> (Recording, Vec<OffCpu>) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let rows = recording.off_cpu(TimeRange::default()).unwrap();
    let rows = rows.map(Result::unwrap).collect();
    (recording, rows)
}

fn record(vm: &Workload, folder: &Folder, more: &[&str]) -> (Running, String) {
    let path = folder.path("test.escope");
    let pid = vm.pid().to_string();
    let mut args = vec!["record", "-p", &pid, "--events", "sched", "-o", &path];
    args.extend(more);
    let mut recorder = start(&args);
    recorder.wait_for("recording", PATIENCE);
    (recorder, path)
}

#[test]
fn a_scheduler_that_shares_its_cpu_is_preempted_for_as_long_as_the_kernel_says() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("split", &["+S", "1:1", "+sbwt", "none"], &[]);
    let cpu = std::thread::available_parallelism().unwrap().get() - 1;
    threads(vm.pid()).into_iter().for_each(|tid| pin(tid, cpu));
    let _busy = Busy::on(cpu);
    vm.go();
    let (mut recorder, path) = record(&vm, &folder, &["--max-overhead", "off"]);
    let tid = first_scheduler(vm.pid());
    let mut accounts = Vec::new();
    for _ in 0..60 {
        accounts.push(Account::now(vm.pid(), tid, cpu));
        let goes_on = recorder.runs_on(Duration::from_millis(50));
        assert!(goes_on, "{}", recorder.heard());
    }
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    accounts.push(Account::now(vm.pid(), tid, cpu));
    vm.stop();
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");

    let (recording, rows) = rows(&path);
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let windows: Vec<Window> = recording.windows().unwrap().map(Result::unwrap).collect();
    assert_eq!(windows.len(), 1);
    // What was counted is known from the first account on.
    let from_ns = accounts[0].clock_ns.max(start_ns + windows[0].from_ns);
    let to_ns = start_ns + windows[0].to_ns;
    let counted = |of| between(&accounts, from_ns, to_ns, of);
    let clip = |ns: i64| (start_ns + ns).clamp(from_ns, to_ns);
    let is_first = |off: &&OffCpu| off.scheduler.to_string() == "scheduler_1";
    let sum = |is_it: &dyn Fn(&OffCpu) -> bool| -> f64 {
        let these = rows.iter().filter(is_first).filter(|off| is_it(off));
        let ns = these.map(|off| clip(off.end_ns) - clip(off.ready_from_ns()));
        ns.sum::<i64>() as f64
    };
    let preempted_ns = sum(&|_| true);
    let delayed_ns = counted(|account| account.delayed_ns);
    println!(
        "preempted for {preempted_ns} ns, {delayed_ns} ns by the kernel, of {} ns",
        to_ns - from_ns
    );
    // It shares the CPU with one other program at least.
    assert!(delayed_ns > 0.3 * (to_ns - from_ns) as f64);
    assert!((preempted_ns / delayed_ns - 1.0).abs() < 0.03);
    // Most of that is of runs: this VM does little else.
    assert!(sum(&|off| off.proc.is_some()) > 0.5 * preempted_ns);
    in_their_runs(&recording, &rows);

    // What is left is CPU time.
    let off_ns: i64 = rows
        .iter()
        .filter(is_first)
        .map(|off| clip(off.end_ns) - clip(off.start_ns))
        .sum();
    let on_cpu_ns = counted(|account| account.on_cpu_ns);
    let told_ns = (to_ns - from_ns - off_ns) as f64;
    let taken_ns = counted(|account| account.taken_ns);
    println!(
        "on a CPU for {told_ns} ns, {on_cpu_ns} ns by the kernel, {taken_ns} ns taken of both"
    );
    assert!(told_ns > 0.95 * on_cpu_ns);
    assert!(told_ns < 1.05 * (on_cpu_ns + taken_ns));

    let report = escope(&["report", &path, "--format", "json"]).success();
    let report = report.json();
    let first = &report["events"]["schedulers"]["rows"][0];
    assert_eq!(first["scheduler"], "scheduler_1");
    let reported = |what: &str| first[what].as_f64().unwrap();
    assert!(
        reported("preempted_in_runs_ns") > 0.3 * reported("running_ns"),
        "{first:#}"
    );
    let timeline = [
        "timeline",
        &path,
        "--process",
        "split_three",
        "--format",
        "json",
    ];
    let timeline = escope(&timeline).success().json();
    let time = &timeline["processes"][0]["time"];
    let share = time["preempted_ns"].as_f64().unwrap() / time["running_ns"].as_f64().unwrap();
    assert!(share > 0.3, "{time:#}");
}

/// A time without a CPU lies in one run of the process that it names, or in none.
fn in_their_runs(recording: &Recording, rows: &[OffCpu]) {
    let runs = recording.runs(TimeRange::default()).unwrap();
    let runs: Vec<Run> = runs.map(Result::unwrap).collect();
    for off in rows.iter().filter(|off| off.cut.is_none()) {
        let overlaps = |run: &&Run| {
            let is_here = run.scheduler == off.scheduler && run.cut.is_none();
            is_here && run.start_ns < off.end_ns && off.start_ns < run.end_ns
        };
        let run = runs.iter().find(overlaps);
        match off.proc {
            None => assert_eq!(run, None, "{off:?}"),
            Some(proc) => assert!(
                run.is_none_or(|run| {
                    let is_within = run.start_ns <= off.start_ns && off.end_ns <= run.end_ns;
                    is_within && run.proc == proc
                }),
                "{off:?} {run:?}"
            ),
        }
    }
}

/// How long each nap took by the program's own clock.
fn each_ns(done: &Facts, slept: &str) -> Vec<f64> {
    let each = done.text(slept).split(',');
    each.map(|ns| ns.parse().unwrap()).collect()
}

#[test]
fn a_native_function_that_sleeps_is_blocked_for_as_long_as_it_did() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("nap", &["+S", "2:2"], &[]);
    let (recorder, path) = record(&vm, &folder, &["--max-overhead", "off"]);
    vm.go();
    let (_, done) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    let nap_ns = vm.ready().number("nap_ms") as f64 * 1e6;
    let napped_ns = nap_ns * vm.ready().number("rounds") as f64;
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");

    let (recording, rows) = rows(&path);
    let (dictionary, _) = recording.dictionary().unwrap();
    for (name, kind, slept) in [
        ("nap_normal", SchedulerKind::Normal, "normal_ns"),
        ("nap_dirty", SchedulerKind::DirtyIo, "dirty_ns"),
    ] {
        let each_ns = each_ns(&done, slept);
        let slept_ns: f64 = each_ns.iter().sum();
        let is_it = |off: &&OffCpu| {
            let process = off.proc.and_then(|proc| dictionary.process(proc));
            process.is_some_and(|process| process.is_called(name))
        };
        let blocked = rows
            .iter()
            .filter(is_it)
            .filter(|off| off.why == Some(OffCpuWhy::Blocked) && off.scheduler.kind == kind);
        let (mut naps, mut whole) = (0, 0);
        let (mut blocked_ns, mut ready_ns) = (0.0, 0.0);
        let all_ns: f64 = blocked.clone().map(|off| span(off).0).sum();
        // It is woken by the timer a little late, never early; what is shorter is no nap: for memory
        // too a thread may have to wait.
        for off in blocked.filter(|off| span(off).0 >= nap_ns) {
            let (blocked, ready) = span(off);
            // Some kernels do not tell of the ends of all.
            if off.cut.is_none() {
                // The program looks at its clock before and after.
                assert!(blocked + ready <= each_ns[naps], "{off:?}, {each_ns:?}");
                whole += 1;
            }
            naps += 1;
            blocked_ns += blocked;
            ready_ns += ready;
        }
        println!(
            "{name}: blocked for {blocked_ns} ns, then ready for {ready_ns}, slept {slept_ns}"
        );
        assert_eq!(naps, each_ns.len());
        assert!(whole * 10 >= naps * 9, "{whole} of {naps}");
        // And then it waits for a CPU.
        assert!(((blocked_ns + ready_ns) / slept_ns - 1.0).abs() < 0.03);
        let timeline = ["timeline", &path, "--process", name, "--format", "json"];
        let timeline = escope(&timeline).success().json();
        let told = timeline["processes"][0]["time"]["blocked_ns"].as_f64();
        assert!((told.unwrap() / all_ns - 1.0).abs() < 0.01, "{told:?}");
    }
    // Who never asks the kernel for anything waits for it hardly ever.
    let spinner = |off: &OffCpu| {
        let process = off.proc.and_then(|proc| dictionary.process(proc));
        process.is_some_and(|process| process.is_called("nap_spin"))
    };
    let blocked_ns: f64 = rows
        .iter()
        .filter(|off| spinner(off))
        .map(|off| span(off).0)
        .sum();
    assert!(blocked_ns < 0.05 * napped_ns, "{blocked_ns}");
}

#[test]
fn only_those_that_are_asked_for_are_told() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("nap", &["+S", "2:2"], &[]);
    let wanted = ["--max-overhead", "off", "--processes", "nap_normal"];
    let (recorder, path) = record(&vm, &folder, &wanted);
    vm.go();
    let (_, done) = vm.stop();
    recorder.signal("INT");
    recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    let (recording, rows) = rows(&path);
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut blocked_ns = 0.0;
    for off in &rows {
        let process = off.proc.and_then(|proc| dictionary.process(proc));
        assert!(
            process.is_some_and(|it| it.is_called("nap_normal")),
            "{off:?}"
        );
        blocked_ns += span(off).0 + span(off).1;
    }
    let slept_ns: f64 = each_ns(&done, "normal_ns").iter().sum();
    assert!(
        (blocked_ns / slept_ns - 1.0).abs() < 0.05,
        "{blocked_ns} {slept_ns}"
    );
}
