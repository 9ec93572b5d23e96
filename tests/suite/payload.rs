//! What messages say, as the program itself prints it: all of it where it fits, nothing of it that
//! is a secret or of a process that is sensitive, anywhere in the recording.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use escope_model::{Message, Payload, PayloadSeen};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Workload, escope, start, temp_dir, unhex};

const PATIENCE: Duration = Duration::from_secs(120);
/// In each text that must be nowhere.
const SECRET: &str = "sekrit";
/// The same as a list of characters that does not print as text.
const SECRET_NUMBERS: &str = "115,101,107,114,105,116";
/// What is copied of a message when nothing else is asked for.
const BYTES: i64 = 512;
const NAMES: &str = "said_sender,said_receiver,said_off_heap";

/// Records the workload; its lines.
fn record(path: &str, more: &[&str]) -> (Vec<Facts>, String) {
    let mut vm = Workload::start("said", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let args = [
        &[
            "record",
            "-p",
            &pid,
            "--events",
            "messages",
            "--max-overhead",
            "off",
        ],
        &[
            "--processes",
            NAMES,
            "--redact",
            "^CARD_",
            "-o",
            path,
            "--payload",
        ],
        more,
    ];
    let mut recorder = start(&args.concat());
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, _) = vm.stop();
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE).success();
    assert!(vm.quit().success());
    (lines, output.stderr)
}

/// Messages, and what they said.
fn read(path: &str) -> (HashMap<u64, Message>, Vec<Payload>) {
    let recording = Recording::open(Path::new(path)).unwrap();
    assert_eq!(recording.manifest().totals.counters["events_lost"], 0);
    let messages = recording.messages(TimeRange::default()).unwrap();
    let messages = messages.map(|it| it.unwrap()).map(|it| (it.msg, it));
    let payloads = recording.payloads(TimeRange::default()).unwrap();
    (messages.collect(), payloads.map(Result::unwrap).collect())
}

/// The number that a message was sent with, in what it said.
fn number(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("{said,")?;
    rest.split_once(',')?.0.parse().ok()
}

#[test]
fn what_is_told_is_what_was_sent() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let (lines, summary) = record(&path, &[]);
    let (messages, payloads) = read(&path);
    let mut told: BTreeMap<i64, Vec<&Payload>> = BTreeMap::new();
    for payload in &payloads {
        let message = &messages[&payload.msg];
        assert_eq!(payload.sent_ns, message.sent_ns);
        let is_told = matches!(payload.seen, PayloadSeen::Whole | PayloadSeen::Cut);
        assert_eq!(payload.text.is_some(), is_told, "{payload:?}");
        assert!(
            matches!(
                payload.seen,
                PayloadSeen::Whole | PayloadSeen::Cut | PayloadSeen::Sensitive
            ),
            "{payload:?}, {message:?}"
        );
        if let Some(number) = payload.text.as_deref().and_then(number) {
            told.entry(number).or_default().push(payload);
        }
    }
    let (mut whole, mut literals, mut cut, mut masked) = (0, 0, 0, 0);
    for line in &lines {
        let (n, text) = (line.number("n"), unhex(line.text("text")));
        let Some(payloads) = told.get(&n) else {
            panic!("nothing is told of {line:?} {text}: {summary}");
        };
        let is_whole = |payload: &&&Payload| payload.seen == PayloadSeen::Whole;
        let is_right = payloads
            .iter()
            .filter(is_whole)
            .all(|payload| payload.masked > 0 || payload.text.as_deref() == Some(text.as_str()));
        assert!(is_right, "{text}: {payloads:?}");
        let are_whole = payloads
            .iter()
            .all(|payload| payload.seen == PayloadSeen::Whole);
        match line.text("class") {
            // Of literals that they share with the code no more than pieces are copied.
            "whole" if n < 100 => literals += i64::from(are_whole),
            "whole" if line.number("words") * 8 <= BYTES => {
                assert!(are_whole, "{text}: {payloads:?}");
                whole += 1;
            }
            "cut" => {
                assert!(!are_whole, "{payloads:?}");
                cut += 1;
            }
            // What was not copied need not be masked.
            "masked" => {
                let is_safe = |it: &&Payload| it.masked > 0 || it.seen == PayloadSeen::Cut;
                assert!(payloads.iter().all(is_safe), "{payloads:?}");
                masked += i64::from(payloads.iter().all(|it| it.masked > 0));
            }
            _ => {}
        }
    }
    assert!(whole > 60 && cut > 4, "{whole} whole, {cut} cut");
    assert!(masked > 60, "{masked} with secrets");
    assert!(literals > 50, "{literals} with literals");
    let sensitive = payloads
        .iter()
        .filter(|it| it.seen == PayloadSeen::Sensitive);
    assert!(sensitive.count() >= 60, "{summary}");
    no_secrets(&path);
    shown(&path);
}

