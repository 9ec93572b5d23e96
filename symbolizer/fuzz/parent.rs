//! Watches workers, and keeps what they find.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use escope_symbolizer::fuzz::Target;

use super::mutate::{Seeds, case};

/// A case takes milliseconds; this is for a busy machine.
const CASE_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// Of one target: the first ones are to be mended first.
const FINDINGS_MAX: usize = 5;

/// Runs each target for its share of the time; how many findings there are.
pub(crate) fn run(targets: &[Target], time: Duration, seed: u64) -> io::Result<usize> {
    let share = time / u32::try_from(targets.len()).unwrap_or(1).max(1);
    let folder = std::env::temp_dir().join(format!("escope-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("seed {seed}");
    let mut found = 0;
    for target in targets {
        let result = one(target, share, seed, &folder);
        if let Err(error) = &result {
            eprintln!("{}: {error}", target.name);
        }
        found += result.unwrap_or(1);
    }
    fs::remove_dir_all(&folder)?;
    println!("{found} findings");
    Ok(found)
}

fn one(target: &Target, time: Duration, seed: u64, folder: &Path) -> io::Result<usize> {
    let seeds = Seeds::of(target);
    let end = Instant::now() + time;
    let (mut first, mut found) = (0, 0);
    while Instant::now() < end && found < FINDINGS_MAX {
        let (number, how) = watch(target, seed, first, end, folder)?;
        first = number + 1;
        let Some(how) = how else { continue };
        if matches!(&how, How::Ended(status, _) if status.code() == Some(2)) {
            return Err(io::Error::other("its worker cannot run"));
        }
        found += 1;
        let path = keep(target, &case(&seeds, seed, number))?;
        println!("{}: case {number} {how}\n  {}", target.name, path.display());
    }
    println!("{}: {first} cases, {found} findings", target.name);
    Ok(found)
}

/// Why a worker was given up.
enum How {
    Stuck,
    Ended(ExitStatus, String),
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Stuck => write!(f, "takes more than {CASE_MAX:?}"),
            How::Ended(status, said) => write!(f, "ends it ({status}): {said}"),
        }
    }
}

/// Lets a worker run until the time is up or it finds something: the case that it was at.
fn watch(
    target: &Target,
    seed: u64,
    first: u64,
    end: Instant,
    folder: &Path,
) -> io::Result<(u64, Option<How>)> {
    let (progress, stderr) = (folder.join("progress"), folder.join("stderr"));
    fs::write(&progress, first.to_le_bytes())?;
    let mut child = Worker(
        Command::new(std::env::current_exe()?)
            .args(["worker", target.name])
            .args([seed.to_string(), first.to_string()])
            .arg(&progress)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr)?)
            .spawn()?,
    );
    let file = File::open(&progress)?;
    let (mut at, mut since) = (first, Instant::now());
    loop {
        sleep(LOOK);
        let ended = child.0.try_wait()?;
        let mut number = [0; 8];
        file.read_exact_at(&mut number, 0)?;
        let number = u64::from_le_bytes(number);
        if number != at {
            (at, since) = (number, Instant::now());
        }
        if let Some(status) = ended {
            let said = fs::read_to_string(&stderr)?;
            let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
            let said = said.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            return Ok((at, Some(How::Ended(status, said))));
        }
        if since.elapsed() > CASE_MAX {
            return Ok((at, Some(How::Stuck)));
        }
        if Instant::now() > end {
            return Ok((at, None));
        }
    }
}

/// A worker. Dropping it ends it.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // Our own child: the number is its until it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Puts a finding into the corpus.
fn keep(target: &Target, bytes: &[u8]) -> io::Result<PathBuf> {
    let folder = target.folder();
    fs::create_dir_all(&folder)?;
    // FNV-1a: names must differ, no more.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("found-{hash:016x}"));
    fs::write(&path, bytes)?;
    Ok(path)
}
