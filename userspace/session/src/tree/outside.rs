//! Processes that are in no tree, and to whom in the trees they are linked.

use std::sync::Arc;

use escope_beam::memory::Memory;
use rustc_hash::{FxHashMap, FxHashSet};

use super::read::Reader;
use super::table::who;
use super::{Outsiders, Root, Tree};

/// Pids and links of a line that are told.
const TOLD: usize = 5;

/// What processes outside have in common that are told on one line.
type Alike = (String, Vec<usize>, Option<Arc<str>>);

/// Those that were not met in trees, the most of a kind first.
pub(super) fn outsiders<M: Memory>(
    reader: &Reader<'_, M>,
    met: &FxHashSet<usize>,
    trees: &[Tree],
) -> Vec<Outsiders> {
    let table = &reader.table;
    let masters = masters(trees);
    let mut lines: FxHashMap<Alike, Outsiders> = FxHashMap::default();
    for at in table.in_order() {
        let Some(entry) = table.get(at).filter(|_| !met.contains(&at)) else {
            continue;
        };
        let process = &entry.process;
        let mut linked: Vec<usize> = table.links(at).filter(|at| met.contains(at)).collect();
        linked.sort_unstable();
        linked.truncate(TOLD);
        let leader = process.group_leader.as_deref();
        let application = leader.and_then(|leader| masters.get(leader)).cloned();
        let who = who(process);
        let told = |at: &usize| {
            let entry = table.get(*at);
            entry.map(|entry| table.linked(&entry.process.pid))
        };
        let key = (who.clone(), linked.clone(), application.clone());
        let line = lines.entry(key).or_insert_with(|| Outsiders {
            who,
            count: 0,
            pids: Vec::new(),
            application,
            linked: linked.iter().filter_map(told).collect(),
        });
        line.count += 1;
        if line.pids.len() < TOLD {
            line.pids.push(process.pid.clone());
        }
    }
    let mut lines: Vec<Outsiders> = lines.into_values().collect();
    lines.sort_by(|left, right| {
        let key = |line: &Outsiders| (std::cmp::Reverse(line.count), line.who.clone());
        key(left).cmp(&key(right)).then(left.pids.cmp(&right.pids))
    });
    lines
}

/// The names of applications by the pids of their masters.
fn masters(trees: &[Tree]) -> FxHashMap<&str, Arc<str>> {
    let masters = trees.iter().filter_map(|tree| match &tree.root {
        Root::Application {
            name: Some(name),
            master,
            ..
        } => Some((master.as_str(), name.clone())),
        _ => None,
    });
    masters.collect()
}
