//! Exported timelines are read by others, and what they find is what the tables have.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use escope_model::{
    Activity, Collection, CollectionKind, Cut, DistAction, DistEvent, DistOp, Fate, Frame, FrameId,
    FrameKind, LeftAs, Life, LifeEvent, Loss, Message, MessageKind, ModuleAction, ModuleEvent,
    NativeCall, OffCpu, OffCpuWhy, Payload, PayloadSeen, PortAction, PortEvent, PortId, PortInfo,
    ProcId, ProcessInfo, Run, Sample, SchedulerId, SchedulerKind, StackId, Window,
};
use escope_recording::{Clocks, Ended, EndedHow, Manifest, SeriesPoint, Writer, WriterOptions};

use crate::support::{escope, temp_dir};

#[test]
fn foreign_readers_find_what_the_tables_have() {
    live!();
    let folder = temp_dir();
    let path = folder.path("made.escope");
    Story::new(&path, 40).tell(3000);
    let [pftrace, json] = exported(&path, &folder.path("made"));
    let found = agree(&path, &pftrace, &json);
    assert_eq!(found["runs by process"], 3000, "{found}");
    for sort in found.as_object().unwrap().keys() {
        assert_ne!(found[sort], 0, "nothing to compare: {sort}");
    }
}

#[test]
fn a_part_has_what_began_in_it_and_both_ends_of_each_flow() {
    live!();
    let folder = temp_dir();
    let path = folder.path("made.escope");
    Story::new(&path, 40).tell(3000);
    let trace = |args: &[&str]| {
        let command = ["export", &path, "--format=chrome-trace"];
        let trace = escope(&[&command, args].concat()).success().json();
        trace["traceEvents"].as_array().unwrap().clone()
    };
    let (from, to) = (20_000.0, 40_000.0);
    let part = trace(&["--since=20ms", "--until=40ms"]);
    let count = |ph: &str| part.iter().filter(|event| event["ph"] == ph).count();
    assert!(count("s") > 100, "{}", count("s"));
    assert_eq!(count("s"), count("f"));
    let began = |event: &&serde_json::Value| {
        let name = event["name"].as_str().unwrap();
        matches!(event["ph"].as_str(), Some("X" | "i")) && !name.starts_with("receive ")
    };
    let events: Vec<_> = part.iter().filter(began).collect();
    assert!(events.len() > 500, "{}", events.len());
    for event in events.iter().filter(|event| event["cat"] != "loss") {
        let ts = event["ts"].as_f64().unwrap();
        assert!((from..to).contains(&ts), "{event}");
    }
    // All of one process, and of others what they have to do with it.
    let one = trace(&["--process=worker_7"]);
    let name = |event: &serde_json::Value| event["args"]["name"].as_str().map(str::to_owned);
    let all_runs = trace(&[]);
    let runs = |events: &[serde_json::Value]| {
        let of_it = |event: &&serde_json::Value| {
            event["cat"] == "run" && event["args"]["pid"] == "<0.107.0>"
        };
        events.iter().filter(of_it).count()
    };
    assert!(
        one.iter()
            .filter_map(name)
            .any(|name| name == "worker_7 <0.107.0>")
    );
    assert_eq!(runs(&one), runs(&all_runs));
    assert_eq!(
        one.iter().filter(|event| event["cat"] == "run").count(),
        2 * runs(&one)
    );
}

