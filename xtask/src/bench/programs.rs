//! The programs of `benches/beam`, compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::commands::{find, root, run_to_end};

const ERLANG: [&str; 5] = [
    "bench_load.erl",
    "bench_modules.erl",
    "bench_ring.erl",
    "bench_watch.erl",
    "bench_work.erl",
];

/// Where they lie.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Compiles those in Erlang into a folder.
    pub(super) fn compile(folder: &Path) -> Result<Programs> {
        let sources = root().join("benches/beam");
        let instrumented = folder.join("instrumented");
        fs::create_dir_all(&instrumented)
            .with_context(|| format!("cannot make {}", instrumented.display()))?;
        let mut compile = Command::new("erlc");
        compile.arg("-o").arg(folder);
        run_to_end(compile.args(ERLANG.map(|name| sources.join(name))))?;
        let mut compile = Command::new("erlc");
        compile.arg("-DINSTRUMENTED").arg("-o").arg(&instrumented);
        run_to_end(compile.arg(sources.join("bench_work.erl")))?;
        Ok(Programs {
            folder: folder.to_owned(),
        })
    }

    /// Folders of code for a VM, Elixir's too if that is wanted.
    pub(super) fn code_path(&self, elixir: bool) -> Result<Vec<PathBuf>> {
        let mut folders = vec![self.folder.clone()];
        if elixir {
            folders.push(self.elixir()?);
        }
        Ok(folders)
    }

    /// Copies those in Erlang into the root folder of another release; where they are there.
    pub(super) fn within(&self, release: &Path) -> Result<PathBuf> {
        const INSIDE: &str = "bench";
        if !release.join("complete").exists() {
            bail!("{} is not there: cargo xtask otp", release.display());
        }
        let folder = release.join(INSIDE);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for name in ERLANG {
            let name = Path::new(name).with_extension("beam");
            fs::copy(self.folder.join(&name), folder.join(&name))
                .with_context(|| format!("cannot copy {}", name.display()))?;
        }
        Ok(Path::new("/").join(INSIDE))
    }

    /// A program of `tests/beam`; where it is.
    pub(super) fn of_tests(&self, module: &str) -> Result<PathBuf> {
        let sources = root().join("tests/beam");
        let folder = self.folder.join("tests");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // The others are checked against its behaviour.
        for name in ["workload", module] {
            let source = sources.join(name).with_extension("erl");
            let mut compile = Command::new("erlc");
            run_to_end(
                compile
                    .arg("-pa")
                    .arg(&folder)
                    .arg("-o")
                    .arg(&folder)
                    .arg(source),
            )?;
        }
        Ok(folder)
    }

    /// The version of `bench_work` that writes what it does to `bench_ring`.
    pub(super) fn instrumented(&self) -> PathBuf {
        self.folder.join("instrumented/bench_work.beam")
    }

    /// Compiles the one in Elixir; where Elixir's own modules are.
    fn elixir(&self) -> Result<PathBuf> {
        if find("elixirc").is_none() {
            bail!("there is no elixirc: apt install elixir");
        }
        let source = root().join("benches/beam/bench_elixir.ex");
        let mut compile = Command::new("elixirc");
        run_to_end(compile.arg("-o").arg(&self.folder).arg(source))?;
        let output = Command::new("elixir")
            .args(["--eval", "IO.puts(:code.lib_dir(:elixir))"])
            .output()
            .context("cannot run elixir")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Path::new(text.trim()).join("ebin"))
    }
}
