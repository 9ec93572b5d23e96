//! Hostile input: what a target may hold, as functions of bytes. Each must end soon, in bounded
//! memory, without a panic, whatever the bytes are. `cargo xtask fuzz` and a test run them.

mod damage;
mod term;

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::LazyLock;

pub use term::{said, said_seeds, term, term_seeds};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::code::CodeMap;
use crate::code::jitdump::read_jitdump;
use crate::code::perf_map::read_perf_map;
use crate::image::{Facts, VmImage};
use crate::layout::{Given, Layout, Release, derive};
use crate::memory::{Image, Memory};
use crate::names::add_pieces;
use crate::said::Redaction;
use crate::snapshot::{MessageOptions, SnapshotOptions, snapshot};
use crate::target::{CoreFile, CoreThread, Elf, ExecutableMapping};
use crate::term::{Limits, Term};
use crate::vm::Source;
use crate::{AtomTable, Vm};

/// VMs of several releases, at rest.
static VMS: LazyLock<Vec<VmImage>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vm");
    ["otp-25", "otp-27", "otp-29"]
        .iter()
        .filter_map(|name| VmImage::open(&folder.join(format!("{name}.image"))).ok())
        .collect()
});

/// The bytes of an image, and of its payload.
pub fn image(bytes: &[u8]) {
    let images = [VmImage::parse(bytes), VmImage::parse_payload(bytes)];
    for image in images.into_iter().flatten() {
        if let Ok(mut vm) = image.vm(None) {
            use_all(&mut vm);
        }
    }
}

/// Images to begin with: their payloads, which no checksum protects.
#[must_use]
pub fn image_seeds() -> Vec<Vec<u8>> {
    VMS.iter()
        .filter_map(|image| image.to_payload().ok())
        .collect()
}

