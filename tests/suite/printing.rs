//! Names of others reach no terminal raw: neither from a recording nor from a process that
//! is refused, in nothing that is printed.

use std::fs;
use std::process::{Command, Stdio};

use escope_recording::Manifest;

use crate::support::{Folder, HOSTILE, assert_pure, escope, small_recording, temp_dir};

#[test]
fn a_recording_made_elsewhere() {
    let folder = temp_dir();
    let path = hostile(&folder);
    let report = escope(&["report", &path]).success();
    assert_pure(&report);
    let head = report.stdout.lines().next().unwrap();
    assert!(head.starts_with("ev\u{fffd}[2Jil"), "{report:#?}");
    // A newline in a name begins no line.
    assert!(
        head.contains("forged") && head.contains("(pid 7, OTP ev\u{fffd}"),
        "{report:#?}"
    );
    let forged = report
        .stdout
        .lines()
        .filter(|line| line.starts_with("forged"));
    assert_eq!(forged.count(), 0, "{report:#?}");

    let report = escope(&["report", &path, "--format=json"]).success();
    assert_pure(&report);
    let json = report.json();
    assert_eq!(json["recording"]["target"]["node"], HOSTILE);
    assert_eq!(json["threads"]["rows"][0]["name"], HOSTILE, "{json:#}");

    let speedscope = escope(&["export", &path, "--format=speedscope"]).success();
    assert_pure(&speedscope);
    assert!(
        speedscope.json()["name"]
            .as_str()
            .unwrap()
            .starts_with("ev")
    );

    let trace = escope(&["export", &path, "--format=chrome-trace"]).success();
    assert_pure(&trace);
    assert!(trace.json()["otherData"]["vm"].as_str() == Some(HOSTILE));

    assert_pure(&escope(&["check", &path]).success());
    #[cfg(feature = "query")]
    for format in ["table", "json"] {
        let query = [
            "query",
            &path,
            "--format",
            format,
            "select name from threads",
        ];
        assert_pure(&escope(&query).success());
    }
}

/// A path that is not there, an argument too many, as a shell may fill them in.
#[test]
fn what_is_refused() {
    let folder = temp_dir();
    let path = folder.path(&HOSTILE.replace('\0', ""));
    for command in ["report", "check", "flamegraph", "export"] {
        let output = escope(&[command, &path]);
        assert_ne!(output.code, Some(0), "{output:#?}");
        assert_pure(&output);
        let output = escope(&[command, "a", "b", &path]);
        assert_eq!(output.code, Some(2), "{output:#?}");
        assert_pure(&output);
    }
}

/// Any user of a machine can have a program run from a folder with such a name.
#[test]
fn a_process_in_a_folder_with_such_a_name() {
    let folder = temp_dir();
    let inside = folder.path("ev\u{1b}[2Jil\u{1b}[31m\u{9b}31m\u{202e}\n\rescope-bpf: forged");
    fs::create_dir(&inside).unwrap();
    // Waits for a line that never comes, and ends with us.
    let program = format!("{inside}/cat");
    fs::copy("/bin/cat", &program).unwrap();
    let mut cat = Command::new(&program);
    let mut cat = cat
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = cat.id().to_string();
    let record = escope(&["record", "-p", &pid, "-d", "1s"]);
    let others = [
        escope(&["snapshot", "-p", &pid]),
        escope(&["doctor", "-p", &pid]),
    ];
    drop(cat.stdin.take());
    assert!(cat.wait().unwrap().success());
    assert_eq!(record.code, Some(3), "{record:#?}");
    for output in others.iter().chain([&record]) {
        assert_pure(output);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains("ev\u{fffd}[2Jil"), "{output:#?}");
        let forged = text
            .lines()
            .filter(|line| line.starts_with("escope-bpf: forged"));
        assert_eq!(forged.count(), 0, "{output:#?}");
    }
}

/// A recording with such names wherever one is free.
fn hostile(folder: &Folder) -> String {
    let mut manifest = Manifest::default();
    manifest.target.pid = 7;
    manifest.target.node = Some(HOSTILE.to_owned());
    manifest.target.otp_release = Some(HOSTILE.to_owned());
    manifest.options.code_following = format!("polled: {HOSTILE}");
    small_recording(folder, manifest, HOSTILE)
}
