//! Everything at an instant: as the program itself knows it, and as all rows of the recording have it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use escope_model::{Collection, Fate, LifeEvent, Message, Run, Sample};
use escope_recording::{Recording, RecordingError, TimeRange};
use serde_json::Value;

use crate::support::{Facts, RabbitMq, Workload, escope, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(180);
const BOXES: i64 = 6;

fn frame(path: &str, at_ns: i64, more: &[&str]) -> Value {
    let at = format!("{at_ns}ns");
    let args = [&["frame", path, "--at", &at, "--json"], more].concat();
    escope(&args).success().json()
}

fn rows_of<'a>(frame: &'a Value, table: &str) -> &'a [Value] {
    frame[table].as_array().unwrap()
}

fn called<'a>(frame: &'a Value, name: &str) -> &'a Value {
    let mut all = rows_of(frame, "processes").iter();
    let found = all.find(|process| process["name"] == name || process["pid"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {frame}"))
}

#[test]
fn a_situation_that_the_program_knows_is_told_so() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("frames", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let mut recorder = start(&[
        "record",
        "-p",
        &pid,
        "--events",
        "full",
        "--max-overhead",
        "off",
        "-o",
        &path,
    ]);
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let rounds: Vec<Facts> = (0..12).map(|_| vm.count()).collect();
    vm.stop();
    recorder.signal("INT");
    let summary = recorder.finish(PATIENCE).success().stderr;
    assert!(vm.quit().success());
    let recording = Recording::open(Path::new(&path)).unwrap();
    let manifest = recording.manifest();
    assert_eq!(manifest.totals.counters["events_lost"], 0, "{summary}");
    let origin_ns = manifest.clocks.start_monotonic_ns as i64;
    let mut sent: BTreeMap<i64, i64> = BTreeMap::new();
    for (round, facts) in (1..).zip(&rounds) {
        let [from_ns, to_ns] = ["from_ns", "to_ns"].map(|key| facts.number(key) - origin_ns);
        // Who is done may be a little late to say so by leaving its scheduler.
        let at_ns = to_ns - (to_ns - from_ns) / 10;
        let frame = frame(&path, at_ns, &[]);
        assert_eq!(frame["is_watched"], true, "{summary}");
        for n in 1..=BOXES {
            *sent.entry(n).or_default() += (round * n) % 7 + n;
            let expected = facts.number(&format!("box_{n}"));
            a_box(called(&frame, &format!("frames_box_{n}")), expected, at_ns);
        }
        let busy = called(&frame, "frames_busy")["doing"].as_str().unwrap();
        assert!(["running", "runnable"].contains(&busy), "{busy}");
        let young = called(&frame, facts.text("young"));
        assert_eq!(
            (&young["known"], &young["doing"]),
            (&"spawned".into(), &"waiting".into())
        );
        if let Some(gone) = facts.text_of("gone") {
            let all = rows_of(&frame, "processes").iter();
            assert!(all.clone().all(|it| it["pid"] != gone), "{gone} has ended");
            let at = format!("{at_ns}ns");
            let args = ["frame", &path, "--at", &at, "--process", gone, "--json"];
            let absent = &escope(&args).success().json()["absent"][0];
            assert_eq!(absent["pid"], gone, "{absent}");
            assert!(absent["ended_ns"].as_i64().unwrap() < at_ns, "{absent}");
        }
        same_in_text(&path, &frame);
    }
    steps(&path, &rounds[5], origin_ns);
    unwatched(&path);
}

/// A box waits since before, with so many notes, the oldest first.
fn a_box(process: &Value, expected: i64, at_ns: i64) {
    assert_eq!(process["doing"], "waiting", "{process}");
    assert!(process["since_ns"].as_i64().unwrap() < at_ns, "{process}");
    let place = process["place"].as_str().unwrap();
    assert!(place.starts_with("frames:box/0"), "{place}");
    let mailbox = &process["mailbox"];
    assert_eq!(mailbox["messages"], expected, "{process}");
    assert_eq!(mailbox["unsure"], 0, "{process}");
    let first = mailbox["first"].as_array().unwrap();
    assert_eq!(first.len() as i64, expected);
    assert!(
        first
            .iter()
            .all(|it| it["tag"] == "note" && it["is_sure"] == true)
    );
    let times = first.iter().map(|it| it["sent_ns"].as_i64().unwrap());
    assert!(times.clone().is_sorted() && times.clone().all(|ns| ns < at_ns));
    assert_eq!(times.min(), mailbox["oldest_ns"].as_i64());
}

/// What was not watched is told as of before that, or not at all.
fn unwatched(path: &str) {
    let last = escope(&["frame", path, "--json"]).success().json();
    assert_eq!(last["is_watched"], true, "{last}");
    let end_ns = last["end_ns"].as_i64().unwrap();
    let late = frame(path, end_ns - 1, &[]);
    assert_eq!(late["is_watched"], false, "{late}");
    assert_eq!(late["as_of_ns"], last["at_ns"]);
    assert_eq!(late["counts"], last["counts"]);
    let at = format!("{}ns", end_ns - 1);
    let text = escope(&["frame", path, "--at", &at]).success().stdout;
    assert!(text.contains("\nNOT WATCHED at that time: "), "{text}");
    for at in [format!("{end_ns}ns"), "1ns".to_owned()] {
        escope(&["frame", path, "--at", &at]).refused(1);
    }
    escope(&["frame", path, "--process", "nobody"]).refused(1);
}

/// One step forward and one back is where it was.
fn steps(path: &str, facts: &Facts, origin_ns: i64) {
    let at_ns = facts.number("to_ns") - origin_ns;
    let of = ["--process", "frames_box_3"];
    let next = frame(path, at_ns, &[&of[..], &["--step", "forward"]].concat());
    let next_ns = next["at_ns"].as_i64().unwrap();
    assert!(next_ns > at_ns);
    assert_eq!(next["event"]["event"], "arrives", "{next}");
    let before = called(&next, "frames_box_3")["mailbox"]["messages"].as_i64();
    assert_eq!(before, Some(facts.number("box_3") + 1));
    let back = frame(path, next_ns, &[&of[..], &["--step", "back"]].concat());
    assert!(back["at_ns"].as_i64().unwrap() < at_ns, "{back}");
    let length = called(&back, "frames_box_3")["mailbox"]["messages"].as_i64();
    assert_eq!(length, Some(facts.number("box_3")));
    assert_eq!(rows_of(&back, "processes").len(), 1);
}

/// The page for people has the same counts.
fn same_in_text(path: &str, frame: &Value) {
    let at = format!("{}ns", frame["at_ns"]);
    let text = escope(&["frame", path, "--at", &at]).success().stdout;
    let counts = &frame["counts"];
    let processes = format!("\n{} processes: ", counts["processes"]);
    assert!(text.contains(&processes), "{processes}: {text}");
    let messages = format!(
        "\n{} messages lie in {} mailboxes",
        counts["messages"], counts["mailboxes"]
    );
    assert!(text.contains(&messages), "{messages}: {text}");
    // However many processes there are, it is a page.
    assert!(text.lines().count() < 700, "{text}");
}

fn rows<T>(all: impl Iterator<Item = Result<T, RecordingError>>) -> Vec<T> {
    all.map(Result::unwrap).collect()
}

/// All rows of a recording.
struct All {
    runs: Vec<Run>,
    messages: Vec<Message>,
    collections: Vec<Collection>,
    samples: Vec<Sample>,
    /// When each process was first seen to be spawned, and to end.
    spawned_ns: BTreeMap<u32, i64>,
    ended_ns: BTreeMap<u32, i64>,
}

impl All {
    fn of(recording: &Recording) -> All {
        let runs = recording.runs(TimeRange::ALL).unwrap();
        let messages = recording.messages(TimeRange::ALL).unwrap();
        let mut messages: Vec<Message> = rows(messages);
        messages.sort_by_key(|message| message.msg);
        let mut all = All {
            runs: rows(runs),
            messages,
            collections: rows(recording.gc(TimeRange::ALL).unwrap()),
            samples: rows(recording.samples_within(TimeRange::ALL).unwrap()),
            spawned_ns: BTreeMap::new(),
            ended_ns: BTreeMap::new(),
        };
        for life in recording.lifecycle(TimeRange::ALL).unwrap() {
            let life = life.unwrap();
            let of = match life.event {
                LifeEvent::Spawn => &mut all.spawned_ns,
                LifeEvent::Exit => &mut all.ended_ns,
                _ => continue,
            };
            of.entry(life.proc.0).or_insert(life.ts_ns);
        }
        all
    }

    fn running(&self, at_ns: i64) -> BTreeMap<String, u32> {
        let runs = self.runs.iter();
        let these = runs.filter(|run| run.start_ns <= at_ns && at_ns < run.end_ns);
        these
            .map(|run| (run.scheduler.to_string(), run.proc.0))
            .collect()
    }

    /// Messages that lie somewhere for sure, by receiver.
    fn lying(&self, at_ns: i64) -> BTreeMap<u32, BTreeSet<u64>> {
        let mut lying: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for message in self.messages.iter().filter(|it| it.sent_ns <= at_ns) {
            let left_ns = match message.fate {
                Fate::Unknown => continue,
                Fate::Dropped => self.ended_ns.get(&message.to.0).copied(),
                _ => message.received_ns,
            };
            if left_ns.is_none_or(|left_ns| at_ns < left_ns) {
                lying.entry(message.to.0).or_default().insert(message.msg);
            }
        }
        lying
    }

    /// The frame says what the rows say.
    fn check(&self, frame: &Value) {
        let at_ns = frame["as_of_ns"].as_i64().unwrap();
        let running = self.running(at_ns);
        let schedulers = rows_of(frame, "schedulers").iter();
        let told =
            schedulers.filter_map(|it| Some((it["scheduler"].as_str()?, it["proc"].as_u64()?)));
        let told: BTreeMap<String, u32> = told
            .map(|(id, proc)| (id.to_owned(), proc as u32))
            .collect();
        assert_eq!(told, running);
        let mut lying = self.lying(at_ns);
        let mut runs = 0;
        for process in rows_of(frame, "processes") {
            let proc = process["proc"].as_u64().unwrap() as u32;
            let runs_now = running.values().any(|it| *it == proc);
            assert_eq!(process["doing"] == "running", runs_now, "{process}");
            runs += usize::from(runs_now);
            let spawned_ns = self.spawned_ns.get(&proc).copied();
            // One that has not run yet is there if it was sent something.
            let mut sent = self.messages.iter();
            let is_born = spawned_ns.is_none_or(|ns| ns <= at_ns)
                || sent.any(|it| it.to.0 == proc && it.sent_ns <= at_ns);
            assert!(is_born, "not born: {process}");
            let ended_ns = self.ended_ns.get(&proc).copied();
            assert!(
                ended_ns.is_none_or(|ns| at_ns < ns || runs_now),
                "dead: {process}"
            );
            self.mailbox(process, lying.remove(&proc).unwrap_or_default(), at_ns);
            self.collection(process, proc, at_ns);
            self.stack(process, proc, at_ns);
        }
        assert_eq!(runs, running.len(), "each scheduler runs one of its own");
        assert!(lying.is_empty(), "nobody has these: {lying:?}");
        let told: BTreeSet<u64> = rows_of(frame, "processes")
            .iter()
            .map(|process| process["proc"].as_u64().unwrap())
            .collect();
        // Whoever ran before and after was there.
        let before = self.runs.iter().filter(|run| run.start_ns <= at_ns);
        let before: BTreeSet<u64> = before.map(|run| u64::from(run.proc.0)).collect();
        let after = self.runs.iter().filter(|run| run.start_ns > at_ns);
        let both: BTreeSet<u64> = after
            .map(|run| u64::from(run.proc.0))
            .filter(|proc| before.contains(proc))
            .collect();
        assert!(both.is_subset(&told), "{:?}", both.difference(&told));
    }

    fn collection(&self, process: &Value, proc: u32, at_ns: i64) {
        let all = self.collections.iter();
        let of = |it: &&Collection| it.proc.0 == proc && it.start_ns <= at_ns && at_ns < it.end_ns;
        let since_ns = all.rev().find(of).map(|it| it.start_ns);
        assert_eq!(
            process["collecting_since_ns"].as_i64(),
            since_ns,
            "{process}"
        );
    }

    /// The last sample of the run that goes on.
    fn stack(&self, process: &Value, proc: u32, at_ns: i64) {
        let mut runs = self.runs.iter();
        let run =
            runs.find(|run| run.proc.0 == proc && run.start_ns <= at_ns && at_ns < run.end_ns);
        let is_in = |it: &&Sample| {
            let is_its = it.proc.is_some_and(|it| it.0 == proc);
            is_its && run.is_some_and(|run| run.start_ns <= it.ts_ns && it.ts_ns <= at_ns)
        };
        let last = self.samples.iter().filter(is_in).max_by_key(|it| it.ts_ns);
        let told = &process["stack"];
        assert_eq!(told["ts_ns"].as_i64(), last.map(|it| it.ts_ns), "{process}");
        if last.is_some() {
            assert!(!told["frames"].as_array().unwrap().is_empty(), "{process}");
        }
    }

    /// Instants within collections, and within runs that a sample has seen.
    fn busy(&self) -> Vec<i64> {
        let spread = |all: Vec<i64>| -> Vec<i64> {
            let every = (all.len() / 4).max(1);
            all.into_iter().step_by(every).take(4).collect()
        };
        let collections = self.collections.iter();
        let collecting = collections.map(|it| it.start_ns + (it.end_ns - it.start_ns) / 2);
        let runs = self.runs.iter();
        let sampled = runs.filter_map(|run| {
            let is_in = |it: &&Sample| {
                it.proc == Some(run.proc) && run.start_ns <= it.ts_ns && it.ts_ns < run.end_ns
            };
            // In the order of time: most runs have none.
            let from = self.samples.partition_point(|it| it.ts_ns < run.start_ns);
            let here = self.samples[from..].iter();
            let mut here = here.take_while(|it| it.ts_ns < run.end_ns);
            here.find(is_in)
                .map(|it| it.ts_ns + (run.end_ns - it.ts_ns) / 2)
        });
        [spread(collecting.collect()), spread(sampled.collect())].concat()
    }

    fn mailbox(&self, process: &Value, lying: BTreeSet<u64>, at_ns: i64) {
        let mailbox = &process["mailbox"];
        assert_eq!(
            mailbox["messages"].as_u64(),
            Some(lying.len() as u64),
            "{process}"
        );
        let first = mailbox["first"].as_array().unwrap();
        let count = mailbox["messages"].as_u64().unwrap() + mailbox["unsure"].as_u64().unwrap();
        assert_eq!(
            first.len() as u64 + mailbox["omitted"].as_u64().unwrap(),
            count
        );
        for told in first {
            let msg = told["msg"].as_u64().unwrap();
            let place = self
                .messages
                .binary_search_by_key(&msg, |it| it.msg)
                .unwrap();
            let row = &self.messages[place];
            assert_eq!(Some(u64::from(row.to.0)), process["proc"].as_u64());
            assert!(row.sent_ns <= at_ns, "not sent yet: {row:?} at {at_ns}");
            assert!(
                row.received_ns.is_none_or(|ns| at_ns < ns),
                "received: {row:?} at {at_ns}"
            );
            assert_eq!(told["is_sure"] == true, lying.contains(&msg), "{row:?}");
        }
    }
}

#[test]
fn a_loaded_rabbitmq_is_consistent_at_20_instants() {
    live!();
    let Some(rabbit) = RabbitMq::start() else {
        assert!(
            !xtask::live::is_required(),
            "this test must run: install rabbitmq-server"
        );
        return;
    };
    let load = rabbit.load();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let pid = rabbit.pid().to_string();
    let args = [
        "record", "-p", &pid, "-d", "6s", "-o", &path, "--events", "full",
    ];
    let more = ["--max-overhead", "off", "--max-memory", "1024"];
    let output = start(&[&args[..], &more].concat())
        .finish(PATIENCE)
        .success();
    assert!(load.stop() > 100);
    let recording = Recording::open(Path::new(&path)).unwrap();
    let all = All::of(&recording);
    let windows: Vec<_> = recording.windows().unwrap().map(Result::unwrap).collect();
    let (from_ns, to_ns) = (windows[0].from_ns, windows[windows.len() - 1].to_ns);
    let (mut watched, mut running, mut messages) = (0, 0, 0);
    let (mut collecting, mut sampled) = (0, 0);
    let instants = (1..=20).map(|instant| from_ns + (to_ns - from_ns) * instant / 21);
    let is_seen = |at_ns: &i64| (from_ns..to_ns).contains(at_ns);
    let busy = all.busy().into_iter().filter(is_seen);
    for at_ns in instants.chain(busy) {
        let frame = frame(&path, at_ns, &[]);
        all.check(&frame);
        same_in_text(&path, &frame);
        assert_eq!(frame["is_watched"], true, "{at_ns}: {output:#?}");
        watched += 1;
        let has = |key: &str| {
            let all = rows_of(&frame, "processes").iter();
            all.filter(|it| !it[key].is_null()).count()
        };
        collecting += has("collecting_since_ns");
        sampled += has("stack");
        running += all.running(at_ns).len();
        messages += frame["counts"]["messages"].as_u64().unwrap();
        assert!(rows_of(&frame, "processes").len() > 10, "{frame}");
    }
    println!(
        "{} runs, {} messages; {watched} instants, {running} running, {collecting} collecting, {sampled} with \
         stacks, {messages} in mailboxes",
        all.runs.len(),
        all.messages.len()
    );
    assert!(watched >= 20 && running > 5 && messages > 0, "{output:#?}");
    assert!(collecting >= 4 && sampled >= 4, "{output:#?}");
}

#[test]
fn where_events_were_lost_it_is_told_and_consistent() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    // The rests are long enough for any recorder to empty its rings, so that there are gaps, and times beside them.
    let env = [
        ("CHAINS", "1"),
        ("FLOODS", "1"),
        ("BURST", "20000"),
        ("REST_MS", "150"),
    ];
    let mut vm = Workload::start("storm", &["+S", "2:2"], &env);
    let pid = vm.pid().to_string();
    vm.go();
    let args = [
        "record", "-p", &pid, "-d", "2s", "-o", &path, "--events", "full",
    ];
    let more = ["--max-overhead", "off", "--event-ring-kib", "256"];
    let output = start(&[&args[..], &more].concat())
        .finish(PATIENCE)
        .success();
    vm.stop();
    assert!(vm.quit().success());
    let recording = Recording::open(Path::new(&path)).unwrap();
    let losses: Vec<_> = recording.losses().unwrap().map(Result::unwrap).collect();
    let gaps: Vec<(i64, i64)> = losses
        .iter()
        .filter(|loss| loss.place == "event_ring_full")
        .map(|loss| (loss.from_ns, loss.to_ns))
        .collect();
    assert!(!gaps.is_empty(), "{output:#?}");
    let all = All::of(&recording);
    let (mut lost, mut watched) = (0, 0);
    let windows: Vec<_> = recording.windows().unwrap().map(Result::unwrap).collect();
    let window = windows[0].from_ns..windows[0].to_ns;
    let is_in = |at_ns: i64| gaps.iter().any(|gap| gap.0 <= at_ns && at_ns < gap.1);
    // Before that nothing is known.
    let mut known_ns = window.start;
    while let Some(gap) = gaps
        .iter()
        .find(|gap| gap.0 <= known_ns && known_ns < gap.1)
    {
        known_ns = gap.1;
    }
    let spread = (0..12).map(|n| known_ns + (window.end - known_ns) * n / 12);
    let edges = gaps
        .iter()
        .take(6)
        .flat_map(|gap| [gap.0 - 1, gap.0, gap.1]);
    for at_ns in spread.chain(edges) {
        if at_ns < known_ns || !window.contains(&at_ns) {
            continue;
        }
        let frame = frame(&path, at_ns, &[]);
        let is_lost = is_in(at_ns);
        assert_eq!(frame["is_watched"], !is_lost, "{at_ns} of {gaps:?}");
        assert_eq!(frame["missing"]["lost"].as_u64().is_some(), is_lost);
        all.check(&frame);
        lost += usize::from(is_lost);
        watched += usize::from(!is_lost);
    }
    println!(
        "{} gaps; {lost} instants in them, {watched} beside",
        gaps.len()
    );
    assert!(lost > 0 && watched > 0, "{output:#?}");
}