/// Up to when each process is in the past, by what it sent into it.
#[test]
fn the_past_of_an_instant_has_its_vector_clock() {
    let folder = temp_dir();
    let path = folder.path("made.escope");
    Story::new(&path, 40).tell(3000);
    let before = [
        "timeline",
        &path,
        "--before",
        "worker_7@30ms",
        "--format=json",
    ];
    let told = escope(&before).success().json();
    let mut expected = BTreeMap::from([(7, 30_000_000)]);
    for edge in told["past"].as_array().unwrap() {
        let from = edge["from"].as_u64().unwrap();
        let until_ns = expected.entry(from).or_default();
        *until_ns = edge["sent_ns"].as_u64().unwrap().max(*until_ns);
    }
    assert!(expected.len() > 3, "{expected:?}");
    assert_eq!(told["processes"], expected.len());
    let clock = told["vector_clock"].as_array().unwrap();
    let of = |entry: &serde_json::Value| {
        let proc = entry["proc"].as_u64().unwrap();
        let is_named = proc % 5 != 4;
        assert_eq!(entry["name"] == format!("worker_{proc}"), is_named);
        (proc, entry["until_ns"].as_u64().unwrap())
    };
    assert_eq!(clock.iter().map(of).collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(clock.len(), expected.len());
    assert!(clock.is_sorted_by_key(|entry| Reverse(entry["until_ns"].as_u64())));
}

/// Whatever is asked for, and also where events are missing: one truth.
#[test]
fn timeline_and_report_tell_the_same() {
    let folder = temp_dir();
    let path = folder.path("made.escope");
    Story::new(&path, 40).tell(3000);
    let of = |json: &serde_json::Value, table: &str| -> BTreeMap<u64, serde_json::Value> {
        let rows = match json["events"][table]["rows"].as_array() {
            Some(rows) => rows,
            None => json["processes"].as_array().unwrap(),
        };
        let keyed = rows.iter().map(|row| (row["proc"].as_u64().unwrap(), row));
        keyed.map(|(proc, row)| (proc, row.clone())).collect()
    };
    for part in [&[][..], &["--since=20ms", "--until=60ms"]] {
        let json = |command: &str| {
            let command = [command, &path, "--format=json", "-n=1000"];
            escope(&[&command, part].concat()).success().json()
        };
        let (timeline, report) = (json("timeline"), json("report"));
        assert_eq!(
            timeline["covers"]["in_gaps_ns"],
            report["events"]["covers"]["in_gaps_ns"]
        );
        let (ours, theirs) = (&timeline["modules"], &report["events"]["modules"]);
        assert_ne!(ours["load"], 0);
        assert_eq!(ours["load"], theirs["loads"]);
        assert_eq!(ours["purge"], theirs["purges"]);
        let ports = report["events"]["ports"]["rows"].as_array().unwrap();
        assert_eq!(ports.len(), PORTS as usize);
        let drivers = report["events"]["drivers"]["rows"].as_array().unwrap();
        assert_eq!(drivers.len(), 2, "of one it is not known");
        for (action, times) in [
            ("open", "/opened"),
            ("close", "/closed"),
            ("output", "/outputs/times"),
            ("input", "/inputs/times"),
        ] {
            let of_each = drivers
                .iter()
                .filter_map(|port| port.pointer(times)?.as_u64());
            let of_all = timeline["ports"][action].as_u64();
            assert_eq!(Some(of_each.sum()), of_all, "{action}");
            assert_ne!(of_all, Some(0), "{action}");
        }
        let nodes = report["events"]["nodes"]["rows"].as_array().unwrap();
        assert_eq!(nodes.len(), 3, "of one it is not known");
        for (action, times) in [
            ("sent", "/sent/signals"),
            ("received", "/received/signals"),
            ("suspended", "/suspended"),
        ] {
            let of_each = nodes
                .iter()
                .filter_map(|node| node.pointer(times)?.as_u64());
            let of_all = timeline["dist"][action].as_u64();
            assert_eq!(Some(of_each.sum()), of_all, "{action}");
            assert_ne!(of_all, Some(0), "{action}");
        }
        let processes = of(&timeline, "");
        assert_eq!(processes.len(), 40);
        let mut compared = BTreeMap::<&str, u64>::new();
        for (table, theirs, ours) in [
            ("run_queue", "/queued/sum_ns", "queued_ns"),
            ("run_queue", "/queued/max_ns", "queued_max_ns"),
            ("run_queue", "/queued_at_least", "queued_at_least"),
            ("run_queue", "/running_ns", "running_ns"),
            ("run_queue", "/runs", "runs"),
            ("senders", "/messages", "sent"),
            ("queueing", "/lain/count", "received"),
            ("queueing", "/lain/sum_ns", "lain_ns"),
            ("queueing", "/waiting_at_least", "waiting_at_least"),
            ("queueing", "/dropped", "dropped"),
            ("mailboxes", "/peak", "mailbox_max"),
            ("collectors", "/collections", "collections"),
            ("collectors", "/collecting_ns", "collecting_ns"),
        ] {
            for (proc, row) in of(&report, table) {
                let told = row.pointer(theirs).unwrap();
                assert_eq!(&processes[&proc][ours], told, "{table}{theirs} of {proc}");
                *compared.entry(ours).or_default() += u64::from(told.as_u64() != Some(0));
            }
        }
        assert!(compared.values().all(|&count| count > 0), "{compared:?}");
        let cut = processes.values().map(|it| &it["queued_at_least"]["count"]);
        assert!(cut.filter_map(|it| it.as_u64()).sum::<u64>() > 0);
        let ours = timeline["schedulers"].as_array().unwrap();
        let theirs = report["events"]["schedulers"]["rows"].as_array().unwrap();
        for (one, other) in ours.iter().zip(theirs) {
            for key in ["scheduler", "runs", "running_ns", "reductions"] {
                assert_eq!(one[key], other[key], "{key}");
            }
        }
    }
}

#[test]
fn what_means_nothing_is_refused() {
    let folder = temp_dir();
    let path = folder.path("made.escope");
    Story::new(&path, 4).tell(10);
    for format in ["perfetto", "chrome-trace"] {
        let format = format!("--format={format}");
        escope(&["export", &path, &format, "--module=lists"]).refused(2);
        escope(&["export", &path, &format, "--by=pid"]).refused(2);
        escope(&["export", &path, &format, "--process=nobody"]).refused(1);
    }
}

/// `cargo test --release --test suite -- --ignored --nocapture a_large_timeline`
#[test]
#[ignore = "a measurement, not a check"]
fn a_large_timeline() {
    let folder = temp_dir();
    let path = folder.path("large.escope");
    Story::new(&path, 2000).tell(1_000_000);
    for format in ["perfetto", "chrome-trace"] {
        let output = folder.path(format);
        let begun = Instant::now();
        escope(&["export", &path, "--format", format, "-o", &output]).success();
        let bytes = fs::metadata(&output).unwrap().len();
        println!("{format}: {bytes} bytes in {:?}", begun.elapsed());
    }
}

/// Exports to both formats.
pub(crate) fn exported(recording: &str, to: &str) -> [String; 2] {
    [("perfetto", "pftrace"), ("chrome-trace", "json")].map(|(format, suffix)| {
        let path = format!("{to}.{suffix}");
        escope(&["export", recording, "--format", format, "-o", &path]).success();
        path
    })
}

/// What other readers find in both and in the tables, by sort; they must find the same.
#[track_caller]
pub(crate) fn agree(recording: &str, pftrace: &str, json: &str) -> serde_json::Value {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/timeline.py");
    let output = Command::new("python3")
        .args([reader, recording, pftrace, json])
        .stdin(Stdio::null())
        .output()
        .expect("python3 is needed");
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told:.4000}\n{failed}");
    serde_json::from_str(&told).unwrap()
}

