//! Finding out what VM it is and where its things are: the surest way first.

use std::path::Path;

use super::debug_file::{self, DebugFile};
use super::dwarf;
use super::globals::Globals;
use super::proof;
use super::releases::{Build, Release};
use super::scan;
use super::symbols;
use super::tables::{table_for_erts, unknown};
use super::{Given, Layout, Status};
use crate::BeamError;
use crate::code::{Emulator, read_emulator};
use crate::memory::Memory;
use crate::target::Elf;

/// How often a VM is looked through.
const SCANS: usize = 8;

/// What was found, and how.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) otp_release: String,
    pub(crate) erts_version: String,
    pub(crate) layout: Layout,
    /// What the layout is of, in a few words.
    pub(crate) source: String,
    pub(crate) globals: Globals,
    pub(crate) emulator: Emulator,
    /// Each step and its outcome, one line each.
    pub(crate) notes: Vec<String>,
}

/// The target, as far as its file and memory map tell.
pub(crate) struct Target<'a, M> {
    pub(crate) pid: u32,
    /// Its executable, as it names it.
    pub(crate) exe: &'a Path,
    /// Where that can be read.
    pub(crate) file: &'a Path,
    pub(crate) elf: &'a Elf,
    pub(crate) bias: u64,
    pub(crate) memory: &'a M,
    /// What is to be used before anything else.
    pub(crate) given: &'a Given,
}

/// Goes up the ladder.
///
/// # Errors
/// What was looked for and what was found instead.
pub(crate) fn climb<M: Memory>(target: &Target<'_, M>) -> Result<Found, BeamError> {
    let mut notes = Vec::new();
    let (debug, found) = debug_file::find(target)?;
    let elf = match debug.as_ref().and_then(|debug| debug.elf.as_ref()) {
        Some(debug) => &target.elf.with_symbols_of(debug),
        None => target.elf,
    };
    let own = target.elf;
    let target = &Target { elf, ..*target };
    let (otp_release, erts_version) = target.release(&mut notes)?;
    notes.push(found);
    let (layout, source) =
        target.layout(&otp_release, &erts_version, debug.as_ref(), &mut notes)?;
    if let Some(beamasm) = target.address("etp_beamasm")
        && target.memory.u32(beamasm)? != 1
    {
        return Err(BeamError::NoJit { pid: target.pid });
    }
    let globals = target.globals(&layout, own, &mut notes)?;
    let emulator = target.emulator(&globals, &layout)?;
    target.compare_code(&globals, &layout, &mut notes)?;
    Ok(Found {
        otp_release,
        erts_version,
        layout,
        source,
        globals,
        emulator,
        notes,
    })
}

