//! `record -- COMMAND`: what becomes of the command when there is nothing to record.

use std::fs;
use std::time::Duration;

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
    let script = format!("sleep 1000 & echo $! > {pidfile}; wait");
    let recorder = start(&["record", "-o", &path, "--", "sh", "-c", &script]);
    let child = loop {
        match fs::read_to_string(&pidfile)
            .unwrap_or_default()
            .trim()
            .parse::<u32>()
        {
            Ok(pid) => break pid,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    recorder.signal("INT");
    let output = recorder.finish(PATIENCE);
    output.refused(1);
    assert!(
        output.stderr.contains("nothing was recorded"),
        "{output:#?}"
    );
    // Gone, or dead and not yet reaped by whoever has adopted it.
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default().chars().next();
    assert!(matches!(state, None | Some('Z' | 'X')), "{stat}");
    assert!(!fs::exists(path).unwrap());
}
