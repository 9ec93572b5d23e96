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

impl Piece {
    /// Takes over what its blob says, if that was not done before.
    fn read(&mut self, read: impl FnOnce(u64, u64) -> Option<ModuleCode>) {
        if let Names::Pending(blob, bytes) = self.names {
            // A blob that was freed and reused does not describe this piece.
            self.names = read(blob, bytes)
                .filter(|module| module.base == self.start)
                .map_or(Names::Lost, |module| Names::Known(Arc::new(module)));
        }
    }
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

    /// Adds code that another source than the VM's list names, since a time; code already known
    /// wins.
    pub fn add_known(&mut self, from_ns: u64, module: Arc<ModuleCode>) {
        let (start, bytes) = (module.base, u64::from(module.size));
        let end = start.saturating_add(bytes);
        if start < end && self.overlapping(start, end).next().is_none() {
            self.insert(start, end, from_ns, (0, 0), Names::Known(module));
        }
    }

    /// Takes over code that another source than the VM's list announces, in the order in which it
    /// was loaded.
    pub fn register_known(&mut self, at_ns: u64, module: Arc<ModuleCode>) {
        let end = module.base.saturating_add(u64::from(module.size));
        if module.base >= end || at_ns <= self.listed_ns {
            return;
        }
        let ended: Vec<u64> = self.overlapping(module.base, end).collect();
        for key in ended {
            self.retire(key, at_ns);
        }
        self.insert(module.base, end, at_ns, (0, 0), Names::Known(module));
        self.changed_ns = self.changed_ns.max(at_ns);
    }

    /// The modules that are there now and whose names have been read, by address.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<ModuleCode>> {
        self.live.values().filter_map(|piece| match &piece.names {
            Names::Known(module) => Some(module),
            Names::Pending(..) | Names::Lost => None,
        })
    }

    /// The module that lies at an address now, if its names have been read.
    #[must_use]
    pub fn module_at(&self, address: u64) -> Option<&Arc<ModuleCode>> {
        let (_, piece) = self.live.range(..=address).next_back()?;
        match &piece.names {
            Names::Known(module) if address < piece.end => Some(module),
            _ => None,
        }
    }

    /// Where the JIT's helper fragments lie, as far as names have been read.
    #[must_use]
    pub fn fragments(&self) -> Option<std::ops::Range<u64>> {
        let module = self.modules().find(|module| {
            let named = |f: &Function| f.arity.is_none();
            &*module.name == "global" && module.functions.iter().all(named)
        })?;
        Some(module.base..module.base.saturating_add(u64::from(module.size)))
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

    /// Takes over a list that was read anew, where changes since `since_ns` were not followed one
    /// by one; the reading began at `begun_ns`. What is no longer there ended at
    /// some time in between, what is new began then: in between such an address has no name.
    /// `read` reads the blob that is in a place now. Returns how many pieces changed.
    pub fn replace(
        &mut self,
        fresh: CodeMap,
        since_ns: u64,
        begun_ns: u64,
        now: impl Fn() -> u64,
        read: impl Fn(u64, u64) -> Option<ModuleCode>,
    ) -> usize {
        let mut gone = Vec::new();
        let listed_ns = now();
        for (&key, known) in &mut self.live {
            let listed = fresh.live.get(&key);
            let same_place =
                listed.is_some_and(|new| new.end == known.end && new.blob == known.blob);
            match &known.names {
                // The VM may have freed the blob and put another one in its place.
                Names::Known(module)
                    if same_place
                        && read(known.blob.0, known.blob.1)
                            .is_some_and(|now| now.print == module.print) => {}
                // Never read: what is there now may be younger than the piece.
                Names::Pending(..) | Names::Lost if same_place => known.from_ns = listed_ns,
                _ => gone.push(key),
            }
        }
        let mut changed = gone.len();
        for key in gone {
            self.retire(key, since_ns);
            self.changed_ns = self.changed_ns.max(listed_ns);
        }
        for (key, mut piece) in fresh.live {
            if !self.live.contains_key(&key) {
                changed += 1;
                self.epoch += 1;
                // At once: later its blob may be another's. It may be already, so that the
                // name holds from now on only.
                piece.read(&read);
                piece.from_ns = now();
                self.changed_ns = self.changed_ns.max(piece.from_ns);
                self.live.insert(key, piece);
            }
        }
        self.listed_ns = self.listed_ns.max(begun_ns);
        changed
    }

    /// Where code is no longer what it was when this map was read, going by a list that was read
    /// just now: what is new, gone, or described otherwise. Only names that were needed are
    /// held against what `read` finds now.
    #[must_use]
    pub fn changed_since(
        &self,
        now: &CodeMap,
        read: impl Fn(u64, u64) -> Option<ModuleCode>,
    ) -> Vec<std::ops::Range<u64>> {
        let place = |piece: &Piece| (piece.start, piece.end, piece.blob);
        let listed = |map: &CodeMap, piece: &Piece| {
            let other = map.live.get(&piece.start);
            other.is_some_and(|other| place(other) == place(piece))
        };
        let same = |piece: &&Piece| match &piece.names {
            _ if !listed(now, piece) => false,
            Names::Known(module) => {
                read(piece.blob.0, piece.blob.1).is_some_and(|now| now.print == module.print)
            }
            Names::Pending(..) | Names::Lost => true,
        };
        let gone = self.live.values().filter(|piece| !same(piece));
        let new = now.live.values().filter(|piece| !listed(self, piece));
        gone.chain(new)
            .map(|piece| piece.start..piece.end)
            .collect()
    }

    /// A piece in this place comes or goes: what was not read of its predecessor must not be
    /// read any more.
    pub fn doubt(&mut self, start: u64, bytes: u32) {
        let end = start.saturating_add(u64::from(bytes));
        let keys: Vec<u64> = self.overlapping(start, end).collect();
        for key in keys {
            if let Some(piece) = self.live.get_mut(&key)
                && matches!(piece.names, Names::Pending(..))
            {
                piece.names = Names::Lost;
            }
        }
    }

    /// Reads every name now, instead of when it is needed first: where changes are not
    /// announced, a blob that is read later may be another's.
    pub fn read_all(&mut self, read: impl Fn(u64, u64) -> Option<ModuleCode>) {
        for piece in self.live.values_mut() {
            piece.read(&read);
        }
    }

    /// Nothing is known of what happened after a time, and will not be.
    pub fn end(&mut self, since_ns: u64) {
        let all: Vec<u64> = self.live.keys().copied().collect();
        for key in all {
            self.retire(key, since_ns);
        }
        self.changed_ns = u64::MAX;
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
            if matches!(piece.names, Names::Pending(..)) {
                // Its blob goes with it, in most releases.
                piece.names = Names::Lost;
            }
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
    /// needed for the first time; `sound` says, after that, whether it was that of the piece:
    /// if not, another time may do.
    pub fn locate(
        &mut self,
        address: u64,
        at_ns: u64,
        read: impl FnOnce(u64, u64) -> Option<ModuleCode>,
        sound: impl FnOnce() -> bool,
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
            piece.read(read);
            if !sound() {
                piece.names = Names::Pending(blob, bytes);
                return None;
            }
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
mod tests;
