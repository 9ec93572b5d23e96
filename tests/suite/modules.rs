//! Each load and each purge of a module once, with who did it: counted by the program itself.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::{Dictionary, ModuleAction, ModuleEvent};
use escope_recording::{Recording, TimeRange};

use crate::support::{Facts, Workload, escope, record_all, temp_dir};

/// What the VM did while `reload` ran with these settings; its lines; and the recording.
fn record(path: &str, settings: &[(&str, &str)]) -> (Vec<ModuleEvent>, Vec<Facts>, Dictionary) {
    let mut vm = Workload::start("reload", &["+S", "2:2"], settings);
    let (lines, _, output) = record_all(&mut vm, path, &["--events", "code,proc"]);
    assert!(vm.quit().success());
    assert!(!output.stderr.contains("could not be seen"), "{output:#?}");
    let recording = Recording::open(Path::new(path)).unwrap();
    let events = recording.modules(TimeRange::default()).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    (events.map(Result::unwrap).collect(), lines, dictionary)
}

/// How often each module was loaded, and purged.
fn counts(events: &[ModuleEvent]) -> BTreeMap<&str, [usize; 2]> {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for event in events {
        let of = counts.entry(&event.module).or_default();
        of[usize::from(event.event == ModuleAction::Purge)] += 1;
    }
    counts
}

#[test]
fn every_load_and_purge_is_there_once() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let settings = [("SLICE_MS", "2"), ("GENERATIONS", "60")];
    let (events, versions, dictionary) = record(&path, &settings);
    assert!(versions.len() >= 60, "{versions:?}");
    let counts = counts(&events);
    for module in ["gen_a", "gen_b", "gen_c", "gen_d"] {
        let runs = versions.iter().filter(|it| it.text("module") == module);
        let runs = runs.count();
        // The program deletes and purges each version before the next one of that name.
        assert_eq!(counts.get(module), Some(&[runs, runs]), "{counts:?}");
    }
    // In their order, each around the time in which the version ran.
    let recording = Recording::open(Path::new(&path)).unwrap();
    let start_ns = recording.manifest().clocks.start_monotonic_ns as i64;
    let mut of_versions = events.iter().filter(|it| it.module.starts_with("gen_"));
    for version in &versions {
        let (load, purge) = (of_versions.next().unwrap(), of_versions.next().unwrap());
        assert_eq!(load.module, version.text("module"));
        assert_eq!(purge.module, load.module);
        assert_eq!(load.event, ModuleAction::Load, "{load:?}");
        assert_eq!(purge.event, ModuleAction::Purge, "{purge:?}");
        assert!(
            start_ns + load.ts_ns < version.number("from_ns"),
            "{load:?}"
        );
        assert!(
            start_ns + purge.ts_ns > version.number("to_ns"),
            "{purge:?}"
        );
    }
    for event in &events {
        let process = event.proc.and_then(|proc| dictionary.process(proc));
        let name = process.unwrap().display_name();
        if event.event == ModuleAction::Purge {
            assert!(name.contains("erts_code_purger"), "{name}: {event:?}");
        }
    }
    told(&path, versions.len());
}

/// Everything that shows them.
fn told(path: &str, generations: usize) {
    let report = escope(&["report", path, "--format", "json", "-n", "500"]).success();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let modules = &report["events"]["modules"];
    let of = |column: &str| -> u64 {
        let rows = modules["rows"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["module"].as_str().unwrap().starts_with("gen_"));
        rows.map(|row| row[column].as_u64().unwrap()).sum()
    };
    assert_eq!([of("loads"), of("purges")], [generations as u64; 2]);
    let purger = [
        "timeline",
        path,
        "--process",
        "erts_code_purger",
        "-n",
        "100000",
    ];
    let story = escope(&purger).success().stdout;
    let purges = story.matches("purged old code of the module gen_").count();
    assert_eq!(purges, generations, "{story}");
    let summary = escope(&["timeline", path, "--format", "json"]).success();
    let summary: serde_json::Value = serde_json::from_str(&summary.stdout).unwrap();
    assert!(summary["modules"]["load"].as_u64() >= Some(generations as u64));
    let table = escope(&["timeline", path]).success().stdout;
    assert!(table.contains("\nmodules: "), "{table}");
    let trace = escope(&["export", path, "--format", "chrome-trace"]).success();
    let trace: serde_json::Value = serde_json::from_str(&trace.stdout).unwrap();
    let trace = trace["traceEvents"].as_array().unwrap().iter();
    let code = trace.filter(|it| it["cat"] == "code" && it["args"]["event"] == "load");
    let loads = code.filter(|it| it["name"].as_str().unwrap().starts_with("load gen_"));
    assert_eq!(loads.count(), generations);
}

/// Two processes load as fast as they can: one has to wait for the other, and begins anew.
#[test]
fn what_had_to_wait_is_told_once() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let settings = [("STORM", "1"), ("SLICE_MS", "1"), ("GENERATIONS", "300")];
    let (events, versions, _) = record(&path, &settings);
    let counts = counts(&events);
    let of_versions = |at: usize| -> usize {
        let modules = counts.iter().filter(|(name, _)| name.starts_with("gen_"));
        modules.map(|(_, of)| of[at]).sum()
    };
    assert_eq!([of_versions(0), of_versions(1)], [versions.len(); 2]);
    let [loads, purges] = counts["storm"];
    println!(
        "{loads} loads and {purges} purges besides {}",
        versions.len()
    );
    // All but the first load leave old code, which is purged at once.
    assert!(loads > 300, "{loads}");
    assert!((loads - 2..=loads).contains(&purges), "{loads} {purges}");
}

/// Of processes that nobody asked for nothing is told.
#[test]
fn only_what_was_asked_for_is_told() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("reload", &["+S", "2:2"], &[("GENERATIONS", "5")]);
    let (versions, _, _) = record_all(
        &mut vm,
        &path,
        &["--events", "code", "--processes", "erts_code_purger"],
    );
    assert!(vm.quit().success());
    let recording = Recording::open(Path::new(&path)).unwrap();
    let events = recording.modules(TimeRange::default()).unwrap();
    let events: Vec<ModuleEvent> = events.map(Result::unwrap).collect();
    let purges = events.iter().filter(|it| it.module.starts_with("gen_"));
    assert_eq!(purges.count(), versions.len());
    assert!(
        events.iter().all(|it| it.event == ModuleAction::Purge),
        "{events:?}"
    );
}
