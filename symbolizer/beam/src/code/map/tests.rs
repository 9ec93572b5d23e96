use super::CodeMap;
use crate::code::ModuleCode;

fn module(name: &str, base: u64, size: u32) -> ModuleCode {
    let functions = [(0, size, "f".to_owned(), Some(0))];
    ModuleCode::from_functions(name, base, size, functions)
}

fn name(map: &mut CodeMap, address: u64, at_ns: u64) -> Option<String> {
    let located = map.locate(address, at_ns, |_, _| None, || true)?;
    Some(located.module.name.to_string())
}

#[test]
fn an_address_is_named_by_the_code_of_its_time() {
    let mut map = CodeMap::new();
    map.register(0x1000, 0x100, 10, (9, 9), Some(module("v1", 0x1000, 0x100)));
    map.register(0x1000, 0x80, 20, (9, 9), Some(module("v2", 0x1000, 0x80)));
    assert_eq!(name(&mut map, 0x1010, 15).as_deref(), Some("v1"));
    assert_eq!(name(&mut map, 0x1010, 20).as_deref(), Some("v2"));
    assert_eq!(name(&mut map, 0x10f0, 15).as_deref(), Some("v1"));
    assert_eq!(name(&mut map, 0x10f0, 25), None);
    assert_eq!(name(&mut map, 0x1010, 5), None);
}

#[test]
fn code_that_overlaps_from_below_is_superseded() {
    let mut map = CodeMap::new();
    map.register(
        0x1000,
        0x100,
        10,
        (9, 9),
        Some(module("old", 0x1000, 0x100)),
    );
    map.register(
        0x1080,
        0x100,
        20,
        (9, 9),
        Some(module("new", 0x1080, 0x100)),
    );
    assert_eq!(name(&mut map, 0x1010, 25), None);
    assert_eq!(name(&mut map, 0x1010, 19).as_deref(), Some("old"));
    assert_eq!(name(&mut map, 0x1090, 25).as_deref(), Some("new"));
}

#[test]
fn of_existing_code_the_newest_wins_and_is_read_once() {
    let mut map = CodeMap::new();
    map.add_existing(0x1000, 0x100, (1, 1));
    map.add_existing(0x1080, 0x100, (2, 2));
    assert_eq!(map.len(), 1);
    let mut reads = 0;
    for _ in 0..3 {
        let located = map.locate(
            0x1010,
            1,
            |_, _| {
                reads += 1;
                Some(module("m", 0x1000, 0x100))
            },
            || true,
        );
        assert!(located.is_some());
    }
    assert_eq!(reads, 1);
}

#[test]
fn a_blob_of_other_code_is_not_believed() {
    let mut map = CodeMap::new();
    map.add_existing(0x1000, 0x100, (1, 1));
    let located = map.locate(0x1010, 1, |_, _| Some(module("m", 0x7000, 0x100)), || true);
    assert!(located.is_none());
}

fn listed(entries: &[(u64, u64)]) -> CodeMap {
    let mut map = CodeMap::new();
    for &(start, blob) in entries {
        map.add_existing(start, 0x100, (blob, 8));
    }
    map
}

/// The module whose blob is in a place: named and hashed by it.
fn described(blob: u64, base: u64) -> ModuleCode {
    let mut module = module(&format!("blob{blob}"), base, 0x100);
    module.print = blob;
    module
}

#[test]
fn a_list_read_anew_replaces_what_changed_only() {
    let read = |blob, _| Some(described(blob, 0x2000));
    let at = |map: &mut CodeMap, ns| {
        map.locate(0x2010, ns, read, || true)
            .map(|l| l.module.name.to_string())
    };
    let mut map = listed(&[(0x1000, 1), (0x2000, 2)]);
    assert_eq!(at(&mut map, 30).as_deref(), Some("blob2"));
    let epoch = map.epoch();
    let unchanged = map.replace(listed(&[(0x1000, 1), (0x2000, 2)]), 40, 50, || 50, read);
    assert_eq!((unchanged, map.epoch()), (0, epoch));
    assert!(map.replace(listed(&[(0x1000, 1), (0x2000, 3)]), 50, 60, || 60, read) > 0);
    assert!(map.epoch() > epoch && map.changed_ns() == 60);
    assert_eq!(at(&mut map, 45).as_deref(), Some("blob2"));
    // It changed at some time in between.
    assert_eq!(at(&mut map, 55), None);
    assert_eq!(at(&mut map, 65).as_deref(), Some("blob3"));
    // Announced before the list was read: what followed it may have been lost.
    map.register(
        0x2000,
        0x100,
        58,
        (9, 9),
        Some(module("late", 0x2000, 0x100)),
    );
    assert_eq!(at(&mut map, 65).as_deref(), Some("blob3"));
    map.register(
        0x2000,
        0x100,
        70,
        (9, 9),
        Some(module("next", 0x2000, 0x100)),
    );
    assert_eq!(at(&mut map, 71).as_deref(), Some("next"));
}

#[test]
fn other_code_described_in_the_same_place_is_noticed() {
    let mut map = listed(&[(0x2000, 2), (0x3000, 3)]);
    let name = |map: &mut CodeMap, address: u64, ns, text: &str| {
        let mut read = module(text, address & !0xfff, 0x100);
        read.print = 1;
        let read = |_, _| Some(read);
        map.locate(address, ns, read, || true)
            .map(|l| l.module.name.to_string())
    };
    assert_eq!(name(&mut map, 0x2010, 5, "old").as_deref(), Some("old"));
    // Same addresses throughout, but the blob of the first is another one now; that of the
    // second was never read before.
    let now = |_, _| Some(module("new", 0x2000, 0x100));
    let changed = map.replace(listed(&[(0x2000, 2), (0x3000, 3)]), 10, 20, || 20, now);
    // Noticed both ways: it is gone, and it is there.
    assert_eq!(changed, 2);
    assert_eq!(name(&mut map, 0x2010, 5, "-").as_deref(), Some("old"));
    assert_eq!(name(&mut map, 0x2010, 15, "-"), None);
    assert_eq!(name(&mut map, 0x2010, 25, "-").as_deref(), Some("new"));
    assert_eq!(name(&mut map, 0x3010, 15, "-"), None);
    assert_eq!(name(&mut map, 0x3010, 25, "read").as_deref(), Some("read"));
    // The target is gone, and nobody will say what it ran since.
    map.end(30);
    assert_eq!(name(&mut map, 0x2010, 25, "-").as_deref(), Some("new"));
    assert_eq!(name(&mut map, 0x2010, 35, "-"), None);
}

#[test]
fn what_was_read_while_the_vm_went_on_is_not_believed() {
    let mut map = listed(&[(0x2000, 2)]);
    let read = |_, _| Some(module("read", 0x2000, 0x100));
    assert!(map.locate(0x2010, 1, read, || false).is_none());
    assert!(map.locate(0x2010, 1, read, || true).is_some());
    // Nor what is read after its successor was announced.
    let mut map = listed(&[(0x2000, 2)]);
    map.doubt(0x2080, 0x100);
    assert!(map.locate(0x2010, 1, read, || true).is_none());
}

#[test]
fn history_is_bounded_by_time() {
    let mut map = CodeMap::new();
    for second in 0..100u64 {
        let at = second * 1_000_000_000;
        map.register(0x1000, 0x100, at, (9, 9), Some(module("m", 0x1000, 0x100)));
    }
    assert!(map.history.len() <= 31);
}
