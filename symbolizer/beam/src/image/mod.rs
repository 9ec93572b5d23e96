//! A VM in a file: what was read of it, and nothing else.
//!
//! For tests that need a VM of a release without running one. The bytes are described in
//! `docs/image.md`.

mod format;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::code::CodeMap;
use crate::layout::{Globals, Layout, recognise};
use crate::memory::{Image, Memory, Recording};
use crate::snapshot::{SnapshotOptions, snapshot};
use crate::stack::JitRanges;
use crate::vm::Parts;
use crate::{BeamError, Ran, Vm};

pub use format::ImageError;

/// What is known of a VM besides its memory: enough to read it again without finding it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The OS process that it was.
    pub pid: u32,
    /// The executable, as it saw it.
    pub exe: String,
    /// The executable's build id.
    pub build_id: Option<String>,
    /// OTP release, such as `25`.
    pub otp_release: String,
    /// ERTS version, such as `13.1.5`.
    pub erts_version: String,
    /// Where its global variables were.
    pub globals: Globals,
    /// Where JIT code could lie: starts and ends.
    pub jit: Vec<(u64, u64)>,
    /// Where processes were that ran when it died.
    #[serde(default)]
    pub ran: Ran,
    /// How all of that was found.
    pub notes: Vec<String>,
}

/// A VM in a file.
#[derive(Debug, Clone)]
pub struct VmImage {
    /// What is known of it.
    pub facts: Facts,
    /// Its memory, as far as it was read.
    pub memory: Image,
}

/// A larger file holds more than an image may, however well it was packed.
const FILE_BYTES_MAX: u64 = 1 << 27;

impl VmImage {
    /// Reads an image.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<VmImage, BeamError> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| BeamError::NoFile {
                path: path.to_owned(),
                what: error.to_string(),
            })?;
        VmImage::parse(&bytes).map_err(|error| BeamError::BadFile {
            path: path.to_owned(),
            what: error.to_string(),
        })
    }

    /// Reads the bytes of an image.
    ///
    /// # Errors
    /// When they are none. Any bytes give an image or an error, in bounded memory.
    pub fn parse(bytes: &[u8]) -> Result<VmImage, ImageError> {
        format::parse(bytes)
    }

    /// Makes an image of what is read when a VM is proved and its processes are read; and says
    /// how many bytes changed meanwhile, so that they are of no single instant.
    ///
    /// # Errors
    /// As of [`Vm::attach`], and when processes cannot be read.
    pub fn of<M: Memory>(vm: Vm<M>, options: SnapshotOptions) -> Result<(VmImage, u64), BeamError> {
        let facts = vm.facts();
        let memory = Recording::new(vm.memory);
        let mut vm = Vm::known(facts.clone(), memory, Some(&vm.layout))?;
        let mut code = CodeMap::new();
        vm.read_code(&mut code)?;
        snapshot(&vm, &mut code, options)?;
        let (memory, changed) = vm.memory.into_image();
        Ok((VmImage { facts, memory }, changed))
    }

    /// Reads the payload of an image, which its checksum protects otherwise.
    ///
    /// # Errors
    /// When it is none.
    #[cfg(feature = "fuzz")]
    pub(crate) fn parse_payload(bytes: &[u8]) -> Result<VmImage, ImageError> {
        format::parse_payload(bytes)
    }

    /// The payload of this image.
    ///
    /// # Errors
    /// When it is larger than images may be.
    #[cfg(feature = "fuzz")]
    pub(crate) fn to_payload(&self) -> Result<Vec<u8>, ImageError> {
        format::to_payload(self)
    }

    /// The bytes of this image.
    ///
    /// # Errors
    /// When it is larger than images may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ImageError> {
        format::to_bytes(self)
    }

    /// The VM, proved to read right.
    ///
    /// # Errors
    /// As of [`Vm::attach`].
    pub fn vm(self, layout: Option<&Layout>) -> Result<Vm<Image>, BeamError> {
        Vm::known(self.facts, self.memory, layout)
    }
}

impl<M: Memory> Vm<M> {
    /// What is known of this VM besides its memory.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            pid: self.pid,
            exe: self.exe.display().to_string(),
            build_id: self.build_id.clone(),
            otp_release: self.otp_release.clone(),
            erts_version: self.erts_version.clone(),
            globals: self.globals.clone(),
            jit: self.jit.ranges().to_vec(),
            ran: self.ran.clone(),
            notes: self.certainty.notes.clone(),
        }
    }

    /// A VM that was understood before, proved once more in the memory that is there.
    ///
    /// # Errors
    /// As of [`Vm::understand`].
    pub fn known(facts: Facts, memory: M, layout: Option<&Layout>) -> Result<Vm<M>, BeamError> {
        let found = recognise(&facts, &memory, layout)?;
        let mut vm = Vm::of(Parts {
            pid: facts.pid,
            exe: facts.exe.into(),
            build_id: facts.build_id,
            jit_register_file_offset: None,
            jit: JitRanges::new(facts.jit),
            memory,
            found,
        })?;
        vm.ran = facts.ran;
        vm.settle()?;
        Ok(vm)
    }
}
