//! Which fields of records are secrets, by what modules call them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::record_names::records_of;

/// Modules that are looked for, and records that are remembered.
const MODULES_MAX: usize = 4096;
const RECORDS_MAX: usize = 1 << 16;

/// Records of the modules that were looked at. Two may have records of one name: then what one of them
/// calls a secret is masked in those of the other too.
#[derive(Debug, Default)]
pub(super) struct Records {
    tried: FxHashSet<String>,
    /// By name: for each size as a tuple the places of secrets.
    secrets: FxHashMap<Arc<str>, Vec<(usize, Vec<usize>)>>,
    count: usize,
}

impl Records {
    /// Whether a module was looked for before, or none is any more; it is from now on.
    pub(super) fn has_tried(&mut self, module: &str) -> bool {
        if self.tried.contains(module) || self.tried.len() >= MODULES_MAX {
            return true;
        }
        self.tried.insert(module.to_owned());
        false
    }

    /// Adds the records of a module, by its file.
    pub(super) fn add(&mut self, file: &[u8], is_secret: impl Fn(&str) -> bool) {
        for (name, fields) in records_of(file) {
            if self.count >= RECORDS_MAX {
                return;
            }
            let size = fields.len() + 1;
            let places = (1..).zip(&fields).filter(|(_, field)| is_secret(field));
            let places = places.map(|(place, _)| place);
            let sizes = self.secrets.entry(name).or_default();
            match sizes.iter_mut().find(|(of, _)| *of == size) {
                Some((_, known)) => {
                    known.extend(places);
                    known.sort_unstable();
                    known.dedup();
                }
                None => {
                    sizes.push((size, places.collect()));
                    self.count += 1;
                }
            }
        }
    }

    /// The places of secrets in a tuple of this name and size, from 0; `None` where no module that was looked
    /// at has such a record.
    pub(super) fn secrets(&self, name: &str, size: usize) -> Option<&[usize]> {
        let sizes = self.secrets.get(name)?;
        let known = sizes.iter().find(|(of, _)| *of == size)?;
        Some(&known.1)
    }
}