const SCHEDULERS: u32 = 3;
const PORTS: u32 = 4;

/// A VM with two schedulers and a dirty one, which never was. Each process has its scheduler.
struct Story {
    writer: Writer,
    random: u64,
    /// When each scheduler is free.
    free_ns: [i64; SCHEDULERS as usize],
    /// What lies in each mailbox.
    mailboxes: Vec<VecDeque<Message>>,
    exited: Vec<bool>,
    messages: u64,
    samples: u64,
}

impl Story {
    fn new(path: &str, processes: u32) -> Story {
        let manifest = Manifest {
            clocks: Clocks::new(77_000_000_000, 1_750_000_000_000_000_000),
            ..Manifest::default()
        };
        let options = WriterOptions::default();
        let mut writer = Writer::create(Path::new(path), manifest, options).unwrap();
        for n in 0..3 {
            writer.frame(FrameId(n), &frame(n));
        }
        writer.stack(StackId(0), &[FrameId(1), FrameId(0)]);
        writer.stack(StackId(1), &[FrameId(2), FrameId(1), FrameId(0)]);
        for n in 0..processes {
            writer.process(&ProcessInfo {
                proc: ProcId(n),
                pid: format!("<0.{}.0>", 100 + n),
                name: (n % 5 != 4).then(|| format!("worker_{n}")),
                label: None,
                initial_call: None,
                parent: None,
            });
        }
        for n in 0..PORTS {
            writer.port(&PortInfo {
                id: Some(format!("#Port<0.{n}>")),
                driver: (n > 0).then(|| "tcp_inet".to_owned()),
                owner: (n > 1).then_some(ProcId(n)),
                ..PortInfo::unknown(PortId(n))
            });
        }
        Story {
            writer,
            random: 88_172_645_463_325_252,
            free_ns: [0; SCHEDULERS as usize],
            mailboxes: (0..processes).map(|_| VecDeque::new()).collect(),
            exited: vec![false; processes as usize],
            messages: 0,
            samples: 0,
        }
    }

