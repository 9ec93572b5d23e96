//! A VM that was found before, as an image has it: nothing is looked for, everything is proved.

use super::ladder::Found;
use super::tables::{table_for_erts, unknown};
use super::{Layout, proof, scan};
use crate::BeamError;
use crate::code::read_emulator;
use crate::image::Facts;
use crate::memory::Memory;

/// What the ladder would have found.
///
/// # Errors
/// When the release has no table, or the memory contradicts what is said of it.
pub(crate) fn recognise(
    facts: &Facts,
    memory: &impl Memory,
    given: Option<&Layout>,
) -> Result<Found, BeamError> {
    let pid = facts.pid;
    let table = given
        .cloned()
        .or_else(|| table_for_erts(&facts.otp_release, &facts.erts_version));
    let (release, erts) = (&facts.otp_release, &facts.erts_version);
    let layout = table.ok_or_else(|| unknown(pid, release, erts, None))?;
    let descriptor = facts.globals.jit_descriptor;
    let emulator = read_emulator(memory, descriptor)?.ok_or(BeamError::Starting {
        pid,
        what: "its first JIT code",
    })?;
    let code = scan::fragment(memory, descriptor, "process_main");
    let (_, code) = code.unwrap_or_default();
    proof::by_code(&code, &layout).map_err(|what| BeamError::SelfCheck {
        pid,
        otp: layout.otp,
        what,
    })?;
    Ok(Found {
        otp_release: facts.otp_release.clone(),
        erts_version: facts.erts_version.clone(),
        layout,
        globals: facts.globals.clone(),
        emulator,
        source: "the image".to_owned(),
        notes: vec!["globals: as they were found when the image was made".to_owned()],
    })
}
