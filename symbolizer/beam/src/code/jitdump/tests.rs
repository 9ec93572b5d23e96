//! Dumps that are whole, broken, growing.

use std::io::Write;

use super::{DumpError, DumpFollower, read_jitdump};

fn header(flags: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [0x4a69_5444u32, 1, 40, 62, 0, 99] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(5u64.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes
}

fn record(id: u32, time: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((16 + body.len() as u32).to_le_bytes());
    bytes.extend(time.to_le_bytes());
    bytes.extend(body);
    bytes
}

fn load(time: u64, start: u64, size: u64, name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [99 << 32 | 99, start, start, size, 1] {
        body.extend(u64::to_le_bytes(number));
    }
    body.extend(name.as_bytes());
    body.push(0);
    body.extend(vec![0xcc; size as usize]);
    record(0, time, &body)
}

fn lines(start: u64, lines: &[(u64, u32, &str)]) -> Vec<u8> {
    let mut body = start.to_le_bytes().to_vec();
    body.extend((lines.len() as u64).to_le_bytes());
    for (address, line, file) in lines {
        body.extend(address.to_le_bytes());
        body.extend(line.to_le_bytes());
        body.extend(0u32.to_le_bytes());
        body.extend(file.as_bytes());
        body.push(0);
    }
    record(2, 0, &body)
}

fn dump() -> Vec<u8> {
    [
        header(0),
        load(7, 0x1000, 0x10, "m::codeHeader"),
        load(8, 0x1010, 0x20, "m:f/1-CodeInfoPrologue"),
        lines(
            0x1030,
            &[
                (0x1034, 12, "m.erl"),
                (0x1040, 13, "m.hrl"),
                (0x1060, 0, ""),
            ],
        ),
        load(9, 0x1030, 0x30, "m:f/1"),
        load(10, 0x1060, 0x8, "m::codeFooter"),
    ]
    .concat()
}

#[test]
fn records_become_modules_with_times_and_lines() {
    let read = read_jitdump(dump().as_slice(), |_, _| true).expect("a dump");
    assert_eq!((read.ranges, read.nonsense, read.outside), (4, 0, 0));
    let [piece] = read.pieces.as_slice() else {
        panic!("{read:?}");
    };
    let module = &piece.module;
    assert_eq!(piece.at_ns, 7);
    assert_eq!(
        (&*module.name, module.base, module.size),
        ("m", 0x1000, 0x68)
    );
    let function = module.function_at(0x41).expect("a function");
    assert_eq!((&*function.name, function.arity), ("f", Some(1)));
    assert_eq!(module.line_at(function, 0x41), Some(("m.hrl".into(), 13)));
    assert_eq!(module.line_at(function, 0x35), Some(("m.erl".into(), 12)));
    assert_eq!(module.line_at(function, 0x30), None);
}

#[test]
fn what_makes_no_sense_is_counted_and_read_over() {
    let mut bytes = dump();
    bytes.extend(record(9, 1, b"what is this"));
    bytes.extend(record(0, 1, b"too short"));
    bytes.extend(record(2, 1, b"too short as well"));
    bytes.extend(load(11, u64::MAX, 2, "n::codeHeader"));
    bytes.extend(load(11, 0x9000, 2, "n::codeHeader"));
    bytes.extend(load(12, 0x2000, 8, "n::codeHeader"));
    let whole = bytes.len();
    bytes.extend(load(13, 0x2008, 8, "n:f/0"));
    for cut in whole + 1..bytes.len() {
        let read = read_jitdump(&bytes[..cut], |_, last| last < 0x8000).expect("a dump");
        assert_eq!((read.ranges, read.nonsense, read.outside), (5, 5, 1));
    }
    // A size that cannot be: nothing behind it is found.
    bytes.extend([0; 16]);
    bytes.extend(load(14, 0x2010, 8, "n:g/0"));
    let read = read_jitdump(bytes.as_slice(), |_, last| last < 0x8000).expect("a dump");
    assert_eq!((read.ranges, read.nonsense, read.pieces.len()), (6, 5, 2));
}

#[test]
fn a_dump_is_followed_as_it_grows() {
    let path = std::env::temp_dir().join(format!("escope-dump-{}", std::process::id()));
    let whole = [dump(), dump()[40..].to_vec()].concat();
    let mut found = Vec::new();
    let mut written = std::fs::File::create(&path).expect("a file");
    written.write_all(&whole[..40]).expect("room");
    let file = std::fs::File::open(&path).expect("a file");
    let mut follower = DumpFollower::new(file).expect("a dump");
    for part in whole[40..].chunks(7) {
        written.write_all(part).expect("room");
        found.extend(follower.poll().expect("readable"));
    }
    std::fs::remove_file(&path).expect("ours");
    let read = read_jitdump(whole.as_slice(), |_, _| true).expect("a dump");
    assert_eq!(found, read.pieces);
    assert_eq!(found.len(), 2);
    assert_eq!(follower.state.pieces.nonsense, 0);
}

#[test]
fn times_of_the_processor_are_none_of_ours() {
    let mut bytes = header(1);
    bytes.extend(&dump()[40..]);
    let read = read_jitdump(bytes.as_slice(), |_, _| true).expect("a dump");
    assert_eq!(read.pieces[0].at_ns, 0);
}

#[test]
fn other_files_are_refused() {
    let mut swapped = header(0);
    swapped[..4].reverse();
    for bytes in [&swapped[..], &header(0)[..39], b""] {
        let read = read_jitdump(bytes, |_, _| true);
        assert!(matches!(read, Err(DumpError::Header)), "{read:?}");
    }
}

proptest::proptest! {
    /// Any change of any byte gives entries and a count, or a refusal.
    #[test]
    fn any_bytes_are_read(changes in proptest::collection::vec((0usize..600, proptest::num::u8::ANY), 0..20), cut in 0usize..700) {
        let mut bytes = dump();
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut);
        if let Ok(read) = read_jitdump(bytes.as_slice(), |_, _| true) {
            proptest::prop_assert!(read.ranges <= 4 && read.nonsense <= 30);
        }
    }
}