    /// A number below another one.
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn tell(mut self, runs: u32) {
        for run in 0..runs {
            self.run(run);
        }
        let end_ns = self.free_ns.into_iter().max().unwrap();
        for message in std::mem::take(&mut self.mailboxes).into_iter().flatten() {
            let fate = match self.exited[message.to.index()] {
                true => Fate::Dropped,
                false => Fate::Waiting,
            };
            self.writer.message(&Message { fate, ..message });
        }
        self.rest(end_ns);
        let mut manifest = Manifest {
            clocks: Clocks::new(77_000_000_000, 1_750_000_000_000_000_000),
            ended: Some(Ended {
                how: EndedHow::Duration,
                at_ns: end_ns,
                note: None,
            }),
            ..Manifest::default()
        };
        manifest.totals.samples = self.samples;
        let end_ns = manifest.ended.as_ref().unwrap().at_ns;
        for (from_ns, to_ns) in [(1000, end_ns / 2), (end_ns / 2 + 3000, end_ns - 70)] {
            self.writer.window(&Window {
                from_ns,
                to_ns,
                ..Window::default()
            });
        }
        self.writer.finish(&mut manifest).unwrap();
    }

    fn run(&mut self, number: u32) {
        let on = number % SCHEDULERS;
        let ours = self.mailboxes.len() as u64 / u64::from(SCHEDULERS);
        let proc = ProcId(self.below(ours) as u32 * SCHEDULERS + on);
        let start_ns = self.free_ns[on as usize] + self.below(3) as i64 * 1_000;
        let end_ns = start_ns + self.below(120) as i64 * 1_000;
        self.free_ns[on as usize] = end_ns;
        let cut = self.chance(50).then_some(Cut::End);
        let seen = cut.is_none();
        let left_as = LeftAs::ALL[self.below(LeftAs::ALL.len() as u64) as usize];
        let reductions = self.below(4001) as u32;
        let scheduler = SchedulerId {
            kind: match on {
                2 => SchedulerKind::DirtyCpu,
                _ => SchedulerKind::Normal,
            },
            number: (on % 2) as u16 + 1,
        };
        if number.is_multiple_of(5) {
            self.lose_cpu(number, proc, scheduler, (start_ns, end_ns));
        }
        if number.is_multiple_of(7) {
            self.call(number, proc, scheduler, (start_ns, end_ns));
        }
        if number.is_multiple_of(11) {
            self.code(number, proc, start_ns);
        }
        self.port(number, proc, end_ns);
        self.dist(number, proc, end_ns);
        self.writer.run(&Run {
            proc,
            scheduler,
            start_ns,
            end_ns,
            woken_by: None,
            reductions: seen.then_some(reductions),
            left_as: seen.then_some(left_as),
            at: seen.then_some(FrameId(1)),
            cut,
        });
        self.receive(proc, start_ns, end_ns);
        for _ in 0..self.below(4) {
            self.send(proc, start_ns, end_ns);
        }
        if self.chance(4) {
            self.collect(proc, start_ns, end_ns);
        }
        if self.chance(10) {
            self.live(proc, end_ns);
        }
        if self.chance(8) {
            self.sample(proc, start_ns);
        }
    }