/// A term in the external format, as another node sends it, with limits of the first two bytes.
pub fn external(bytes: &[u8]) {
    let Some((&[depth, nodes], bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let limits = Limits {
        depth: usize::from(depth),
        nodes: usize::from(nodes) * 64,
        bytes: 4096,
    };
    if let Ok((term, _)) = Term::from_external(bytes, None, &limits) {
        let _ = (term.text(10_000), term.to_json(), term.to_external(None));
    }
}

/// Terms of each kind to begin with.
#[must_use]
pub fn external_seeds() -> Vec<Vec<u8>> {
    let terms: [&[u8]; 4] = [
        &[104, 3, 119, 2, b'o', b'k', 97, 1, 98, 255, 255, 255, 255],
        &[
            108, 0, 0, 0, 2, 107, 0, 1, 9, 70, 64, 0, 0, 0, 0, 0, 0, 0, 106,
        ],
        &[
            116, 0, 0, 0, 1, 109, 0, 0, 0, 1, 7, 110, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9,
        ],
        &[
            88, 119, 3, b'n', b'@', b'h', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
        ],
    ];
    let start = [20, 4, 131];
    terms.iter().map(|term| [&start, *term].concat()).collect()
}

/// The file of a module, for the names of fields of its records.
pub fn module_file(bytes: &[u8]) {
    Redaction::default().learn_from("m", || Some(bytes.to_vec()));
}

/// One with a record of one field, neither compressed.
#[must_use]
pub fn module_file_seeds() -> Vec<Vec<u8>> {
    let atom = |text: &str| [&[119, text.len() as u8], text.as_bytes()].concat();
    let tuple = |items: &[Vec<u8>]| [&[104, items.len() as u8][..], &items.concat()].concat();
    let list = |item: Vec<u8>| [&[108, 0, 0, 0, 1][..], &item, &[106]].concat();
    let line = || vec![97, 1];
    let name = tuple(&[atom("atom"), line(), atom("token")]);
    let field = tuple(&[atom("record_field"), line(), name]);
    let record = tuple(&[atom("state"), list(field)]);
    let form = tuple(&[atom("attribute"), line(), atom("record"), record]);
    let metadata = tuple(&[list(form), vec![106]]);
    let info = tuple(&[atom("debug_info_v1"), atom("erl_abstract_code"), metadata]);
    let length = (info.len() as u32 + 1).to_be_bytes();
    vec![[b"FOR1\0\0\0\0BEAMDbgi", &length[..], &[131], &info].concat()]
}

/// A VM whose memory was damaged, as `damage` has it, found and read as ever.
pub fn vm(bytes: &[u8]) {
    let Some((facts, memory)) = damaged(bytes) else {
        return;
    };
    if let Ok(mut vm) = Vm::known(facts, memory, None) {
        use_all(&mut vm);
    }
}

/// The same in a VM without symbols, whose data is looked through for what is known of it.
pub fn scan(bytes: &[u8]) {
    let Some((facts, memory)) = damaged(bytes) else {
        return;
    };
    let globals = &facts.globals;
    let known = [
        globals.atom_table,
        globals.process_table,
        globals.jit_descriptor,
        globals.bifs.map_or(globals.atom_table, |(table, _)| table),
    ];
    let (low, high) = known.iter().fold((u64::MAX, 0), |(low, high), &at| {
        (low.min(at), high.max(at))
    });
    let (start, end) = (low & !0xfff, (high & !0xfff).saturating_add(0x8000));
    // Of the whole segment an image has only what was needed.
    let Some(data) = usize::try_from(end - start)
        .ok()
        .filter(|&bytes| bytes < 1 << 20)
    else {
        return;
    };
    let mut data = vec![0; data];
    for (address, piece) in memory.pieces() {
        let at = address
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(place) = at.and_then(|at| data.get_mut(at..)) {
            let bytes = piece.len().min(place.len());
            if let (Some(place), Some(piece)) = (place.get_mut(..bytes), piece.get(..bytes)) {
                place.copy_from_slice(piece);
            }
        }
    }
    let code = 0x1000..0x3000;
    let mut whole = Image::new();
    for (address, piece) in memory.pieces() {
        if !(start..end).contains(&address) {
            whole.map(address, piece);
        }
    }
    whole.map(start, data).map(code.start, vec![0x90; 0x2000]);
    let constants = format!(
        "with an Erlang/OTP {} compiler\0emulator version {}\n",
        facts.otp_release, facts.erts_version
    );
    let elf = Elf::stripped(start..end, code.clone(), constants.into_bytes());
    let mapping = |start, end, path: &str| ExecutableMapping {
        start,
        end,
        file_offset: start,
        device: (0, 0),
        inode: 0,
        path: path.to_owned(),
    };
    let mut mappings = vec![mapping(code.start, code.end, "beam.smp")];
    mappings.extend(
        facts
            .jit
            .iter()
            .map(|&(start, end)| mapping(start, end, "")),
    );
    let found = Vm::understand(Source {
        pid: facts.pid,
        exe: "beam.smp".into(),
        elf: &elf,
        mappings: &mappings,
        memory: whole,
        file: "beam.smp".into(),
        given: &Given::default(),
    });
    if let Ok(mut vm) = found {
        use_all(&mut vm);
    }
}

fn damaged(bytes: &[u8]) -> Option<(Facts, Image)> {
    let (which, patches) = bytes.split_first()?;
    let vms = &*VMS;
    let vm = vms.get(usize::from(*which) % vms.len().max(1))?;
    Some((vm.facts.clone(), damage::apply(&vm.memory, patches)))
}

/// Damage to begin with: none, to each VM.
#[must_use]
pub fn vm_seeds() -> Vec<Vec<u8>> {
    (0..VMS.len() as u8)
        .map(|which| [vec![which], vec![0; 3 * damage::PATCH]].concat())
        .collect()
}

/// A core file, all of its memory, and the notes in it.
pub fn core(bytes: &[u8]) {
    let Ok(core) = CoreFile::parse(bytes) else {
        return;
    };
    let _ = core.build_id();
    let Ok(memory) = core.memory(None) else {
        return;
    };
    for mapping in core.mappings().iter().take(64) {
        let mut buffer = [0; 256];
        for at in [mapping.start, mapping.end.wrapping_sub(128)] {
            let _ = memory.read(at, &mut buffer);
        }
    }
}

/// An ELF file.
pub fn elf(bytes: &[u8]) {
    let Ok(elf) = Elf::from_bytes(bytes) else {
        return;
    };
    for address in [0, 0x1000, u64::MAX] {
        let _ = (elf.file_offset(address), elf.address_of(address));
    }
    let _ = (elf.writable().count(), elf.executable());
    let _ = (elf.function_starts(), elf.constants(), elf.build_id());
}

/// A perf map, as `+JPperf map` writes it.
pub fn perf_map(bytes: &[u8]) {
    if let Ok(pieces) = read_perf_map(bytes, |_, _| true) {
        add_pieces(&mut CodeMap::new(), &pieces);
    }
}

/// Maps to begin with.
#[must_use]
pub fn perf_map_seeds() -> Vec<Vec<u8>> {
    let map = "0x1000 10 $m::codeHeader\n0x1010 20 $m:f/1-CodeInfoPrologue\n0x1030 30 $m:f/1\n\
               0x1060 8 $m::codeFooter\n0x2000 40 $global::call_nif_shared\n";
    vec![map.into()]
}

/// A jitdump, as `+JPperf dump` writes it.
pub fn jitdump(bytes: &[u8]) {
    if let Ok(pieces) = read_jitdump(bytes, |_, _| true) {
        add_pieces(&mut CodeMap::new(), &pieces);
    }
}

/// Dumps to begin with: a header, lines, and the code that they are of.
#[must_use]
pub fn jitdump_seeds() -> Vec<Vec<u8>> {
    let words32 = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let words64 = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let parts: [Vec<u8>; 11] = [
        words32(&[0x4a69_5444, 1, 40, 62, 0, 7]),
        words64(&[1, 0]),
        words32(&[2, 16 + 16 + 2 * (16 + 6)]),
        words64(&[5, 0x1000, 2, 0x1010]),
        words32(&[3, 0]),
        b"m.erl\0".to_vec(),
        words64(&[0x1030]),
        [words32(&[0, 0]), b"m.erl\0".to_vec()].concat(),
        words32(&[0, 16 + 40 + 6 + 4]),
        [
            words64(&[6]),
            words32(&[7, 7]),
            words64(&[0x1000, 0x1000, 4, 0]),
        ]
        .concat(),
        b"m:f/1\0\x90\x90\x90\x90".to_vec(),
    ];
    vec![parts.concat()]
}

/// Debug information of an emulator.
pub fn debug_info(bytes: &[u8]) {
    let Ok(file) = memfd_create("debug", MemfdFlags::CLOEXEC) else {
        return;
    };
    let mut file = File::from(file);
    if let Some(release) = Release::of(27, "15.0")
        && file.write_all(bytes).is_ok()
        && file.rewind().is_ok()
    {
        let _ = derive(file, 27, &release);
    }
}

/// A table that a user gives.
pub fn table(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Layout::parse(text);
    }
}

/// Tables to begin with.
#[must_use]
pub fn table_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../layouts/otp-27.toml").to_vec()]
}