/// The first few of many.
fn shortened(all: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl<M: Memory> Target<'_, M> {
    fn address(&self, symbol: &str) -> Option<u64> {
        let symbol = self.elf.symbol(symbol)?;
        Some(symbol.address.wrapping_add(self.bias))
    }

    /// OTP release and ERTS version.
    fn release(&self, notes: &mut Vec<String>) -> Result<(String, String), BeamError> {
        let symbols = (
            self.address("etp_otp_release"),
            self.address("etp_erts_version"),
        );
        if let (Some(release), Some(version)) = symbols {
            notes.push("release: by its symbols".into());
            let read = |at| self.memory.c_string(at, 32);
            return Ok((read(release)?, read(version)?));
        }
        let found = scan::release(self.elf.constants());
        let found = found.ok_or_else(|| self.refuse(&["etp_otp_release"]))?;
        notes.push("release: by what its messages say, it has no symbols".into());
        Ok(found)
    }

    /// Where the release keeps things, and what says so: what the user gives; for a build that
    /// was seen running, its release's table; debug information of this very build; the table.
    fn layout(
        &self,
        release: &str,
        erts: &str,
        debug: Option<&DebugFile>,
        notes: &mut Vec<String>,
    ) -> Result<(Layout, String), BeamError> {
        if let Some(given) = &self.given.layout {
            let source = format!("a table that was given, of OTP {}", given.otp);
            notes.push(format!("layout: {source}"));
            return Ok((given.clone(), source));
        }
        let table = table_for_erts(release, erts);
        let build = self.elf.build_id().and_then(Build::of);
        if self.given.debug_info.is_none()
            && let (Some(build), Some(table)) = (build, &table)
            && build.otp == table.otp
        {
            let package = &build.package;
            notes.push(format!("layout: build id known: {package}, verified"));
            return Ok((table.clone(), format!("the table of build {package}")));
        }
        let mut unfit = None;
        if let Some(debug) = debug {
            match self.by_debug_info(debug, (release, erts), table.as_ref(), notes) {
                Ok(layout) => return Ok((layout, format!("DWARF of {}", debug.path.display()))),
                Err(what) if self.given.debug_info.is_some() => {
                    let path = debug.path.clone();
                    return Err(BeamError::DebugInfo { path, what });
                }
                Err(what) => {
                    notes.push(format!("debug information: not used: {what}"));
                    unfit = Some(what);
                }
            }
        }
        let layout = table.ok_or_else(|| unknown(self.pid, release, erts, unfit))?;
        let source = format!("table of OTP {}", layout.otp);
        notes.push(format!(
            "layout: {source}{}",
            match layout.status {
                Status::Verified => "; this build of it is not among those that were seen running",
                Status::Unverified => ", which was not seen in a running VM yet",
            }
        ));
        Ok((layout, format!("the {source}")))
    }

    fn by_debug_info(
        &self,
        debug: &DebugFile,
        (release, erts): (&str, &str),
        table: Option<&Layout>,
        notes: &mut Vec<String>,
    ) -> Result<Layout, String> {
        let otp = release
            .parse()
            .map_err(|_| format!("OTP {release} is no number"))?;
        let known = Release::of(otp, erts);
        let known = known.ok_or_else(|| format!("nothing is known of OTP {otp}"))?;
        let dwarf::Derived { layout, absent, .. } = dwarf::derive(debug.open()?, otp, &known)?;
        let compared = table.map(|table| dwarf::differences(&layout, table));
        let compared = match compared.as_deref() {
            None => format!("there is no table of OTP {otp} to compare it with"),
            Some([]) => format!("the table of OTP {otp} says the same"),
            Some(differences) => format!(
                "the table of OTP {otp} differs and is not used: {}",
                shortened(differences)
            ),
        };
        notes.push(format!("layout: DWARF of this build; {compared}"));
        if known.otp != otp {
            let names: Vec<&str> = known.names().collect();
            notes.push(format!(
                "layout: taken from OTP {}, since no DWARF has it: {}",
                known.otp,
                names.join(", ")
            ));
            if !absent.is_empty() {
                notes.push(format!(
                    "layout: OTP {} has, and this DWARF lacks: {}",
                    known.otp,
                    absent.join(", ")
                ));
            }
        }
        Ok(layout)
    }

    /// `own` is the executable without the symbols of its debug information.
    fn globals(
        &self,
        layout: &Layout,
        own: &Elf,
        notes: &mut Vec<String>,
    ) -> Result<Globals, BeamError> {
        let missing = match symbols::find(self.elf, self.bias, layout) {
            Ok(globals) => {
                let more = match symbols::find(own, self.bias, layout) {
                    Ok(_) => "",
                    Err(_) => " and of its debug information",
                };
                notes.push(format!("globals: symbols of {}{more}", self.exe.display()));
                return Ok(globals);
            }
            Err(missing) => missing,
        };
        let mut scanned = scan::find(self.memory, self.elf, self.bias, layout)?;
        for _ in 1..SCANS {
            if scanned.is_ok() {
                break;
            }
            // A VM that loads code all the time changes its lists while they are looked at.
            scanned = scan::find(self.memory, self.elf, self.bias, layout)?;
        }
        match scanned {
            Ok(globals) => {
                notes.push(format!(
                    "globals: found by their structure, since {} has no symbols",
                    self.exe.display()
                ));
                for (what, found) in [
                    (
                        "the function that registers code",
                        globals.jit_register.is_some(),
                    ),
                    ("the table of BIFs", globals.bifs.is_some()),
                    ("the node's name", globals.this_node.is_some()),
                    (
                        "the main loop of dirty schedulers",
                        globals.dirty_main.is_some(),
                    ),
                ] {
                    if !found {
                        notes.push(format!("not found: {what}"));
                    }
                }
                Ok(globals)
            }
            Err(_) if missing.len() < symbols::NEEDED => Err(self.refuse(&missing)),
            Err(unseen) => Err(self.refuse(&unseen)),
        }
    }

    /// What the JIT says of the emulator. Symbols, where there are any, must agree.
    fn emulator(&self, globals: &Globals, layout: &Layout) -> Result<Emulator, BeamError> {
        let starting = BeamError::Starting {
            pid: self.pid,
            what: "its first JIT code",
        };
        let emulator = read_emulator(self.memory, globals.jit_descriptor)?.ok_or(starting)?;
        if let Some(normal_exit) = self.address("beam_normal_exit") {
            let said = self.memory.u64(normal_exit)?;
            if said != emulator.normal_exit {
                return Err(BeamError::SelfCheck {
                    pid: self.pid,
                    otp: layout.otp,
                    what: format!(
                        "its symbols say that processes end at {said:#x}, its JIT {:#x}",
                        emulator.normal_exit
                    ),
                });
            }
        }
        Ok(emulator)
    }

    /// The VM's own code must not contradict the table.
    fn compare_code(
        &self,
        globals: &Globals,
        layout: &Layout,
        notes: &mut Vec<String>,
    ) -> Result<(), BeamError> {
        let code = scan::fragment(self.memory, globals.jit_descriptor, "process_main");
        let (_, code) = code.unwrap_or_default();
        let confirmed = proof::by_code(&code, layout).map_err(|what| BeamError::SelfCheck {
            pid: self.pid,
            otp: layout.otp,
            what,
        })?;
        notes.push(match confirmed.as_slice() {
            [] => "not checked: its code does not show where fields lie".to_owned(),
            fields => format!(
                "checked: its code has {} where the table has them",
                fields.join(", ")
            ),
        });
        Ok(())
    }

    fn refuse(&self, missing: &[&str]) -> BeamError {
        let name = self.exe.file_name().and_then(|name| name.to_str());
        let (pid, exe) = (self.pid, self.exe.to_owned());
        if !name.is_some_and(|name| name.starts_with("beam")) {
            return BeamError::NotBeam { pid, exe };
        }
        BeamError::MissingSymbols {
            pid,
            exe,
            missing: missing.join(", "),
        }
    }
}