/// Where people and programs see it.
fn shown(path: &str) {
    let text = escope(&[
        "timeline",
        path,
        "--process",
        "said_receiver",
        "-n",
        "10000",
    ]);
    let text = text.success().stdout;
    assert!(text.contains(r#"{said,116,"a string"}"#), "{text}");
    assert!(text.contains("{password,***}"), "{text}");
    let args = [
        "timeline",
        path,
        "--process",
        "said_receiver",
        "--format",
        "json",
    ];
    let json = escope(&args).success();
    let json = json.json();
    let events = json["events"].as_array().unwrap();
    let payloads = events.iter().map(|event| &event["payload"]["text"]);
    let told = payloads.filter_map(|text| text.as_str());
    assert!(
        told.clone().any(|text| text == r#"{said,116,"a string"}"#),
        "{json}"
    );
    let sequence = escope(&["timeline", path, "--sequence", "said_sender,said_receiver"]).success();
    assert!(
        sequence.stdout.contains("said,100,ok"),
        "{}",
        sequence.stdout
    );
    let trace = escope(&["export", path, "--format", "chrome-trace"]).success();
    assert!(trace.stdout.contains(r#""payload":"{said,100,ok}""#));
    for output in [text, sequence.stdout, trace.stdout, json.to_string()] {
        assert!(!output.contains(SECRET) && !output.contains(SECRET_NUMBERS));
    }
}

/// Whatever its form, in no byte of it, and in no row that is made of those.
fn no_secrets(path: &str) {
    let is_in = |bytes: &[u8], secret: &str| {
        let secret = secret.as_bytes();
        bytes.windows(secret.len()).any(|bytes| bytes == secret)
    };
    let mut files = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let file = entry.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        for secret in [SECRET, SECRET_NUMBERS] {
            assert!(!is_in(&bytes, secret), "{}", file.display());
        }
        files += 1;
    }
    assert!(files > 5);
    let recording = Recording::open(Path::new(path)).unwrap();
    let messages = recording.messages(TimeRange::default()).unwrap();
    let payloads = recording.payloads(TimeRange::default()).unwrap();
    let lives = recording.lifecycle(TimeRange::default()).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let rows = messages.map(|row| format!("{:?}", row.unwrap()));
    let rows = rows.chain(payloads.map(|row| format!("{:?}", row.unwrap())));
    let rows = rows.chain(lives.map(|row| format!("{:?}", row.unwrap())));
    for row in rows.chain([format!("{dictionary:?}")]) {
        assert!(
            !row.contains(SECRET) && !row.contains(SECRET_NUMBERS),
            "{row}"
        );
    }
}

/// All that was sent fits, and the recorder dies: what it has left has no secrets either.
#[test]
fn what_is_left_of_a_recorder_that_dies_has_no_secrets() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("said", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let args = [
        &[
            "record",
            "-p",
            &pid,
            "--events",
            "messages",
            "--max-overhead",
            "off",
        ],
        &[
            "--processes",
            NAMES,
            "--redact",
            "card",
            "-o",
            &path,
            "--payload",
            "4096",
        ][..],
    ];
    let mut recorder = start(&args.concat());
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, _) = vm.stop();
    // It writes about once a second.
    let mut told = 0;
    for _ in 0..30 {
        assert!(recorder.runs_on(Duration::from_secs(1)));
        let recording = Recording::open(Path::new(&path)).unwrap();
        let payloads = recording.payloads(TimeRange::default()).unwrap();
        told = payloads
            .map(Result::unwrap)
            .filter(|it| it.text.is_some())
            .count();
        if told > lines.len() / 2 {
            break;
        }
    }
    recorder.kill();
    assert!(told > lines.len() / 2, "{told} of {}", lines.len());
    assert!(vm.quit().success());
    no_secrets(&path);
}

#[test]
fn nothing_is_copied_of_processes_that_nobody_has_named() {
    let sentence = "--payload records what messages say, and that only of processes that are named";
    let output = escope(&["record", "--payload", "--events", "messages"]);
    output.refused(2);
    assert!(output.stderr.contains(sentence), "{output:#?}");
    let output = escope(&[
        "record",
        "--payload",
        "--processes",
        "a",
        "--events",
        "sched",
    ]);
    output.refused(2);
    escope(&["record", "--redact", "a"]).refused(2);
    let named = [
        "record",
        "--payload",
        "--processes",
        "a",
        "--events",
        "msg",
        "--redact",
        "(",
    ];
    escope(&named).refused(2);
}