/// Everything that reads a VM which was believed.
fn use_all<M: Memory>(vm: &mut Vm<M>) {
    let threads = vm.schedulers().unwrap_or_default();
    let threads: Vec<CoreThread> = threads
        .iter()
        .zip([vm.normal_exit, 0].into_iter().cycle())
        .map(|(scheduler, ip)| CoreThread {
            tid: 1,
            signal: 0,
            ip,
            sp: 0,
            fs_base: scheduler.thread,
        })
        .collect();
    let _ = vm.find_running(&threads);
    let mut code = CodeMap::new();
    let options = SnapshotOptions {
        frames: 100_000,
        show: Some(MessageOptions {
            first: 1000,
            values: true,
        }),
        ..SnapshotOptions::all()
    };
    if vm.read_code(&mut code).is_ok() {
        let _ = snapshot(vm, &mut code, options);
    }
    let atoms = AtomTable::new(vm.globals.atom_table, vm.layout.atom.clone());
    let _ = atoms.find(&vm.memory, &["$initial_call", "no such atom"]);
    if let Ok((entries, _)) = vm.list_code(&mut code) {
        for entry in entries.iter().take(64) {
            let _ = (vm.call_site(entry.start), vm.called_bif(entry.start));
            let _ = vm.calls_fragment(entry.start);
        }
    }
}
