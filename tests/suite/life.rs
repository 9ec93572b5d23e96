//! A VM at any moment of its life: starting, ending, held up while it ends. It is read, or
//! refused with what is the matter; nothing else.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Output, escope, otp, temp_dir};

const PATIENCE: Duration = Duration::from_secs(30);

/// A VM that does this and then ends; killed when it is dropped.
struct Vm(Child);

impl Vm {
    fn start(program: &str) -> Vm {
        let mut erl: Command = otp::erl();
        let child = erl
            .args(["-noinput", "-eval", program])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Vm(child.unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Done, or refused because there is no VM yet, or none any more.
#[track_caller]
fn is_sound(output: &Output) {
    if output.code == Some(0) {
        return;
    }
    output.refused(3);
    let reasons = ["is no BEAM", "starting", "ended", "no process with pid"];
    let told = reasons.iter().any(|reason| output.stderr.contains(reason));
    assert!(told, "{output:#?}");
}

#[test]
fn a_vm_that_starts_and_ends() {
    live!();
    let folder = temp_dir();
    let (mut read, mut recorded) = (0, 0);
    for step in 0..30 {
        let vm = Vm::start("timer:sleep(60), halt().");
        // Not a wait for anything: each round looks at another moment.
        sleep(Duration::from_millis(step * 8));
        let output = escope(&["snapshot", "-p", &vm.pid()]);
        is_sound(&output);
        read += u32::from(output.code == Some(0));
        drop(vm);

        let vm = Vm::start("timer:sleep(60), halt().");
        sleep(Duration::from_millis(step * 8));
        let path = folder.path(&format!("{step}.escope"));
        let output = escope(&[
            "record",
            "-p",
            &vm.pid(),
            "-d",
            "5s",
            "-F",
            "999",
            "-o",
            &path,
        ]);
        is_sound(&output);
        if output.code == Some(0) {
            recorded += 1;
            assert!(output.stderr.contains("the target ended"), "{output:#?}");
            escope(&["check", &path]).success();
        }
    }
    assert!(read > 3 && recorded > 3, "{read} read, {recorded} recorded");
}

/// `halt` waits until its output is taken, and nobody takes it.
#[test]
fn a_vm_that_cannot_end() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let vm = Vm::start(
        "P = open_port({fd, 0, 1}, [out]), port_command(P, binary:copy(<<120>>, 8000000)), halt(0).",
    );
    let end = Instant::now() + PATIENCE;
    loop {
        let output = escope(&["snapshot", "-p", &vm.pid(), "--format", "json"]);
        is_sound(&output);
        if output
            .stdout
            .contains("\"current_function\":\"erlang:halt/")
        {
            break;
        }
        assert!(Instant::now() < end, "it does not halt: {}", output.stderr);
    }
    let output = escope(&["record", "-p", &vm.pid(), "-d", "1s", "-o", &path]).success();
    assert!(output.stderr.contains("time is up"), "{output:#?}");
    escope(&["check", &path]).success();
}
