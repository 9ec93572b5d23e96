//! Tables of where an OTP release keeps things, from the debug information of a build of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use escope_beam::Elf;
use escope_beam::layout::{Derived, Layout, Release, derive, differences};

use crate::commands::root;

/// What the user asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compare with the tables that are there instead of writing them
    #[arg(long)]
    check: bool,
    /// A table, named for the first version that it holds for, such as 25 or 25.3.2.11, and an
    /// ELF file with debug information of such a version: a beam.smp, its debug file, or an
    /// object file
    #[arg(required = true, value_name = "TABLE=FILE", value_parser = parse_source)]
    sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    table: String,
    path: PathBuf,
}

fn parse_source(text: &str) -> Result<Source, String> {
    let (table, path) = text.split_once('=').ok_or("give TABLE=FILE")?;
    let numbers = table.split('.').map(str::parse::<u16>);
    if numbers.clone().any(|number| number.is_err()) {
        return Err(format!("{table} is no version"));
    }
    Ok(Source {
        table: table.to_owned(),
        path: PathBuf::from(path),
    })
}

/// Writes the tables of the releases, or compares them.
///
/// # Errors
/// If a file does not say all that a table has, or, with `--check`, says something else.
pub fn run(args: &Args) -> Result<()> {
    let mut wrong = Vec::new();
    for source in &args.sources {
        let made = table(source).with_context(|| format!("{}", source.path.display()))?;
        let path = root().join(format!("symbolizer/beam/layouts/otp-{}.toml", source.table));
        let name = path.strip_prefix(root()).unwrap_or(&path).to_owned();
        if args.check {
            let there = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            match compare(&there, &made)? {
                None => println!("{}: as {} says", name.display(), source.path.display()),
                Some(what) => wrong.push(format!("{}: {what}", name.display())),
            }
        } else {
            fs::write(&path, &made)?;
            println!("{}: from {}", name.display(), source.path.display());
        }
    }
    if !wrong.is_empty() {
        bail!("not what the debug information says: {}", wrong.join("; "));
    }
    Ok(())
}

/// The text of a table.
fn table(source: &Source) -> Result<String> {
    let release = Release::of_table(&source.table).with_context(|| {
        format!(
            "the table {} is not in symbolizer/beam/layouts/releases.toml, which says what debug \
             information does not: see docs/NEW_OTP.md",
            source.table
        )
    })?;
    let file = File::open(&source.path)?;
    let derived = derive(file, release.otp, &release).map_err(|what| anyhow!(what))?;
    text(&source.path, &release, &derived)
}

fn text(path: &Path, release: &Release, derived: &Derived) -> Result<String> {
    let elf = Elf::open(path)?;
    let build = match elf.build_id() {
        Some(id) => format!("a beam.smp of it, build id {id}"),
        None => "an object file that includes them".to_owned(),
    };
    let Layout {
        otp, arch, status, ..
    } = &derived.layout;
    let mut out = format!(
        "# Where {versions} keeps what is read from outside.\n\
         # {arch}, default build options; offsets and sizes in bytes. Made by `cargo xtask layouts`: behind\n\
         # each value is the C declaration that it is of and what says so: DWARF or releases.toml; what\n\
         # was also seen right in a running VM is live. Source:\n",
        versions = release.versions,
    );
    for line in release.source.trim().lines() {
        writeln!(out, "# {line}")?;
    }
    writeln!(out, "# DWARF: {build}.\notp = {otp}")?;
    if let Some(erts) = &release.erts_from {
        writeln!(out, "erts_from = \"{erts}\"")?;
    }
    let status = status.word();
    writeln!(out, "arch = \"{arch}\"\nstatus = \"{status}\"")?;
    for section in &derived.sections {
        let name = section.section;
        write!(out, "\n# {}\n[{name}]\n", section.about)?;
        for value in &section.values {
            let is_said = release.value(&format!("{name}.{}", value.name)).is_some();
            let mut by = vec![if is_said { "releases.toml" } else { "DWARF" }];
            if release.is_live(name, value.name) {
                by.push("live");
            }
            let (field, datum, place) = (value.name, &value.value, &value.source);
            writeln!(out, "{field} = {datum}  # {place} ({})", by.join(", "))?;
        }
    }
    Ok(out)
}

/// How a table differs from what it should be. Its head names a build, which may be another one.
fn compare(there: &str, made: &str) -> Result<Option<String>> {
    let parse = |text: &str| Layout::parse(text).map_err(|what| anyhow!(what));
    let (is, should) = (parse(there)?, parse(made)?);
    let values = differences(&is, &should);
    if !values.is_empty() {
        return Ok(Some(values.join(", ")));
    }
    let body = |text: &'_ str| {
        let lines = text.lines().skip_while(|line| line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let same = body(there) == body(made);
    Ok((!same).then(|| "its comments or their order: make it anew".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Source, compare, parse_source};

    #[test]
    fn a_source_is_a_table_and_a_file() {
        for table in ["25", "25.3.2.11"] {
            let source = Source {
                table: table.to_owned(),
                path: "/a=b".into(),
            };
            assert_eq!(parse_source(&format!("{table}=/a=b")), Ok(source));
        }
        for text in ["25", "x=/a", "25.=/a", "../25=/a"] {
            assert!(parse_source(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_table_is_compared_by_all_but_its_head() {
        let table = include_str!("../../symbolizer/beam/layouts/otp-25.toml");
        let differs = |other: String| compare(table, &other).ok().flatten();
        assert_eq!(differs(table.to_owned()), None);
        assert_eq!(differs(format!("# another build\n{table}")), None);
        let value = differs(table.replacen("htop = 80", "htop = 88", 1));
        assert_eq!(value.as_deref(), Some("process.htop (80, not 88)"));
        assert!(differs(format!("{table}# more\n")).is_some());
    }
}
