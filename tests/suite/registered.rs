//! Names that processes get and lose: told of whom they are, and only where it came to pass.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::LifeEvent;
use escope_recording::{Recording, TimeRange};

use crate::support::{Workload, record_all, temp_dir};

#[test]
fn names_are_of_those_who_have_them() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("registered", &["+S", "2:2"], &[]);
    let (lines, _, _) = record_all(&mut vm, &path, &["--events", "proc"]);
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut seen = BTreeMap::<(LifeEvent, String, String), i64>::new();
    for life in recording.lifecycle(TimeRange::default()).unwrap() {
        let life = life.unwrap();
        if let LifeEvent::Register | LifeEvent::Unregister = life.event {
            let pid = dictionary.process(life.proc).unwrap().pid.clone();
            let name = life.name.unwrap();
            *seen.entry((life.event, name, pid)).or_default() += 1;
        }
    }
    let mut wanted = BTreeMap::new();
    for line in &lines {
        let event = match line.text("event") {
            "register" => LifeEvent::Register,
            _ => LifeEvent::Unregister,
        };
        let of = (
            event,
            line.text("name").to_owned(),
            line.text("pid").to_owned(),
        );
        *wanted.entry(of).or_default() += 1;
    }
    assert!(wanted.len() >= 450, "only {}", wanted.len());
    let other: Vec<_> = (seen.iter().filter(|it| wanted.get(it.0) != Some(it.1)))
        .chain(wanted.iter().filter(|it| seen.get(it.0) != Some(it.1)))
        .take(5)
        .collect();
    assert!(other.is_empty(), "{other:?}");
    // Names that were refused are no events, and cost.
    let hits = &recording.manifest().events.as_ref().unwrap().hits;
    assert!(hits["nothing"] >= 20_000, "{hits:?}");
    let windows = recording.windows().unwrap();
    let cost_ns: u64 = windows.map(|window| window.unwrap().cost_ns).sum();
    assert!(cost_ns >= 20_000 * 200, "{cost_ns}");
    // Who gets a name is called so.
    let called = |name: &str| {
        let mut processes = dictionary.processes.iter();
        processes
            .find(|it| it.name.as_deref() == Some(name))
            .map(|it| it.pid.clone())
    };
    let winner = lines.iter().find(|line| line.text("name") == "raced_2");
    let winner = winner.map(|line| line.text("pid").to_owned());
    assert!(winner.is_some() && called("raced_2") == winner);
}
