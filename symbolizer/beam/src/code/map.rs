//! Which code was at an address at a time.
//!
//! The VM reuses the addresses of purged code at once, so an address alone has no name. Each
//! registration ends the life of everything it overlaps; superseded code is kept for as long
//! as samples from before may still arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blob::{Function, ModuleCode};

/// Superseded code is forgotten after this: samples are resolved within a fraction of it.
const HISTORY_NS: u64 = 30_000_000_000;

/// Where the names of a piece of code come from.
#[derive(Debug, Clone)]
enum Names {
    /// Not read yet: the blob's address and size.
    Pending(u64, u64),
    Known(Arc<ModuleCode>),
    /// They could not be read.
    Lost,
}

#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    end: u64,
    from_ns: u64,
    until_ns: u64,
    /// Address and size of the blob that describes it.
    blob: (u64, u64),
    names: Names,
}

/// What is at an address.
#[derive(Debug, Clone)]
pub struct Located {
    /// The module.
    pub module: Arc<ModuleCode>,
    /// Offset from the module's base.
    pub offset: u32,
}

impl Located {
    /// The function there.
    #[must_use]
    pub fn function(&self) -> Option<&Function> {
        self.module.function_at(self.offset)
    }
}

/// The target's Erlang code over time.
#[derive(Debug, Default)]
pub struct CodeMap {
    live: BTreeMap<u64, Piece>,
    history: Vec<Piece>,
    changed_ns: u64,
    /// Announcements from before this are in the list that was read then.
    listed_ns: u64,
    epoch: u32,
}

impl CodeMap {
    /// No code.
    #[must_use]
    pub fn new() -> CodeMap {
        CodeMap::default()
    }

    /// Grows with every change: a name resolved under one epoch holds for that epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// When code last changed; a sample from before may need the history.
    #[must_use]
    pub fn changed_ns(&self) -> u64 {
        self.changed_ns
    }

    /// How many pieces of code are there now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Adds code that was there before anything was followed; code already known wins.
    pub fn add_existing(&mut self, start: u64, bytes: u32, blob: (u64, u64)) {
        let end = start.saturating_add(u64::from(bytes));
        if start < end && self.overlapping(start, end).next().is_none() {
            self.insert(start, end, 0, blob, Names::Pending(blob.0, blob.1));
        }
    }

    /// Adds code that was registered at a time, with its blob and what was read from that.
    pub fn register(
        &mut self,
        start: u64,
        bytes: u32,
        at_ns: u64,
        blob: (u64, u64),
        module: Option<ModuleCode>,
    ) {
        let end = start.saturating_add(u64::from(bytes));
        if start >= end || at_ns <= self.listed_ns {
            return;
        }
        let ended: Vec<u64> = self.overlapping(start, end).collect();
        for key in ended {
            self.retire(key, at_ns);
        }
        let names = module.map_or(Names::Lost, |module| Names::Known(Arc::new(module)));
        self.insert(start, end, at_ns, blob, names);
        self.changed_ns = self.changed_ns.max(at_ns);
    }

    /// Takes over a list that was read anew at `at_ns`, where changes since `since_ns` were not
    /// followed one by one: what is no longer there ended at some time in between, what is new
    /// began then. In between such an address has no name. Returns how many pieces changed.
    pub fn replace(&mut self, fresh: CodeMap, since_ns: u64, at_ns: u64) -> usize {
        let same = |known: &Piece, new: &Piece| known.end == new.end && known.blob == new.blob;
        let gone: Vec<u64> = self
            .live
            .iter()
            .filter(|(key, known)| !fresh.live.get(key).is_some_and(|new| same(known, new)))
            .map(|(&key, _)| key)
            .collect();
        let mut changed = gone.len();
        for key in gone {
            self.retire(key, since_ns);
            self.changed_ns = self.changed_ns.max(at_ns);
        }
        for (key, piece) in fresh.live {
            if !self.live.contains_key(&key) {
                changed += 1;
                self.epoch += 1;
                self.changed_ns = self.changed_ns.max(at_ns);
                let from_ns = at_ns;
                self.live.insert(key, Piece { from_ns, ..piece });
            }
        }
        self.listed_ns = self.listed_ns.max(at_ns);
        changed
    }

    /// Code that is gone.
    pub fn unregister(&mut self, start: u64, at_ns: u64) {
        if at_ns > self.listed_ns && self.live.contains_key(&start) {
            self.retire(start, at_ns);
            self.changed_ns = self.changed_ns.max(at_ns);
        }
    }

