//! What has been seen, in numbers.

use escope_model::{Activity, RawSample, Truncation};

use crate::stitch::{Chain, Joined};

/// What has been seen, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Samples.
    pub samples: u64,
    /// Of those, on a scheduler of any kind.
    pub on_scheduler: u64,
    /// Of those, with a process.
    pub with_process: u64,
    /// Of those on a scheduler, without a process and by evidence resting or the emulator's
    /// own work.
    pub without_process: u64,
    /// On a scheduler that said it ran a process, which could not be read.
    pub process_unreadable: u64,
    /// With an Erlang stack.
    pub erlang_stacks: u64,
    /// Of those, down to the first function of the process.
    pub erlang_complete: u64,
    /// Of those, incomplete because a garbage collection moved the stack.
    pub erlang_in_gc: u64,
    /// Of those, incomplete because of the copy limit.
    pub erlang_capped: u64,
    /// Whose C stack could not be unwound to its start.
    pub native_incomplete: u64,
    /// Erlang stacks that a chain of frame pointers led through.
    pub chained: u64,
    /// Of those, where looking at each word for return addresses found others.
    pub chain_differs: u64,
    /// Erlang stacks whose chain of frame pointers broke off.
    pub chain_broken: u64,
    /// Frames of Erlang code that no known module covers.
    pub unnamed_erlang_frames: u64,
}

impl Statistics {
    /// One more sample, and whether it has a process.
    pub(crate) fn count(
        &mut self,
        raw: &RawSample<'_>,
        joined: &Joined,
        activity: Activity,
        process: bool,
    ) {
        let counts = self;
        counts.samples += 1;
        if let Some(scheduler) = &raw.scheduler {
            counts.on_scheduler += 1;
            match (process, scheduler.process) {
                (true, _) => counts.with_process += 1,
                (false, 0) => {
                    let evident = matches!(
                        activity,
                        Activity::Idle
                            | Activity::BusyWait
                            | Activity::Port
                            | Activity::Emulator
                            | Activity::Kernel
                            | Activity::Gc
                    );
                    counts.without_process += u64::from(evident);
                }
                (false, _) => counts.process_unreadable += 1,
            }
        }
        if joined.has_erlang {
            counts.erlang_stacks += 1;
            match joined.truncated {
                None | Some(Truncation::Unwind) => counts.erlang_complete += 1,
                Some(Truncation::Gc) => counts.erlang_in_gc += 1,
                // The last part was copied apart: the first function is there.
                Some(Truncation::Cap) => counts.erlang_capped += 1,
                _ => {}
            }
        }
        counts.chained += u64::from(joined.chain.is_some_and(|chain| chain != Chain::Broken));
        counts.chain_differs += u64::from(joined.chain == Some(Chain::Differs));
        counts.chain_broken += u64::from(joined.chain == Some(Chain::Broken));
        counts.native_incomplete += u64::from(joined.truncated == Some(Truncation::Unwind));
    }
}
