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
    /// OTP release and an ELF file of it with debug information: a beam.smp, its debug file, or
    /// an object file
    #[arg(required = true, value_name = "RELEASE=FILE", value_parser = parse_source)]
    sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    otp: u16,
    path: PathBuf,
}

fn parse_source(text: &str) -> Result<Source, String> {
    let (otp, path) = text.split_once('=').ok_or("give RELEASE=FILE")?;
    let otp = otp.parse().map_err(|_| format!("{otp} is no release"))?;
    let path = PathBuf::from(path);
    Ok(Source { otp, path })
}

/// Writes the tables of the releases, or compares them.
///
/// # Errors
/// If a file does not say all that a table has, or, with `--check`, says something else.
pub fn run(args: &Args) -> Result<()> {
    let mut wrong = Vec::new();
    for source in &args.sources {
        let made = table(source).with_context(|| format!("{}", source.path.display()))?;
        let path = root().join(format!("symbolizer/beam/layouts/otp-{}.toml", source.otp));
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
    let otp = source.otp;
    let release = Release::of(otp).filter(|release| release.otp == otp);
    let release = release.with_context(|| {
        format!(
            "OTP {otp} is not in symbolizer/beam/layouts/releases.toml, which says what debug \
             information does not: see docs/NEW_OTP.md"
        )
    })?;
    let file = File::open(&source.path)?;
    let derived = derive(file, otp).map_err(|what| anyhow!(what))?;
    text(&source.path, &release, &derived)
}

fn text(path: &Path, release: &Release, derived: &Derived) -> Result<String> {
    let elf = Elf::open(path)?;
    let build = match elf.build_id() {
        Some(id) => format!("a beam.smp built from it, build id {id}"),
        None => "an object file".to_owned(),
    };
    let Layout {
        otp, arch, status, ..
    } = &derived.layout;
    let mut out = format!(
        "# Where OTP {otp} keeps what is read from outside; {arch}, default build options. Offsets and\n\
         # sizes in bytes. Made by `cargo xtask layouts`: behind each value is the C declaration that\n\
         # it is of and what says so: DWARF or releases.toml; what was also seen right in a running VM\n\
         # is live. Source: {package}, the same as {tag} of erlang/otp.\n\
         # DWARF: {build}.\n\
         otp = {otp}\narch = \"{arch}\"\nstatus = \"{status}\"\n",
        tag = release.tag,
        package = release.package,
        status = status.word(),
    );
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
    fn a_source_is_a_release_and_a_file() {
        let source = Source {
            otp: 25,
            path: "/a=b".into(),
        };
        assert_eq!(parse_source("25=/a=b"), Ok(source));
        assert!(parse_source("25").is_err());
        assert!(parse_source("x=/a").is_err());
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