    /// In the middle of a run, or of what a scheduler does when it has none.
    fn lose_cpu(&mut self, number: u32, proc: ProcId, scheduler: SchedulerId, run: (i64, i64)) {
        let quarter_ns = (run.1 - run.0) / 4;
        let ready_ns = (quarter_ns / 3) as u64;
        let (why, ready_ns, cut) = match number % 4 {
            0 => (Some(OffCpuWhy::Preempted), None, None),
            1 => (Some(OffCpuWhy::Blocked), Some(ready_ns), None),
            2 => (Some(OffCpuWhy::Blocked), None, Some(Cut::End)),
            _ => (None, Some(ready_ns), Some(Cut::Start)),
        };
        self.writer.off_cpu(&OffCpu {
            proc: (!number.is_multiple_of(3)).then_some(proc),
            scheduler,
            start_ns: run.0 + quarter_ns,
            end_ns: run.1 - quarter_ns,
            why,
            ready_ns,
            cut,
        });
    }

    /// A BIF, of which in every second run the return was watched.
    fn call(&mut self, number: u32, proc: ProcId, scheduler: SchedulerId, run: (i64, i64)) {
        let eighth_ns = (run.1 - run.0) / 8;
        let is_watched = number.is_multiple_of(2);
        self.writer.native_call(&NativeCall {
            proc,
            scheduler: Some(scheduler),
            start_ns: run.0 + eighth_ns,
            end_ns: is_watched.then_some(run.1 - eighth_ns),
            function: FrameId(1),
            caller: (!number.is_multiple_of(3)).then_some(FrameId(1)),
            cut: (is_watched && number.is_multiple_of(11)).then_some(Cut::End),
        });
    }

    /// A module that is loaded or purged, now and then by none of the processes.
    fn code(&mut self, number: u32, proc: ProcId, ts_ns: i64) {
        let actions = ModuleAction::ALL;
        self.writer.module(&ModuleEvent {
            ts_ns,
            proc: (!number.is_multiple_of(3)).then_some(proc),
            event: actions[number as usize % actions.len()],
            module: format!("module_{}", number % 13),
        });
    }

    /// Something of a port, for some of them without a process, with as many bytes as are known.
    fn port(&mut self, number: u32, proc: ProcId, ts_ns: i64) {
        let actions = PortAction::ALL;
        let event = actions[number as usize / 2 % actions.len()];
        let has_data = matches!(event, PortAction::Output | PortAction::Input);
        self.writer.port_event(&PortEvent {
            ts_ns,
            port: PortId(number / 3 % PORTS),
            event,
            proc: (!number.is_multiple_of(5)).then_some(proc),
            bytes: (has_data && !number.is_multiple_of(7)).then_some(u64::from(number) << 20),
        });
    }

    /// A signal to one of two other nodes or from it, or from one that is not known.
    fn dist(&mut self, number: u32, proc: ProcId, ts_ns: i64) {
        let event = DistAction::ALL[number as usize / 2 % DistAction::ALL.len()];
        let is_signal = matches!(event, DistAction::Sent | DistAction::Received);
        let op = DistOp::ALL[number as usize % DistOp::ALL.len()];
        self.writer.dist(&DistEvent {
            ts_ns,
            proc: (!number.is_multiple_of(5)).then_some(proc),
            node: (!number.is_multiple_of(3)).then(|| format!("node{}@\u{e4}", number % 3)),
            event,
            op: is_signal.then_some(op),
            bytes: (event != DistAction::Suspended && !number.is_multiple_of(7))
                .then_some(u64::from(number) << 10),
        });
    }

    fn receive(&mut self, proc: ProcId, start_ns: i64, end_ns: i64) {
        let mailbox = &mut self.mailboxes[proc.index()];
        while let Some(message) = mailbox.pop_front() {
            if message.sent_ns > end_ns {
                mailbox.push_front(message);
                return;
            }
            let received_ns = message.sent_ns.max(start_ns);
            self.writer.message(&Message {
                received_ns: Some(received_ns),
                fate: Fate::Received,
                size_words: None,
                ..message
            });
        }
    }

