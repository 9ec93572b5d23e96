//! Calls of BIFs and NIFs: which, by whom, from where, and how long they took.

use escope_model::{Cut, FrameId, NativeCall, ProcId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::ReportScope;
use crate::merged::since_start;
use crate::spread::Spread;

/// Calls of some function, or some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallsOf {
    /// How many began in the part.
    pub count: u64,
    /// How long those took whose return was seen, whole.
    pub took_ns: Spread,
    /// Those of which it was not.
    pub open: u64,
}

impl CallsOf {
    fn add(&mut self, call: &NativeCall) {
        self.count += 1;
        match (call.end_ns, call.cut) {
            (Some(end_ns), None) => {
                let start_ns = since_start(call.start_ns);
                self.took_ns
                    .add(since_start(end_ns).saturating_sub(start_ns));
            }
            // Its end is that of what was seen.
            (Some(_), Some(_)) => self.open += 1,
            (None, _) => {}
        }
    }
}

/// Calls of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallsOfFunction {
    /// All of them.
    pub all: CallsOf,
    /// Who called.
    pub processes: FxHashSet<ProcId>,
}

/// All calls: what is kept grows with functions, callers and processes, not with calls.
#[derive(Debug, Default)]
pub struct Natives {
    /// How many rows there were before the end of the part.
    pub rows: u64,
    /// By function.
    pub functions: FxHashMap<FrameId, CallsOfFunction>,
    /// By function and where it returns to.
    pub callers: FxHashMap<(FrameId, Option<FrameId>), CallsOf>,
    /// By function and process.
    pub processes: FxHashMap<(FrameId, ProcId), CallsOf>,
    /// Calls that were going on when they were first seen: they count nowhere else.
    pub begun_before: u64,
}

impl Natives {
    /// Adds up all calls that begin before the end of the part.
    ///
    /// # Errors
    /// The first error of a row.
    pub fn of<E>(
        rows: impl Iterator<Item = Result<NativeCall, E>>,
        scope: &ReportScope<'_>,
    ) -> Result<Natives, E> {
        let mut natives = Natives::default();
        for row in rows {
            let row = row?;
            if since_start(row.start_ns) >= scope.until_ns {
                break;
            }
            natives.rows += 1;
            natives.add(&row, scope);
        }
        Ok(natives)
    }

    fn add(&mut self, call: &NativeCall, scope: &ReportScope<'_>) {
        if !scope.contains(since_start(call.start_ns)) || !scope.wants(call.proc) {
            return;
        }
        if matches!(call.cut, Some(Cut::Start | Cut::Both)) {
            self.begun_before += 1;
            return;
        }
        let of = self.functions.entry(call.function).or_default();
        of.all.add(call);
        of.processes.insert(call.proc);
        let by_caller = (call.function, call.caller);
        self.callers.entry(by_caller).or_default().add(call);
        let by_process = (call.function, call.proc);
        self.processes.entry(by_process).or_default().add(call);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use escope_model::{Cut, FrameId, NativeCall, ProcId};

    use super::{Natives, ReportScope};
    use crate::gaps::Gaps;

    fn call(start_ns: i64, end_ns: Option<i64>, proc: u32, cut: Option<Cut>) -> NativeCall {
        NativeCall {
            proc: ProcId(proc),
            scheduler: None,
            start_ns,
            end_ns,
            function: FrameId(1),
            caller: (proc > 0).then_some(FrameId(2)),
            cut,
        }
    }

    #[test]
    fn calls_count_where_they_begin_and_last_as_long_as_they_were_seen_whole() {
        let rows = [
            call(5, Some(9), 0, None),
            call(10, Some(14), 0, None),
            call(11, Some(31), 1, None),
            call(12, None, 1, None),
            call(13, Some(20), 1, Some(Cut::End)),
            call(13, Some(20), 1, Some(Cut::Start)),
            call(14, Some(20), 2, None),
            call(20, Some(21), 0, None),
        ];
        let scope = ReportScope {
            since_ns: 10,
            until_ns: 20,
            gaps: Gaps::default(),
            worst: 0,
            wanted: &|proc| proc != Some(ProcId(2)),
        };
        let rows = rows.into_iter().map(Ok::<_, Infallible>);
        let natives = Natives::of(rows, &scope).expect("no errors");
        assert_eq!((natives.rows, natives.begun_before), (7, 1));
        let of = &natives.functions[&FrameId(1)];
        assert_eq!((of.all.count, of.all.open, of.processes.len()), (4, 1, 2));
        assert_eq!((of.all.took_ns.sum(), of.all.took_ns.max()), (24, 20));
        assert_eq!(natives.callers[&(FrameId(1), None)].count, 1);
        assert_eq!(natives.callers[&(FrameId(1), Some(FrameId(2)))].count, 3);
        assert_eq!(natives.processes[&(FrameId(1), ProcId(1))].count, 3);
    }
}
