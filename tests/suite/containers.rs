//! VMs that are not simply a program of root's on this host's files: another user's, one whose
//! binary was replaced by an upgrade, one whose files only it can see.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use escope_model::{FrameKind, Sample};
use escope_recording::Recording;

use crate::support::{Folder, escope, is_system_otp, start_whole, temp_dir};

const PATIENCE: Duration = Duration::from_secs(60);

/// Busy for as long as it is wanted in a BIF that calls a C function with a name.
const BUSY: &str = "F = fun F(B) -> erlang:md5(B), F(B) end, \
    spawn(fun() -> F(binary:copy(<<7>>, 20000)) end).";

/// Nobody's.
const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// A VM that runs `BUSY`; dropping it kills it.
struct Vm(Child);

impl Vm {
    /// Starts `command`, which becomes a VM.
    fn start(mut command: Command) -> Vm {
        let child = command
            .args(["-noinput", "-eval", BUSY])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Vm(child.unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Until it can be read.
    fn await_start(&self) {
        let end = Instant::now() + PATIENCE;
        while escope(&["snapshot", "-p", &self.pid()]).code != Some(0) {
            assert!(Instant::now() < end, "it does not start");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The emulator's own folder, copied: with it `erlexec` runs what is in the copy.
fn copied_emulator(folder: &str) -> Command {
    let ask = "io:put_chars(filename:join(code:root_dir(), \"erts-\" ++ erlang:system_info(version))), halt().";
    let said = Command::new("erl")
        .args(["-noinput", "-eval", ask])
        .output();
    let erts = String::from_utf8(said.unwrap().stdout).unwrap();
    let root = Path::new(&erts).parent().unwrap().to_owned();
    let copied = Command::new("cp")
        .args(["-r", &format!("{erts}/bin"), folder])
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(format!("{folder}/bin/erlexec"));
    command
        .env("ROOTDIR", root)
        .env("BINDIR", format!("{folder}/bin"))
        .env("EMU", "beam")
        .env("PROGNAME", "erl");
    command
}

/// A recording that names Erlang's and the emulator's functions.
#[track_caller]
fn is_named(path: &str) {
    let recording = Recording::open(Path::new(path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let samples: Vec<Sample> = recording.samples().unwrap().map(Result::unwrap).collect();
    assert!(samples.len() > 30, "{} samples", samples.len());
    let has = |sample: &Sample, kind: FrameKind, part: &str| {
        dictionary.stack(sample.stack).iter().any(|&id| {
            let frame = dictionary.frame(id).unwrap();
            frame.kind == kind && frame.function.contains(part)
        })
    };
    let share = |kind, part| {
        let found = samples.iter().filter(|sample| has(sample, kind, part));
        found.count() as f64 / samples.len() as f64
    };
    let bif = share(FrameKind::Bif, "md5");
    assert!(bif > 0.3, "{bif} of the samples are in the BIF");
    let c = share(FrameKind::Native, "MD5Update");
    assert!(
        c > 0.5 * bif,
        "{c} of the samples name its C function, {bif} the BIF"
    );
}

fn record(pid: &str, folder: &Folder) -> String {
    let path = folder.path("test.escope");
    let args = ["record", "-p", pid, "-d", "2s", "-F", "499", "-o", &path];
    escope(&args).success();
    path
}

#[test]
fn another_users_vm() {
    live!();
    if !is_system_otp() {
        return;
    }
    let folder = temp_dir();
    let mut command = Command::new(NOBODY[0]);
    command.args(&NOBODY[1..]).arg("erl").env("HOME", "/");
    let vm = Vm::start(command);
    vm.await_start();
    is_named(&record(&vm.pid(), &folder));

    // Its owner may read it as well, but load no programs.
    let open_to_all = tempfile::tempdir().unwrap();
    let program = open_to_all.path().join("escope-bpf");
    fs::copy(env!("CARGO_BIN_EXE_escope-bpf"), &program).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(open_to_all.path(), mode).unwrap();
    let nobody = |args: &[&str]| {
        let program = [program.to_str().unwrap()];
        let whole = [&NOBODY[..], &["env", "-C", "/"], &program, args].concat();
        start_whole(&whole).finish(PATIENCE)
    };
    let read = nobody(&["snapshot", "-p", &vm.pid()]).success();
    assert!(read.stdout.contains("code_server"), "{read:#?}");
    nobody(&["record", "-p", &vm.pid(), "-o", "/tmp/never.escope"]).refused(3);
    let mine = Vm::start(Command::new("erl"));
    mine.await_start();
    let refused = nobody(&["snapshot", "-p", &mine.pid()]);
    refused.refused(3);
    assert!(refused.stderr.contains("sudo"), "{refused:#?}");
}

/// An upgrade has put another file where the VM's was.
#[test]
fn a_replaced_binary() {
    live!();
    if !is_system_otp() {
        return;
    }
    let folder = temp_dir();
    let vm = Vm::start(copied_emulator(&folder.path("")));
    vm.await_start();
    let binary = folder.path("bin/beam.smp");
    fs::copy("/bin/ls", folder.path("bin/new")).unwrap();
    fs::rename(folder.path("bin/new"), &binary).unwrap();
    let doctor = escope(&["doctor", "-p", &vm.pid()]).success();
    assert!(doctor.stdout.contains("deleted"), "{doctor:#?}");
    is_named(&record(&vm.pid(), &folder));
}

/// Its binary lies in a file system that only it has.
#[test]
fn a_mount_namespace() {
    live!();
    if !is_system_otp() {
        return;
    }
    let folder = temp_dir();
    let (here, there) = (folder.path("here"), folder.path("there"));
    fs::create_dir_all(&here).unwrap();
    fs::create_dir_all(&there).unwrap();
    let emulator = copied_emulator(&here);
    let script = format!(
        "mount -t tmpfs none {there} && cp -r {here}/bin {there}/ && exec {there}/bin/erlexec \"$@\""
    );
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", &script, "sh"]);
    for (name, value) in emulator.get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("BINDIR", format!("{there}/bin"));
    let outer = Vm::start(command);
    // By the number that it has in there, then by the one that it has here.
    let end = Instant::now() + PATIENCE;
    while escope(&["snapshot", "--container-pid", "1"]).code != Some(0) {
        assert!(Instant::now() < end, "it does not start");
        sleep(Duration::from_millis(50));
    }
    assert!(!fs::exists(format!("{there}/bin")).unwrap());
    let path = folder.path("inner.escope");
    let args = ["-d", "2s", "-F", "499", "-o", &path];
    escope(&[&["record", "--container-pid", "1"], &args[..]].concat()).success();
    is_named(&path);
    let outer_pid = outer.pid();
    let children = format!("/proc/{outer_pid}/task/{outer_pid}/children");
    let children = fs::read_to_string(children).unwrap();
    is_named(&record(children.trim(), &folder));
}
