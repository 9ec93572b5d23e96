//! A VM of OTP 25 as an image of its memory.

use std::path::PathBuf;

use escope_beam::layout::{Globals, table_for};
use escope_beam::memory::Image;
use escope_beam::stack::JitRanges;
use escope_beam::{AtomTable, Certainty, PidPrinter, Ran, Vm, read_executable_mappings};
use escope_model::Mfa;
use escope_symbolizer::Symbolizer;

use super::code::{BIF_COUNT, BIFS, CODE, Code, DESCRIPTOR, NORMAL_EXIT};

const ATOM_TABLE: u64 = 0x4000_0000_0000;
const ATOM_SEGMENTS: u64 = 0x4000_0000_1000;
const ATOM_SEGMENT: u64 = 0x4000_0000_2000;
const ATOMS: u64 = 0x4000_0001_0000;
/// The VM maps JIT code in few, large blocks.
const BLOCK: u64 = 8 << 20;

/// Atoms that samples refer to, by index.
pub(super) const ATOM_COUNT: usize = 600;

/// The term of an atom.
pub(super) fn atom(index: usize) -> u64 {
    (index as u64) << 6 | 0x0b
}

/// A VM's memory and what lies where in it.
pub(crate) struct World {
    image: Image,
    pub(super) code: Code,
}

impl World {
    /// A VM with that many modules loaded.
    pub(crate) fn new(modules: usize) -> World {
        let mut image = Image::new();
        let code = Code::write(&mut image, modules);
        write_atoms(&mut image);
        World { image, code }
    }

    /// A symbolizer that has read the VM's code list and this process's mappings.
    pub(crate) fn symbolizer(&self) -> Symbolizer<Image> {
        let mut symbolizer = Symbolizer::new(self.vm());
        symbolizer.read_code().expect("a list of code");
        let mappings = read_executable_mappings(std::process::id()).expect("our own mappings");
        symbolizer.update_mappings(mappings);
        symbolizer
    }

    fn vm(&self) -> Vm<Image> {
        let layout = table_for("25").expect("a layout");
        let blocks = (CODE..self.code.end).step_by(BLOCK as usize);
        Vm {
            // C code is this process's own.
            pid: std::process::id(),
            memory: self.image.clone(),
            atoms: AtomTable::new(ATOM_TABLE, layout.atom.clone()),
            pids: PidPrinter::read(&self.image, 0, &layout).expect("no masks to read"),
            jit: JitRanges::new(blocks.map(|start| (start, start + BLOCK)).collect()),
            fragments: 0..0,
            layout,
            globals: Globals::of_image(ATOM_TABLE, 0, DESCRIPTOR),
            exe: PathBuf::new(),
            build_id: None,
            otp_release: "25".to_owned(),
            erts_version: "13".to_owned(),
            frame_pointers: false,
            normal_exit: NORMAL_EXIT,
            node: None,
            bifs: (0..BIF_COUNT).map(bif).collect(),
            dirty_main: None,
            jit_register_file_offset: None,
            certainty: Certainty {
                level: "verified",
                source: "the table of OTP 25".to_owned(),
                notes: Vec::new(),
            },
            ran: Ran::default(),
            files: escope_beam::ModuleFiles::default(),
            redaction: None,
        }
    }
}

fn bif(number: u64) -> (u64, Mfa) {
    let mfa = Mfa {
        module: "erlang".to_owned(),
        function: format!("bif_{number}"),
        arity: (number % 4) as u32,
    };
    (BIFS + 64 * number, mfa)
}

fn write_atoms(image: &mut Image) {
    let layout = table_for("25").expect("a layout").atom;
    let mut table = vec![0; 256];
    put(&mut table, layout.entries, ATOM_COUNT as u64);
    put(&mut table, layout.segments, ATOM_SEGMENTS);
    let addresses: Vec<u64> = (0..ATOM_COUNT as u64).map(|n| ATOMS + 128 * n).collect();
    image
        .map(ATOM_TABLE, table)
        .map_words(ATOM_SEGMENTS, &[ATOM_SEGMENT])
        .map_words(ATOM_SEGMENT, &addresses);
    for (number, &address) in addresses.iter().enumerate() {
        let name = format!("shop_atom_{number}");
        let mut bytes = vec![0; 64];
        put(&mut bytes, layout.length, name.len() as u64);
        put(&mut bytes, layout.name, address + 64);
        bytes.extend(name.as_bytes());
        image.map(address, bytes);
    }
}

/// Writes a word of a struct.
pub(super) fn put(bytes: &mut [u8], at: u32, word: u64) {
    let at = at as usize;
    bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
}
