//! What we write is read by others: DuckDB, Go's pprof, speedscope's schema, Perfetto's protos and our
//! own SVG.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Workload, escope, recorded, start, temp_dir};
use crate::tier2::timelines;

#[test]
fn foreign_readers_agree() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("names", &[], &[]);
    vm.go();
    let recording = recorded(&vm, 5, 999, &folder);
    vm.stop();
    assert!(vm.quit().success());
    let report = escope(&["report", &recording, "--format", "json"])
        .success()
        .json();
    let work = report["work"]["samples"].as_u64().unwrap();
    let all = report["total"]["samples"].as_u64().unwrap();
    assert!(work > 1000, "only {work} samples of work");

    let folded = folder.path("folded");
    escope(&["export", &recording, "--format", "folded", "-o", &folded]).success();
    let text = fs::read_to_string(&folded).unwrap();
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    assert_eq!(text.lines().map(count).sum::<u64>(), work);

    let svg = folder.path("graph.svg");
    escope(&["flamegraph", &recording, "-o", &svg]).success();
    let drawn = fs::read_to_string(&svg).unwrap();
    // The lowest box is titled `all (N samples, 100%)`.
    let grouped = drawn.replace([',', '\u{202f}', '\u{a0}'], "");
    assert!(
        grouped.contains(&format!("{work} samples")),
        "{work} in {svg}"
    );

    duckdb(&recording, all);
    pprof(&recording, &folder.path("cpu.pb.gz"), work);
    speedscope(&recording, &folder.path("speedscope.json"));
}

/// Every run, message, life and collection of a real VM is in a timeline, and nothing else.
#[test]
fn foreign_readers_agree_about_timelines() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("traffic", &["+S", "2:2"], &[]);
    let pid = vm.pid().to_string();
    let patience = std::time::Duration::from_secs(120);
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
    recorder.wait_for("recording", patience);
    vm.go();
    vm.stop();
    recorder.signal("INT");
    recorder.finish(patience).success();
    assert!(vm.quit().success());
    let [pftrace, json] = timelines::exported(&path, &folder.path("timeline"));
    let found = timelines::agree(&path, &pftrace, &json);
    for sort in ["runs by process", "flows", "life", "collections"] {
        assert!(found[sort].as_u64().unwrap() > 100, "{sort}: {found}");
    }
}

fn duckdb(recording: &str, samples: u64) {
    let script = format!(
        "import duckdb\n\
         q = lambda s: duckdb.connect().execute(s).fetchone()[0]\n\
         d = {recording:?}\n\
         for t in ['samples','stacks','frames','processes','threads','code','series','losses',\n\
         \x20         'runs','messages','lifecycle','gc','off_cpu','native_calls',\n\
         \x20         'modules','ports','port_events','payloads','dist','states','windows']:\n\
         \x20   q(f\"select count(*) from '{{d}}/{{t}}.parquet'\")\n\
         print(q(f\"select count(*) from '{{d}}/samples.parquet' join '{{d}}/stacks.parquet' \
         using (stack)\"))\n"
    );
    assert_eq!(run("python3", &["-c", &script]).trim(), samples.to_string());
}

fn pprof(recording: &str, path: &str, samples: u64) {
    escope(&["export", recording, "--format", "pprof", "-o", path]).success();
    let tags = run(
        "go",
        &["tool", "pprof", "-sample_index=samples", "-tags", path],
    );
    for label in ["process:", "name:", "scheduler:", "activity:"] {
        assert!(tags.contains(label), "no label {label} in {tags}");
    }
    assert!(tags.contains("names_server"), "{tags}");
    let raw = run(
        "go",
        &["tool", "pprof", "-sample_index=samples", "-raw", path],
    );
    let body = raw
        .split("Samples:")
        .nth(1)
        .unwrap()
        .split("Locations")
        .next()
        .unwrap();
    let counted: u64 = body
        .lines()
        .skip(2)
        .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, samples, "{body:.400}");
}

/// The page of speedscope's own package reads it, in a browser without a window.
fn speedscope(recording: &str, path: &str) {
    escope(&["export", recording, "--format", "speedscope", "-o", path]).success();
    let text = fs::read_to_string(path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["$schema"],
        "https://www.speedscope.app/file-format-schema.json"
    );
    let frames = value["shared"]["frames"].as_array().unwrap();
    assert!(frames.iter().any(|frame| frame["line"].is_u64()));
}

pub(super) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
