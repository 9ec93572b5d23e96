use super::CoreFile;
use crate::memory::Memory;

/// A note as `CORE` has them.
fn note(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend(5u32.to_le_bytes());
    note.extend((data.len() as u32).to_le_bytes());
    note.extend(kind.to_le_bytes());
    note.extend(b"CORE\0\0\0\0");
    note.extend(data);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A core with one thread, a dumped piece, and one that is left to the executable.
pub(super) fn core() -> Vec<u8> {
    let mut status = vec![0; 336];
    status[12] = 11;
    status[32..36].copy_from_slice(&77u32.to_le_bytes());
    status[112 + 8 * 16..][..8].copy_from_slice(&0x5008u64.to_le_bytes());
    let mut psinfo = vec![0; 136];
    psinfo[24..28].copy_from_slice(&76u32.to_le_bytes());
    let mut files = words(&[1, 4096, 0x5000, 0x6000, 2]);
    files.extend(b"/lib/beam.smp\0");
    let notes = [
        note(1, &status),
        note(3, &psinfo),
        note(6, &words(&[9, 0x5010, 0, 0])),
        note(0x4649_4c45, &files),
    ]
    .concat();
    let header = |kind: u32, flags: u32, fields: [u64; 5]| {
        let mut header = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
        header.extend(words(&[
            fields[0], fields[1], 0, fields[2], fields[3], fields[4],
        ]));
        header
    };
    let start = 64 + 3 * 56;
    let data = start + notes.len() as u64;
    let mut core = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    core.resize(16, 0);
    core.extend([4, 0, 62, 0, 1, 0, 0, 0]);
    core.extend(words(&[0, 64, 0]));
    core.extend([0, 0, 0, 0, 64, 0, 56, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    core.extend(header(4, 0, [start, 0, notes.len() as u64, 0, 4]));
    core.extend(header(1, 6, [data, 0x1000, 64, 64, 1]));
    core.extend(header(1, 5, [data + 64, 0x5000, 0, 0x1000, 1]));
    core.extend(notes);
    core.extend(words(&[7; 8]));
    core
}

#[test]
fn a_core_tells_who_died_and_where() {
    let core = CoreFile::parse(&core()).expect("a core");
    assert_eq!((core.pid, core.signal), (76, 11));
    assert_eq!(core.threads[0].tid, 77);
    assert_eq!(core.threads[0].ip, 0x5008);
    assert_eq!(core.exe.to_str(), Some("/lib/beam.smp"));
    let mappings = core.mappings();
    assert_eq!(mappings.len(), 2);
    assert_eq!(mappings[0].file_offset, 0x2000);
    assert_eq!(mappings[0].path, "/lib/beam.smp");
    assert_eq!(core.missing_bytes, 0);
    let memory = core.memory(None).expect("memory");
    assert_eq!(memory.u64(0x1038).ok(), Some(7));
    assert!(memory.u64(0x1039).is_err());
    assert!(memory.u64(0x5000).is_err(), "it is in the executable");
}

#[test]
fn a_core_that_is_cut_says_how_much_is_missing() {
    let whole = core();
    let cut = CoreFile::parse(&whole[..whole.len() - 24]).expect("most of a core");
    assert_eq!(cut.missing_bytes, 24);
    let memory = cut.memory(None).expect("memory");
    assert_eq!(memory.u64(0x1020).ok(), Some(7));
    assert!(memory.u64(0x1028).is_err());
    for end in 0..whole.len() - 64 {
        if let Err(error) = CoreFile::parse(&whole[..end]) {
            let said = error.to_string();
            assert!(said.starts_with("cannot understand core: it "), "{said}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_change_gives_an_answer(at in 0usize..1000, with: [u8; 8], cut in 0usize..1000) {
        let mut bytes = core();
        let at = at % (bytes.len() - 8);
        bytes[at..at + 8].copy_from_slice(&with);
        bytes.truncate(bytes.len().saturating_sub(cut / 4));
        if let Ok(core) = CoreFile::parse(&bytes) {
            let _ = (core.mappings(), core.build_id());
        }
    }
}
