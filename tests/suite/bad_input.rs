//! Bad input: one clear sentence, the right exit code, nothing left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use escope_recording::Manifest;

use crate::support::{Folder, Output, escope, small_recording, temp_dir};

/// Runs `record` with these arguments into a folder that must stay empty.
#[track_caller]
fn record(args: &[&str]) -> Output {
    let folder = temp_dir();
    let path = folder.path("out.escope");
    let output = escope(&[&["record", "-o", path.as_str()], args].concat());
    assert_eq!(folder.listing(), [], "{output:#?}");
    output
}

#[test]
fn a_process_that_does_not_exist() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    record(&["-p", &child.id().to_string(), "-d", "1s"]).refused(3);
}

#[test]
fn a_process_that_is_no_beam() {
    let myself = std::process::id().to_string();
    record(&["-p", &myself, "-d", "1s"]).refused(3);
    // The same where the recording's name is still to be found.
    escope(&["record", "-p", &myself, "-d", "1s"]).refused(3);

    // Waits for a line that never comes, and ends with us.
    let mut cat = Command::new("cat");
    let mut cat = cat
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let output = record(&["-p", &cat.id().to_string(), "-d", "1s"]);
    drop(cat.stdin.take());
    assert!(cat.wait().unwrap().success());
    output.refused(3);
}

#[test]
fn numbers_out_of_range() {
    let pid = std::process::id().to_string();
    let record = |args: &[&str]| record(&[&["-p", pid.as_str()], args].concat());
    record(&["-d", "1s", "-F", "0"]).misused("0");
    record(&["-d", "1s", "-F", "1000000"]).misused("1000000");
    record(&["-d", "1s", "-F", "-1"]).misused("-1");
    record(&["-d", "1s", "-F", "often"]).misused("often");
    record(&["-d", "-1"]).misused("-1");
    record(&["-d", "0"]).misused("0");
    record(&["-d", "soon"]).misused("soon");
}

/// What is asked for is not what the kernel makes of it, and messages are held three times.
#[test]
fn a_ring_that_takes_more_than_its_part_of_the_memory() {
    let memory = ["--max-memory", "32", "--events", "msg", "--event-ring-kib"];
    let payload = ["--payload", "64", "--processes", "init"];
    for (ring, more, told) in [
        (
            "16385",
            &[][..],
            ["ring of 32768 KiB", "which is 16384 KiB"],
        ),
        (
            "4097",
            &payload,
            ["3 times, 24576 KiB", "which is 16384 KiB"],
        ),
    ] {
        let output = record(&[&memory[..], &[ring, "-p", "1"], more].concat());
        assert_eq!(output.code, Some(2), "{output:#?}");
        for part in told {
            assert!(output.stderr.contains(part), "{output:#?}");
        }
    }
}

#[test]
fn pids_that_cannot_be() {
    for pid in ["0", "-1", "99999999999", "beam"] {
        let output = record(&["-p", pid, "-d", "1s"]);
        assert_eq!(output.code, Some(2), "{output:#?}");
        assert_eq!(output.stdout, "", "{output:#?}");
    }
}

/// What reads a recording and writes to stdout.
const READERS: [&[&str]; 8] = [
    &["report"],
    &["report", "--format=json"],
    &["flamegraph", "-o", "-"],
    &["export", "--format=folded"],
    &["export", "--format=pprof"],
    &["export", "--format=speedscope"],
    &["export", "--format=perfetto"],
    &["export", "--format=chrome-trace"],
];

/// Gives the path to every reader; each must refuse it and leave the folder as it is.
#[track_caller]
fn read_all(path: &str, folder: &Folder) {
    let before = folder.listing();
    for reader in READERS {
        escope(&[reader, &[path]].concat()).refused(1);
        assert_eq!(folder.listing(), before, "{reader:?}");
    }
    #[cfg(feature = "query")]
    escope(&["query", path, "select count(*) from samples"]).refused(1);
    assert_eq!(folder.listing(), before);
}

#[test]
fn a_recording_that_is_missing() {
    let folder = temp_dir();
    let path = folder.path("missing.escope");
    read_all(&path, &folder);
    escope(&["check", &path]).refused(1);
}

#[test]
fn a_folder_or_a_file_that_is_no_recording() {
    let folder = temp_dir();
    let (empty, file) = (folder.path("empty.escope"), folder.path("file.escope"));
    fs::create_dir(&empty).unwrap();
    fs::write(&file, "no recording").unwrap();
    for path in [empty, file] {
        read_all(&path, &folder);
        escope(&["check", &path]).refused(1);
    }
}

#[test]
fn a_recording_of_a_newer_format() {
    let folder = temp_dir();
    let path = whole(&folder);
    let manifest = Path::new(&path).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["format_version"]["major"] = 999.into();
    fs::write(&manifest, json.to_string()).unwrap();
    read_all(&path, &folder);
    let output = escope(&["check", &path]);
    output.refused(1);
    assert!(output.stderr.contains("999"), "{output:#?}");
}

#[test]
fn a_recording_whose_files_are_cut() {
    for file in ["manifest.json", "samples.parquet"] {
        let folder = temp_dir();
        let path = whole(&folder);
        let file = Path::new(&path).join(file);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        read_all(&path, &folder);
        // This one lists what can be read, so it has a result.
        let output = escope(&["check", &path]);
        assert_eq!(output.code, Some(1), "{output:#?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    }
}

#[test]
fn a_whole_recording_is_read_by_all() {
    let folder = temp_dir();
    let path = whole(&folder);
    for reader in READERS {
        let output = escope(&[reader, &[path.as_str()]].concat()).success();
        assert_ne!(output.stdout, "", "{reader:?}");
    }
    escope(&["check", &path]).success();
}

#[cfg(feature = "query")]
#[test]
fn sql_that_is_wrong() {
    let folder = temp_dir();
    let path = whole(&folder);
    let before = folder.listing();
    for sql in [
        "",
        "selec 1",
        "select nothing from samples",
        "select * from nowhere",
        "drop table samples",
        "select 1; select 2",
        "@no_such_query",
    ] {
        let output = escope(&["query", &path, sql]);
        output.refused(if output.code == Some(2) { 2 } else { 1 });
        assert_eq!(folder.listing(), before, "{sql}");
    }
}

#[test]
fn tables_that_are_none() {
    let own = std::process::id().to_string();
    for file in ["/dev/zero", "/dev/stdin", "/no/such/file", "/proc/self/mem"] {
        let output = escope(&["snapshot", "-p", &own, "--layout", file]);
        output.misused("--layout");
    }
}

/// `htop` shows threads beside processes.
#[test]
fn a_thread_of_a_process() {
    let own = std::process::id();
    let thread = std::thread::spawn(move || {
        let tid = rustix::thread::gettid().as_raw_pid().to_string();
        let output = escope(&["record", "-p", &tid, "-d", "1s"]);
        output.refused(3);
        assert!(
            output.stderr.contains(&format!("--pid {own}")),
            "{output:#?}"
        );
    });
    thread.join().unwrap();
}

#[test]
fn files_that_are_not_there() {
    escope(&["snapshot", "--core", "/no/such/core"]).refused(1);
    escope(&["snapshot", "--image", "/no/such/image"]).refused(1);
}

fn whole(folder: &Folder) -> String {
    small_recording(folder, Manifest::default(), "nothing")
}
