//! `record -- COMMAND`: what becomes of the command when there is nothing to record.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{escope, start, temp_dir};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_command_that_ends_or_never_was() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let output = escope(&["record", "-o", &path, "--", "true"]);
    output.refused(1);
    assert!(
        output.stderr.contains("true ended (exit status: 0)"),
        "{output:#?}"
    );
    let output = escope(&["record", "-o", &path, "--", "/no/such/command"]);
    output.refused(1);
    assert_eq!(
        output.stderr.matches("No such file").count(),
        1,
        "{output:#?}"
    );
    assert!(folder.listing().is_empty());
}

#[test]
fn a_taken_path_starts_no_command() {
    live!();
    let folder = temp_dir();
    let (taken, trace) = (folder.path("taken.escope"), folder.path("trace"));
    fs::write(&taken, "mine").unwrap();
    escope(&["record", "-o", &taken, "--", "touch", &trace]).refused(1);
    assert!(!fs::exists(trace).unwrap());
}

#[test]
fn an_impatient_user_leaves_nothing_running() {
    live!();
    let folder = temp_dir();
    let (path, pidfile) = (folder.path("test.escope"), folder.path("pid"));
    // One that does not listen, below a parent that is gone.
    let stubborn = format!("trap '' TERM INT; echo $$ > {pidfile}; while :; do sleep 1000; done");
    let script = format!("sh -c \"{}\" & exit 0", stubborn.replace('$', "\\$"));
    let recorder = start(&["record", "-o", &path, "--", "sh", "-c", &script]);
    let end = Instant::now() + PATIENCE;
    let child = loop {
        let text = fs::read_to_string(&pidfile).unwrap_or_default();
        if let Ok(pid) = text.trim().parse::<u32>() {
            break pid;
        }
        assert!(Instant::now() < end, "the command does not start");
        sleep(Duration::from_millis(10));
    };
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE);
    output.refused(1);
    assert!(
        output.stderr.contains("nothing was recorded"),
        "{output:#?}"
    );
    assert!(!fs::exists(format!("/proc/{child}")).unwrap());
    assert!(!fs::exists(path).unwrap());
}
