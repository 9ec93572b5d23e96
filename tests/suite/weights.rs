//! How many words messages take, against what the program that sends them says.

use std::collections::BTreeMap;
use std::path::Path;

use escope_recording::{Recording, TimeRange};
use serde_json::Value;

use crate::support::{Facts, Workload, escope, record_all, temp_dir};

/// What does not lie within the message, or not alone, whatever the mailbox.
const ELSEWHERE: [&str; 4] = ["literal", "timer", "alias", "traced"];
/// What is a word itself.
const WORDS: [&str; 4] = ["atom", "small", "pid", "nil"];

#[test]
fn what_is_told_of_sizes_is_so() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("weights", &["+S", "2:2"], &[]);
    let (lines, _, output) = record_all(&mut vm, &path, &["--events", "messages"]);
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("event_ring_full"), "{output:#?}");
    assert_eq!(lines.len(), 44);

    // When processes began to run was seen, to know them; not when they stopped.
    let recording = Recording::open(Path::new(&path)).unwrap();
    assert_eq!(recording.runs(TimeRange::default()).unwrap().count(), 0);
    let sizes = sizes(Path::new(&path));
    let mut of_known_size = BTreeMap::<&str, (usize, usize)>::new();
    for line in &lines {
        let (data, shape) = (line.text("data"), line.text("shape"));
        let told = sizes.get(line.text("box")).map_or(&[][..], Vec::as_slice);
        assert_eq!(told.len() as i64, line.number("sent"), "{line:?}");
        let known: Vec<u32> = told.iter().copied().flatten().collect();
        assert!(
            known
                .iter()
                .all(|&it| i64::from(it) == line.number("words")),
            "{line:?}: {known:?}"
        );
        // Where the mailbox is on heap the message is, if there is room and nobody works there.
        let must_be_known = data == "off_heap" || WORDS.contains(&shape);
        let expected = match ELSEWHERE.contains(&shape) {
            true => 0,
            false if must_be_known => told.len(),
            false => known.len(),
        };
        assert_eq!(known.len(), expected, "{line:?}: {told:?}");
        let sum = of_known_size.entry(data).or_default();
        *sum = (sum.0 + known.len(), sum.1 + told.len());
    }
    println!("of known size: {of_known_size:?}");
    reported(&path, &lines);
}

/// The sizes of all messages by who got them.
fn sizes(path: &Path) -> BTreeMap<String, Vec<Option<u32>>> {
    let recording = Recording::open(path).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut sizes = BTreeMap::<String, Vec<Option<u32>>>::new();
    for message in recording.messages(TimeRange::default()).unwrap() {
        let message = message.unwrap();
        let to = dictionary.process(message.to).unwrap().pid.clone();
        sizes.entry(to).or_default().push(message.size_words);
    }
    sizes
}

/// The largest ones are in the report, and their words in the sum of who sent them; their lines
/// are in the timeline of who got them.
fn reported(path: &str, lines: &[Facts]) {
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&escope(args).success().stdout).expect("JSON")
    };
    let report = json(&["report", path, "--format", "json"]);
    let is_large = |line: &&Facts| line.text("shape") == "large" && line.text("data") == "off_heap";
    let large = lines.iter().find(is_large).expect("there is one");
    let words = large.number("words");
    let largest = &report["events"]["largest_messages"]["rows"][0];
    assert_eq!(largest["size_words"], words, "{largest}");
    let by_sender = &report["events"]["sizes"]["rows"][0];
    assert_eq!(by_sender["largest_words"], words, "{by_sender}");
    let least = large.number("sent") * words;
    assert!(by_sender["words"].as_i64() > Some(least), "{by_sender}");

    let who = large.text("box");
    let story = json(&["timeline", path, "--process", who, "--format", "json"]);
    let events = story["events"].as_array().expect("a list").iter();
    let sized = events.filter(|it| it["event"] == "receive" && it["size_words"] == words);
    assert_eq!(sized.count() as i64, large.number("sent"));
    let text = escope(&["timeline", path, "--process", who])
        .success()
        .stdout;
    assert!(text.contains(&format!(" of {words} words from ")), "{text}");
}
