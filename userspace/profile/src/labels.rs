//! Who ran a stack: labels for formats that can hold them.

use escope_model::{Activity, Dictionary, ProcId, ProcessInfo, SchedulerId};
use rustc_hash::FxHashMap;

use crate::group::thread_name;
use crate::tally::Key;

/// Who ran a stack, and what the thread was doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The Erlang process as the VM prints it: `<0.N.S>`.
    pub pid: Option<String>,
    /// Its registered name or else its label, as the target holds it.
    pub name: Option<String>,
    /// Where it started: `mod:fun/1`.
    pub initial_call: Option<String>,
    /// The scheduler: `scheduler_1`.
    pub scheduler: Option<SchedulerId>,
    /// What the thread was doing.
    pub activity: Activity,
    /// The thread's name.
    pub thread: String,
    /// The thread's kernel id.
    pub tid: u32,
}

/// The part of a row's key that labels come from.
type LabelKey = (Option<ProcId>, Option<SchedulerId>, u32, Activity);

/// Numbers distinct sets of labels.
pub(crate) struct Labeller<'d> {
    dictionary: &'d Dictionary,
    numbers: FxHashMap<LabelKey, u32>,
    labels: Vec<Labels>,
}

impl<'d> Labeller<'d> {
    pub(crate) fn new(dictionary: &'d Dictionary) -> Labeller<'d> {
        Labeller {
            dictionary,
            numbers: FxHashMap::default(),
            labels: Vec::new(),
        }
    }

    pub(crate) fn number(&mut self, key: &Key) -> u32 {
        let label_key = (key.proc, key.scheduler, key.tid, key.activity);
        if let Some(&number) = self.numbers.get(&label_key) {
            return number;
        }
        let number = self.labels.len() as u32;
        self.numbers.insert(label_key, number);
        self.labels.push(labels(self.dictionary, key));
        number
    }

    pub(crate) fn finish(self) -> Vec<Labels> {
        self.labels
    }
}

fn labels(dictionary: &Dictionary, key: &Key) -> Labels {
    let process: Option<&ProcessInfo> = key.proc.and_then(|proc| dictionary.process(proc));
    Labels {
        pid: process.map(|process| process.pid.clone()),
        name: process.and_then(|p| p.name.clone().or_else(|| p.label.clone())),
        initial_call: process.and_then(|p| Some(p.initial_call.as_ref()?.to_string())),
        scheduler: key.scheduler,
        activity: key.activity,
        thread: thread_name(dictionary, key.tid),
        tid: key.tid,
    }
}
