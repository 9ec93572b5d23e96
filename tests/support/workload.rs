//! Erlang programs with known numbers: see `tests/beam/README.md`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::listen::lines;
use super::otp;

/// For building what a run needs, on a slow and busy machine.
const READY: Duration = Duration::from_secs(120);
/// For an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A VM that runs a workload. Dropping it kills it.
pub(crate) struct Workload {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    ready: Facts,
}

/// The `key=value` words of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The first word, if it is none of them.
    pub(crate) word: String,
    facts: BTreeMap<String, String>,
}

impl Facts {
    /// Takes a line apart.
    pub(crate) fn parse(line: &str) -> Facts {
        let mut facts = Facts::default();
        for word in line.split(' ') {
            match word.split_once('=') {
                Some((key, value)) => drop(facts.facts.insert(key.to_owned(), value.to_owned())),
                None => word.clone_into(&mut facts.word),
            }
        }
        facts
    }

    /// The line that it was, its words in order of their keys.
    pub(crate) fn line(&self) -> String {
        let facts = self
            .facts
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        facts.collect::<Vec<_>>().join(" ")
    }

    /// A value.
    #[track_caller]
    pub(crate) fn text(&self, key: &str) -> &str {
        let value = self.facts.get(key);
        value.unwrap_or_else(|| panic!("no fact {key} in {self:?}"))
    }

    /// A value, if there is one.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// A value that is a number.
    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> i64 {
        self.text(key).parse().unwrap()
    }
}

/// A text that is told in hexadecimal.
#[track_caller]
pub(crate) fn unhex(digits: &str) -> String {
    let bytes = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    String::from_utf8(bytes).unwrap()
}

impl Workload {
    /// Starts `erl` with the module and waits until everything is built and nothing runs.
    #[track_caller]
    pub(crate) fn start(module: &str, erl_args: &[&str], env: &[(&str, &str)]) -> Workload {
        Workload::start_by(otp::erl(), module, erl_args, env)
    }

    /// The same by another `erl`.
    #[track_caller]
    pub(crate) fn start_by(
        mut command: Command,
        module: &str,
        erl_args: &[&str],
        env: &[(&str, &str)],
    ) -> Workload {
        command
            .args(erl_args)
            .arg("-noinput")
            .arg("-pa")
            .arg(otp::visible(beam_folder()))
            .args(["-s", module, "main"])
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut workload = Workload {
            stdin: child.stdin.take(),
            lines: lines(child.stdout.take().unwrap()),
            ready: Facts::default(),
            child,
        };
        workload.ready = workload.expect("ready", READY);
        assert_eq!(workload.ready.number("pid"), i64::from(workload.pid()));
        workload
    }

    /// The VM's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that all its threads have used: fields 14 and 15 of proc_pid_stat(5).
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, after) = stat.rsplit_once(')').unwrap();
        let fields = after.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Waits until it has used so much more, however busy the machine is.
    pub(crate) fn works(&self, time: Duration) {
        let until = self.cpu_time() + time;
        while self.cpu_time() < until {
            sleep(Duration::from_millis(50));
        }
    }

    /// Sends the VM a signal, such as `STOP`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// What it said when it was ready.
    pub(crate) fn ready(&self) -> &Facts {
        &self.ready
    }

    /// Starts the workers and returns once each has begun.
    #[track_caller]
    pub(crate) fn go(&mut self) -> Facts {
        self.send_line("go");
        self.expect("running", ANSWER)
    }

    /// What the workers have counted so far.
    #[track_caller]
    pub(crate) fn count(&mut self) -> Facts {
        self.send_line("count");
        self.expect("counted", ANSWER)
    }

    /// Stops the workers: the lines with facts, and the last one with the counts.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> (Vec<Facts>, Facts) {
        self.send_line("stop");
        self.stop_told()
    }

    /// The same where they first do what they have begun, which takes at most so long.
    #[track_caller]
    pub(crate) fn stop_within(&mut self, time: Duration) -> (Vec<Facts>, Facts) {
        self.send_line("stop");
        self.done_within(time)
    }

    /// The same after `stop` was said already.
    #[track_caller]
    pub(crate) fn stop_told(&mut self) -> (Vec<Facts>, Facts) {
        self.done_within(ANSWER)
    }

    #[track_caller]
    fn done_within(&mut self, time: Duration) -> (Vec<Facts>, Facts) {
        let mut facts = Vec::new();
        loop {
            let line = Facts::parse(&self.read_line(time));
            if line.word == "done" {
                return (facts, line);
            }
            facts.push(line);
        }
    }

    /// Asks it to end, and waits for that.
    #[track_caller]
    pub(crate) fn quit(mut self) -> ExitStatus {
        self.send_line("quit");
        self.stdin = None;
        while self.lines.recv_timeout(ANSWER).is_ok() {}
        self.child.wait().unwrap()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Says something to it.
    #[track_caller]
    pub(crate) fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Its next line.
    #[track_caller]
    pub(crate) fn read_line(&self, patience: Duration) -> String {
        let line = self.lines.recv_timeout(patience);
        line.unwrap_or_else(|error| panic!("the workload says nothing: {error}"))
    }

    #[track_caller]
    fn expect(&self, word: &str, patience: Duration) -> Facts {
        let line = self.read_line(patience);
        let facts = Facts::parse(&line);
        assert_eq!(facts.word, word, "{line}");
        facts
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder with the compiled modules; made once, whoever comes first.
fn beam_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let folder = target.join("test-beam");
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let sources = sources();
        let stamp = folder.join("compiled");
        let compiled = stamp.metadata().and_then(|stamp| stamp.modified()).ok();
        let newest = sources.iter().map(|source| modified(source)).max();
        if compiled.is_none() || compiled < newest {
            compile(&sources, &folder);
            File::create(&stamp).unwrap();
        }
        folder
    })
}

fn modified(file: &Path) -> SystemTime {
    file.metadata().unwrap().modified().unwrap()
}

/// `workload.erl` first: the others are checked against its behaviour.
fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/beam");
    let mut sources = Vec::new();
    for folder in [folder.clone(), folder.join("nif")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|ending| ending == "erl" || ending == "c")
            {
                sources.push(path);
            }
        }
    }
    sources.sort_by_key(|path| (!path.ends_with("workload.erl"), path.clone()));
    sources
}

fn compile(sources: &[PathBuf], folder: &Path) {
    let (erlang, c): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|path| path.extension().is_some_and(|ending| ending == "erl"));
    for modules in [&erlang[..1], &erlang[1..]] {
        let mut erlc = Command::new("erlc");
        erlc.arg("-pa")
            .arg(folder)
            .arg("-o")
            .arg(folder)
            .args(modules);
        assert!(erlc.status().unwrap().success(), "{erlc:?}");
    }
    let ask = "io:put_chars(filename:join([code:root_dir(), \"usr\", \"include\"])), halt().";
    let said = Command::new("erl")
        .args(["-noinput", "-eval", ask])
        .output();
    let headers = String::from_utf8(said.unwrap().stdout).unwrap();
    // Only the workload with native functions needs them.
    if !Path::new(&headers).join("erl_nif.h").is_file() {
        return;
    }
    for source in c {
        let library = folder
            .join(source.file_stem().unwrap())
            .with_extension("so");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-g0", "-fPIC", "-shared", "-fomit-frame-pointer"])
            .args(["-I", &headers, "-o"])
            .arg(library)
            .arg(source);
        assert!(cc.status().unwrap().success(), "{cc:?}");
    }
}
