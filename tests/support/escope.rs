//! The program under test.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::listen::lines;
use super::{Facts, Folder, Workload};

/// Longer than any command takes that is not told to wait.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Results.
    pub(crate) stdout: String,
    /// Everything else.
    pub(crate) stderr: String,
}

impl Output {
    /// The output of a command that succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Output {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Checks that it ended with this code, one clear sentence and no result.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        let sentence = self.stderr.trim_end();
        assert!(sentence.starts_with("escope-bpf: "), "{self:#?}");
        assert!(sentence.len() > 30, "it says too little: {self:#?}");
        for noise in ["panicked", "Os {", "Some(", "\\n"] {
            assert!(!sentence.contains(noise), "{self:#?}");
        }
    }

    /// Checks that it was used wrongly: one sentence about that, and how to use it.
    #[track_caller]
    pub(crate) fn misused(&self, about: &str) {
        assert_eq!(self.code, Some(2), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        let first = self.stderr.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("error: ") && first.contains(about),
            "{self:#?}"
        );
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs `escope-bpf` to its end.
#[track_caller]
pub(crate) fn escope(args: &[&str]) -> Output {
    start(args).finish(PATIENCE)
}

/// Records a workload that runs, and returns the recording's path.
#[track_caller]
pub(crate) fn recorded(vm: &Workload, seconds: u64, frequency: u32, folder: &Folder) -> String {
    let path = folder.path("test.escope");
    let (pid, duration) = (vm.pid().to_string(), format!("{seconds}s"));
    let frequency = frequency.to_string();
    let args = [
        "record", "-p", &pid, "-d", &duration, "-F", &frequency, "-o", &path,
    ];
    let patience = Duration::from_secs(seconds) + PATIENCE;
    start(&args).finish(patience).success();
    path
}

/// Records all that a workload does from its begin to its end, with every event that is asked for.
/// Returns its lines, the last one apart, and what was said of the recording.
#[track_caller]
pub(crate) fn record_all(
    vm: &mut Workload,
    path: &str,
    asked: &[&str],
) -> (Vec<Facts>, Facts, Output) {
    let pid = vm.pid().to_string();
    let args = ["record", "-p", &pid, "--max-overhead", "off", "-o", path];
    let mut recorder = start(&[&args, asked].concat());
    recorder.wait_for("recording", PATIENCE);
    vm.go();
    let (lines, done) = vm.stop();
    recorder.signal("INT");
    (lines, done, recorder.finish(PATIENCE).success())
}

/// Starts `escope-bpf`.
pub(crate) fn start(args: &[&str]) -> Running {
    start_under(&[], args)
}

/// Starts `escope-bpf` by a command that runs the command behind its own arguments.
pub(crate) fn start_under(wrapper: &[&str], args: &[&str]) -> Running {
    start_whole(&[wrapper, &[env!("CARGO_BIN_EXE_escope-bpf")], args].concat())
}

/// Starts a command that is or becomes `escope-bpf`.
pub(crate) fn start_whole(whole: &[&str]) -> Running {
    let mut child = Command::new(whole[0])
        .args(&whole[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running {
        stdout: lines(child.stdout.take().unwrap()),
        stderr: lines(child.stderr.take().unwrap()),
        heard: String::new(),
        child,
    }
}

/// A running `escope-bpf`. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    heard: String,
}

impl Running {
    /// Waits until a line on stderr has this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str, patience: Duration) {
        let end = Instant::now() + patience;
        loop {
            match self.stderr.recv_timeout(left(end)) {
                Ok(line) => {
                    self.heard += &format!("{line}\n");
                    if line.contains(text) {
                        return;
                    }
                }
                Err(error) => panic!("waiting for {text:?}: {error}; heard {:?}", self.heard),
            }
        }
    }

    /// Its next line on stdout, which its output is without then.
    #[track_caller]
    pub(crate) fn read_line(&self, patience: Duration) -> String {
        let line = self.stdout.recv_timeout(patience);
        line.unwrap_or_else(|error| panic!("no line: {error}; heard {:?}", self.heard))
    }

    /// Waits until it ends or has said something, at most so long; whether it still runs.
    pub(crate) fn runs_on(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.stderr.recv_timeout(left(end)) {
                Ok(line) => self.heard += &format!("{line}\n"),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Sends it a signal, such as `STOP`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// What it has said on stderr.
    pub(crate) fn heard(&self) -> &str {
        &self.heard
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self, patience: Duration) -> Output {
        let end = Instant::now() + patience;
        let stderr = std::mem::take(&mut self.heard) + &rest(&self.stderr, end);
        let stdout = rest(&self.stdout, end);
        Output {
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

#[track_caller]
fn rest(stream: &Receiver<String>, end: Instant) -> String {
    let mut text = String::new();
    loop {
        match stream.recv_timeout(left(end)) {
            Ok(line) => text += &format!("{line}\n"),
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far: {text:?}"),
        }
    }
}
