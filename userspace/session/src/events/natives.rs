//! The BIFs and NIFs whose calls are recorded: where their probes go, and what they are called.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::probes::{NativeFunction, NativeKind, find_natives};
use escope_capture::NativeSite;
use escope_model::FrameId;
use escope_symbolizer::Symbolizer;
use escope_wire::{NO_REGISTER, native_call};

use super::silence::NativeSeen;
use crate::SessionError;
use crate::options::WantedNatives;

/// They have numbers, from 0.
#[derive(Debug, Default)]
pub(super) struct Natives {
    all: Vec<Native>,
}

#[derive(Debug)]
struct Native {
    found: NativeFunction,
    returns: bool,
    /// Returns were asked for.
    times: bool,
    /// As of rows, once it was called.
    frame: Option<FrameId>,
}

impl Natives {
    /// Finds those that are asked for.
    ///
    /// # Errors
    /// When one of them is not there or cannot be watched, or there are too many.
    pub(super) fn find(vm: &Vm, wanted: &WantedNatives) -> Result<Natives, SessionError> {
        if wanted.names.is_empty() {
            return Ok(Natives::default());
        }
        let found = find_natives(vm, &wanted.names)?;
        if found.len() > native_call::FUNCTIONS_MAX {
            return Err(SessionError::TooManyNatives {
                count: found.len(),
                limit: native_call::FUNCTIONS_MAX,
            });
        }
        let all = found.into_iter().map(|found| Native {
            returns: wanted.times && found.return_offset.is_some(),
            times: wanted.times,
            frame: None,
            found,
        });
        Ok(Natives { all: all.collect() })
    }

    /// What they are called, as reports have it.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.all.iter().map(|native| native.found.mfa.to_string());
        names.collect()
    }

    /// What will be seen of each: nothing yet.
    pub(super) fn seen(&self) -> Vec<NativeSeen> {
        let seen = self.all.iter().map(|native| NativeSeen {
            name: native.found.mfa.to_string(),
            returns: native.returns,
            ..NativeSeen::default()
        });
        seen.collect()
    }

    /// Of each, whether its returns are watched.
    pub(super) fn returns(&self) -> Vec<bool> {
        self.all.iter().map(|native| native.returns).collect()
    }

    /// Where their probes go.
    pub(super) fn sites(&self, frame_pointers: bool) -> Vec<NativeSite> {
        let sites = self.all.iter().enumerate().map(|(number, native)| {
            let found = &native.found;
            let register = |register: Option<u8>| register.map_or(NO_REGISTER, u32::from);
            let mut flags = (number as u32) << native_call::FUNCTION_SHIFT
                | register(found.frame) << 4
                | register(found.code);
            if found.kind == NativeKind::Bif {
                flags |= native_call::BIF;
            }
            if frame_pointers {
                flags |= native_call::FRAME_POINTERS;
            }
            NativeSite {
                file: found.file.clone(),
                file_offset: found.site_offset,
                flags,
                returns_of: found.return_offset.filter(|_| native.returns),
            }
        });
        sites.collect()
    }

    /// What of their calls cannot be seen.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for Native {
            found,
            returns,
            times,
            ..
        } in &self.all
        {
            let mfa = &found.mfa;
            if found.inlined {
                notes.push(format!(
                    "calls of {mfa} where the JIT has instructions of its own for it, which is \
                     mostly: only those are there that came to its C function"
                ));
            }
            if *times && !returns {
                notes.push(format!(
                    "how long calls of {mfa} took: in its C function nothing that the kernel emulates \
                     comes before the stack is used, and another probe costs the VM 10 us a call"
                ));
            }
            if let [first, rest @ ..] = &found.others[..] {
                let more = match rest.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                notes.push(format!(
                    "calls of {mfa} apart from those of {first}{more}: they share a C function"
                ));
            }
        }
        notes
    }

    /// A function as a frame.
    pub(super) fn frame<M: Memory>(
        &mut self,
        number: u32,
        symbolizer: &mut Symbolizer<M>,
    ) -> Option<FrameId> {
        let native = self.all.get_mut(number as usize)?;
        let is_nif = native.found.kind == NativeKind::Nif;
        let mfa = &native.found.mfa;
        Some(
            *native
                .frame
                .get_or_insert_with(|| symbolizer.native_function(mfa, is_nif)),
        )
    }
}
