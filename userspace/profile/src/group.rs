//! What stacks can be grouped by, and what the groups are called.

use escope_model::{Activity, Dictionary, ProcId, SchedulerId, ThreadKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::class::FrameClass;
use crate::frames::FrameTable;
use crate::tally::Key;

/// What becomes the first frame of every stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Nothing.
    #[default]
    None,
    /// The kind of process: registered name, else label, else initial call. Work
    /// outside processes is grouped by the kind of thread.
    Process,
    /// Each process by itself: its name and its pid.
    Pid,
    /// The scheduler; other threads by their name.
    Scheduler,
    /// What the thread was doing.
    Activity,
}

/// The part of a row's key that decides its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum GroupKey {
    Process(ProcId),
    Scheduler(SchedulerId),
    Schedulers,
    Thread(u32),
    Threads(ThreadKind),
    Activity(Activity),
}

/// Names groups, each once.
pub(crate) struct Grouper<'d> {
    dictionary: &'d Dictionary,
    group_by: GroupBy,
    numbers: FxHashMap<GroupKey, u32>,
}

impl<'d> Grouper<'d> {
    pub(crate) fn new(dictionary: &'d Dictionary, group_by: GroupBy) -> Grouper<'d> {
        Grouper {
            dictionary,
            group_by,
            numbers: FxHashMap::default(),
        }
    }

    /// The number of the frame for a row's group, if rows are grouped.
    pub(crate) fn group(&mut self, key: &Key, frames: &mut FrameTable<'_>) -> Option<u32> {
        let group = self.key(key)?;
        if let Some(&number) = self.numbers.get(&group) {
            return Some(number);
        }
        let number = frames.bare(FrameClass::Group, &self.name(group));
        self.numbers.insert(group, number);
        Some(number)
    }

    fn key(&self, key: &Key) -> Option<GroupKey> {
        match self.group_by {
            GroupBy::None => None,
            GroupBy::Activity => Some(GroupKey::Activity(key.activity)),
            GroupBy::Scheduler => Some(match key.scheduler {
                Some(scheduler) => GroupKey::Scheduler(scheduler),
                None => GroupKey::Thread(key.tid),
            }),
            GroupBy::Process | GroupBy::Pid => Some(match (key.proc, key.scheduler) {
                (Some(proc), _) => GroupKey::Process(proc),
                (None, Some(_)) => GroupKey::Schedulers,
                (None, None) => GroupKey::Threads(thread_kind(self.dictionary, key.tid)),
            }),
        }
    }

    fn name(&self, group: GroupKey) -> String {
        match group {
            GroupKey::Process(proc) if self.group_by == GroupBy::Pid => {
                pid_name(self.dictionary, proc)
            }
            GroupKey::Process(proc) => group_name(self.dictionary, proc),
            GroupKey::Scheduler(scheduler) => scheduler.to_string(),
            GroupKey::Schedulers => "[schedulers]".to_owned(),
            GroupKey::Thread(tid) => thread_name(self.dictionary, tid),
            GroupKey::Threads(kind) => format!("[{} threads]", kind.as_str()),
            GroupKey::Activity(activity) => activity.as_str().to_owned(),
        }
    }
}

/// What processes of one kind share.
pub(crate) fn group_name(dictionary: &Dictionary, proc: ProcId) -> String {
    match dictionary.process(proc) {
        Some(process) => process.group_name(),
        None => unknown_process(proc),
    }
}

/// A process's name with its pid.
fn pid_name(dictionary: &Dictionary, proc: ProcId) -> String {
    let Some(process) = dictionary.process(proc) else {
        return unknown_process(proc);
    };
    let name = process.group_name();
    if name == process.pid {
        return name;
    }
    format!("{name} {}", process.pid)
}

/// A process that the recording lost.
pub(crate) fn unknown_process(proc: ProcId) -> String {
    format!("[unknown process {}]", proc.0)
}

pub(crate) fn thread_kind(dictionary: &Dictionary, tid: u32) -> ThreadKind {
    dictionary
        .thread(tid)
        .map_or(ThreadKind::Other, |thread| thread.kind)
}

pub(crate) fn thread_name(dictionary: &Dictionary, tid: u32) -> String {
    match dictionary.thread(tid) {
        Some(thread) => thread.name.clone(),
        None => format!("thread {tid}"),
    }
}