    fn insert(&mut self, start: u64, end: u64, from_ns: u64, blob: (u64, u64), names: Names) {
        self.epoch += 1;
        self.live.insert(
            start,
            Piece {
                start,
                end,
                from_ns,
                until_ns: u64::MAX,
                blob,
                names,
            },
        );
    }

    fn retire(&mut self, key: u64, at_ns: u64) {
        self.epoch += 1;
        if let Some(mut piece) = self.live.remove(&key) {
            piece.until_ns = at_ns;
            self.history.push(piece);
        }
        self.history
            .retain(|piece| piece.until_ns.saturating_add(HISTORY_NS) > at_ns);
    }

    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        let before = self
            .live
            .range(..start)
            .next_back()
            .filter(|(_, piece)| piece.end > start);
        before
            .into_iter()
            .chain(self.live.range(start..end))
            .map(|(&key, _)| key)
    }

    /// Whether some code covers an address now or did so lately.
    #[must_use]
    pub fn covers(&self, address: u64) -> bool {
        self.live
            .range(..=address)
            .next_back()
            .is_some_and(|(_, piece)| address < piece.end)
            || self
                .history
                .iter()
                .any(|piece| (piece.start..piece.end).contains(&address))
    }

    /// The code at an address at a time. `read` fetches and parses a blob when names are
    /// needed for the first time.
    pub fn locate(
        &mut self,
        address: u64,
        at_ns: u64,
        read: impl FnOnce(u64, u64) -> Option<ModuleCode>,
    ) -> Option<Located> {
        let live = self
            .live
            .range_mut(..=address)
            .next_back()
            .map(|(_, piece)| piece)
            .filter(|piece| address < piece.end && piece.from_ns <= at_ns);
        let piece = match live {
            Some(piece) => piece,
            None => self.history.iter_mut().rev().find(|piece| {
                (piece.start..piece.end).contains(&address)
                    && (piece.from_ns..piece.until_ns).contains(&at_ns)
            })?,
        };
        if let Names::Pending(blob, bytes) = piece.names {
            // A blob that was freed and reused does not describe this piece.
            piece.names = read(blob, bytes)
                .filter(|module| module.base == piece.start)
                .map_or(Names::Lost, |module| Names::Known(Arc::new(module)));
        }
        match &piece.names {
            Names::Known(module) => Some(Located {
                module: module.clone(),
                offset: u32::try_from(address - piece.start).ok()?,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CodeMap, ModuleCode};

    fn module(name: &str, base: u64, size: u32) -> ModuleCode {
        let functions = [(0, size, "f".to_owned(), Some(0))];
        ModuleCode::from_functions(name, base, size, functions)
    }

    fn name(map: &mut CodeMap, address: u64, at_ns: u64) -> Option<String> {
        let located = map.locate(address, at_ns, |_, _| None)?;
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
            let located = map.locate(0x1010, 1, |_, _| {
                reads += 1;
                Some(module("m", 0x1000, 0x100))
            });
            assert!(located.is_some());
        }
        assert_eq!(reads, 1);
    }

    #[test]
    fn a_blob_of_other_code_is_not_believed() {
        let mut map = CodeMap::new();
        map.add_existing(0x1000, 0x100, (1, 1));
        let located = map.locate(0x1010, 1, |_, _| Some(module("m", 0x7000, 0x100)));
        assert!(located.is_none());
    }

    #[test]
    fn a_list_read_anew_replaces_what_changed_only() {
        let listed = |entries: &[(u64, u64)]| {
            let mut map = CodeMap::new();
            for &(start, blob) in entries {
                map.add_existing(start, 0x100, (blob, 8));
            }
            map
        };
        let mut map = listed(&[(0x1000, 1), (0x2000, 2)]);
        let epoch = map.epoch();
        let unchanged = map.replace(listed(&[(0x1000, 1), (0x2000, 2)]), 40, 50);
        assert_eq!((unchanged, map.epoch()), (0, epoch));
        assert!(map.replace(listed(&[(0x1000, 1), (0x2000, 3)]), 50, 60) > 0);
        assert!(map.epoch() > epoch && map.changed_ns() == 60);
        let read = |blob, _| Some(module(&format!("blob{blob}"), 0x2000, 0x100));
        let at = |map: &mut CodeMap, ns| {
            map.locate(0x2010, ns, read)
                .map(|l| l.module.name.to_string())
        };
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
    fn history_is_bounded_by_time() {
        let mut map = CodeMap::new();
        for second in 0..100u64 {
            let at = second * 1_000_000_000;
            map.register(0x1000, 0x100, at, (9, 9), Some(module("m", 0x1000, 0x100)));
        }
        assert!(map.history.len() <= 31);
    }
}
