//! Rows of the machines as rows of the recording.

use std::mem;

use escope_beam::memory::Memory;
use escope_model::{
    Collection, CollectionKind, Message, MessageKind, NativeCall, OffCpu, ProcId, Run,
};
use escope_timeline::{CollectionRow, MessageRow, NativeCallRow, OffCpuRow, RunRow};

use super::natives::Natives;
use crate::pipeline::Pipeline;

/// What is known of a message besides who sent it to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) kind: MessageKind,
    /// An atom's term, or 0.
    pub(super) tag: u64,
    pub(super) size_words: Option<u32>,
}

/// Room for rows, kept between events.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) runs: Vec<RunRow<ProcId>>,
    pub(super) off_cpu: Vec<OffCpuRow<ProcId>>,
    pub(super) messages: Vec<MessageRow<ProcId, Known>>,
    pub(super) collections: Vec<CollectionRow<ProcId>>,
    pub(super) native_calls: Vec<NativeCallRow<ProcId>>,
    /// What is called in those.
    pub(super) natives: Natives,
    /// What is known of the collection that the last event ends.
    pub(super) collected: Collected,
}

/// What a collection was and did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Collected {
    pub(super) before_words: Option<u64>,
    pub(super) after_words: Option<u64>,
    pub(super) kind: Option<CollectionKind>,
}

impl Rows {
    /// Writes all there are. Times are `CLOCK_MONOTONIC`, `at_ns` that of the last event.
    pub(super) fn write<M: Memory>(
        &mut self,
        (origin_ns, at_ns): (u64, u64),
        pipeline: &mut Pipeline<M>,
        sound: &dyn Fn() -> bool,
    ) {
        let since_origin = |ns: u64| ns.saturating_sub(origin_ns) as i64;
        for row in self.runs.drain(..) {
            let symbolizer = &mut pipeline.symbolizer;
            let at = row.at.map(|at| symbolizer.place(at, at_ns, sound));
            pipeline.run(&Run {
                proc: row.who,
                scheduler: row.scheduler,
                start_ns: since_origin(row.start_ns),
                end_ns: since_origin(row.end_ns),
                woken_by: row.woken_by,
                reductions: row.reductions,
                left_as: row.left_as,
                at,
                cut: row.cut,
            });
        }
        for row in self.off_cpu.drain(..) {
            pipeline.off_cpu(&OffCpu {
                proc: row.who,
                scheduler: row.scheduler,
                start_ns: since_origin(row.start_ns),
                end_ns: since_origin(row.end_ns),
                why: row.why,
                ready_ns: row.ready_ns,
                cut: row.cut,
            });
        }
        for row in self.messages.drain(..) {
            let Known {
                kind,
                tag,
                size_words,
            } = row.sent.what;
            let tag = pipeline.symbolizer.vm().atom(tag);
            let message = Message {
                msg: row.msg,
                from: row.sent.from,
                to: row.sent.to,
                kind,
                tag: tag.map(|tag| tag.to_string()),
                sent_ns: since_origin(row.sent.at_ns),
                received_ns: row.received_ns.map(since_origin),
                fate: row.fate,
                size_words,
            };
            pipeline.message(&message);
        }
        for row in self.native_calls.drain(..) {
            let symbolizer = &mut pipeline.symbolizer;
            let Some(function) = self.natives.frame(row.function, symbolizer) else {
                continue;
            };
            // Below the first function of a process there is nobody.
            let by_code = row.caller != 0 && row.caller != symbolizer.vm().normal_exit;
            let caller = by_code.then(|| symbolizer.caller(row.caller, at_ns, sound));
            pipeline.native_call(&NativeCall {
                proc: row.who,
                scheduler: row.scheduler,
                start_ns: since_origin(row.start_ns),
                end_ns: row.end_ns.map(since_origin),
                function,
                caller,
                cut: row.cut,
            });
        }
        let collected = mem::take(&mut self.collected);
        for (place, row) in self.collections.drain(..).rev().enumerate() {
            // Where an end shows that the end of another one was missed, the other comes first.
            let collected = match place {
                0 => collected,
                _ => Collected::default(),
            };
            pipeline.collection(&Collection {
                proc: row.who,
                start_ns: since_origin(row.start_ns),
                end_ns: since_origin(row.end_ns),
                before_words: collected.before_words,
                after_words: collected.after_words,
                kind: collected.kind,
                cut: row.cut,
            });
        }
    }
}