    fn send(&mut self, from: ProcId, start_ns: i64, end_ns: i64) {
        let to = ProcId(self.below(self.mailboxes.len() as u64) as u32);
        let kind = MessageKind::ALL[self.below(MessageKind::ALL.len() as u64) as usize];
        let tag = self.below(3);
        let message = Message {
            msg: self.messages,
            from: (!self.chance(9)).then_some(from),
            to,
            kind,
            tag: (tag > 0).then(|| format!("tag_{tag}")),
            sent_ns: start_ns + self.below((end_ns - start_ns) as u64 + 1) as i64,
            received_ns: None,
            fate: Fate::Unknown,
            size_words: None,
        };
        self.messages += 1;
        self.say(&message);
        if self.chance(40) {
            self.writer.message(&message);
        } else {
            self.mailboxes[to.index()].push_back(message);
        }
    }

    /// What every third message says, as far as that is told.
    fn say(&mut self, message: &Message) {
        if !message.msg.is_multiple_of(3) {
            return;
        }
        let seen = PayloadSeen::ALL[message.msg as usize / 3 % PayloadSeen::ALL.len()];
        let is_told = matches!(seen, PayloadSeen::Whole | PayloadSeen::Cut);
        self.writer.payload(&Payload {
            msg: message.msg,
            sent_ns: message.sent_ns,
            seen,
            text: is_told.then(|| format!("{{says,\"w\u{f6}rld {}\",***}}", message.msg)),
            masked: u32::from(is_told),
        });
    }

    fn collect(&mut self, proc: ProcId, start_ns: i64, end_ns: i64) {
        let cut = self.chance(20).then_some(Cut::Start);
        let before = self.below(1 << 40);
        self.writer.collection(&Collection {
            proc,
            start_ns,
            end_ns: start_ns + (end_ns - start_ns) / 2,
            before_words: cut.is_none().then_some(before),
            after_words: Some(before / 3),
            kind: Some(CollectionKind::Minor),
            cut,
        });
    }

    fn live(&mut self, proc: ProcId, ts_ns: i64) {
        let events = LifeEvent::ALL.len() as u64;
        let event = LifeEvent::ALL[self.below(events) as usize];
        if event == LifeEvent::Exit && std::mem::replace(&mut self.exited[proc.index()], true) {
            return;
        }
        let other = (!self.chance(3)).then_some(ProcId(0));
        self.writer.life(&Life {
            ts_ns,
            proc,
            event,
            other,
            name: (event == LifeEvent::Register).then(|| "a name".to_owned()),
            reason: (event == LifeEvent::Exit).then(|| format!("{{shutdown,{ts_ns}}}")),
        });
    }

    fn sample(&mut self, proc: ProcId, ts_ns: i64) {
        let activity = self.below(Activity::ALL.len() as u64) as usize;
        let proc = (!self.chance(5)).then_some(proc);
        let stack = StackId(self.below(2) as u32);
        self.samples += 1;
        self.writer.sample(&Sample {
            ts_ns,
            cpu: 1,
            tid: 7,
            scheduler: None,
            proc,
            stack,
            activity: Activity::ALL[activity],
            weight_ns: 10_101_010,
            truncated: None,
        });
    }

    fn rest(&mut self, end_ns: i64) {
        for (place, from_ns) in [
            ("event_ring_full", 0),
            ("code_ring_full", 5),
            ("event_ring_full", 9),
        ] {
            self.writer.loss(&Loss {
                from_ns,
                to_ns: from_ns + 4,
                place: place.to_owned(),
                count: 11,
                meaning: "events are missing".to_owned(),
                remedy: "use a larger ring".to_owned(),
            });
        }
        for (proc, value) in [(None, 7.0), (Some(ProcId(3)), 4.0)] {
            self.writer.series(&SeriesPoint {
                ts_ns: end_ns,
                proc,
                metric: "heap_words".to_owned(),
                value,
            });
        }
    }
}

fn frame(n: u32) -> Frame {
    Frame {
        kind: FrameKind::Erlang,
        module: Some("lists".into()),
        function: format!("function_{n}").into(),
        arity: Some(n),
        file: Some("lists.erl".into()),
        line: Some(10 * n + 1),
        object: None,
        address: 0,
    }
}
