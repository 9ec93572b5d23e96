//! What a thread was doing, by evidence in the sample.

use escope_beam::{ProcessBlock, sleep};
use escope_model::{Activity, FrameKind, RawSample, RawScheduler, SampleFlags};

/// What the walk of the stacks found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The program counter was in JIT code.
    pub(crate) in_jit: bool,
    /// The helper fragment that called into C is one of those that call NIFs.
    pub(crate) called_nif: bool,
    /// A function of the C stack implements a BIF.
    pub(crate) bif: bool,
    /// A function of the C stack collects garbage.
    pub(crate) gc: bool,
}

/// Decides the activity; precedence is documented at [`Activity`].
pub(crate) fn classify(
    raw: &RawSample<'_>,
    process: Option<&ProcessBlock<'_>>,
    evidence: Evidence,
) -> Activity {
    let Some(scheduler) = &raw.scheduler else {
        return Activity::Native;
    };
    if scheduler.process == 0
        && scheduler.port == 0
        && let Some(rest) = resting(scheduler)
    {
        return rest;
    }
    if evidence.gc || process.is_some_and(|block| block.state().collecting()) {
        return Activity::Gc;
    }
    if raw.flags.has(SampleFlags::IN_KERNEL) {
        return Activity::Kernel;
    }
    if scheduler.process == 0 {
        return if scheduler.port != 0 {
            Activity::Port
        } else {
            Activity::Emulator
        };
    }
    match () {
        () if scheduler.kind != 0 => Activity::Dirty,
        () if evidence.in_jit => Activity::Jit,
        () if evidence.called_nif => Activity::Nif,
        () if evidence.bif => Activity::Bif,
        () => Activity::Emulator,
    }
}

/// A scheduler without work first spins, then sleeps: `scheduler_wait` in
/// `erts/emulator/beam/erl_process.c` sets `SLEEPING|WAITING` while it spins and adds the
/// kind of sleep before it goes to sleep.
fn resting(scheduler: &RawScheduler) -> Option<Activity> {
    let flags = scheduler.sleep_flags;
    if flags & (sleep::POLL | sleep::EVENT | sleep::SUSPENDED) != 0 {
        return Some(Activity::Idle);
    }
    (flags & sleep::WAITING != 0).then_some(Activity::BusyWait)
}

/// Whether a native function's name belongs to the garbage collector.
pub(crate) fn collects_garbage(kind: FrameKind, name: &str) -> bool {
    kind == FrameKind::Native && name.starts_with("erts_garbage_collect")
}

/// What a helper fragment calls, as far as it matters for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A NIF, named by `Process.current`.
    Nif,
    /// A BIF, named by `Process.current`.
    Bif,
    /// A BIF, named by the code before the return address on the Erlang stack.
    LightBif,
    /// The scheduler: the process is coming or going, and resumes at `Process.i`.
    Schedule,
    /// Something else.
    Other,
}

/// By the names that `erts/emulator/beam/jit/x86/beam_asm_global.hpp.pl` gives fragments.
pub(crate) fn calls(fragment: &str) -> Calls {
    match fragment {
        "call_light_bif_shared" => Calls::LightBif,
        "call_bif_shared" => Calls::Bif,
        "process_main" => Calls::Schedule,
        _ if fragment.starts_with("call_nif") => Calls::Nif,
        _ => Calls::Other,
    }
}

#[cfg(test)]
mod tests {
    use escope_beam::sleep;
    use escope_model::{Activity, RawSample, RawScheduler, SampleFlags, StackCopy, Words};

    use super::{Evidence, classify};

    fn sample(scheduler: Option<RawScheduler>, flags: u32) -> RawSample<'static> {
        RawSample {
            monotonic_ns: 0,
            weight_ns: 0,
            cpu: 0,
            tid: 0,
            flags: SampleFlags(flags),
            regs: Default::default(),
            scheduler,
            process: &[],
            registered_name: 0,
            initial_call: [0; 3],
            current_call: [0; 3],
            erlang: StackCopy::default(),
            erlang_bottom: StackCopy::default(),
            native: StackCopy::default(),
            kernel: Words::default(),
        }
    }

    fn scheduler(process: u64, sleep_flags: u32) -> RawScheduler {
        RawScheduler {
            data: 0,
            registers: 0,
            process,
            port: 0,
            sleep_flags,
            kind: 0,
            number: 1,
            jit_return: 0,
        }
    }

    const NOTHING: Evidence = Evidence {
        in_jit: false,
        called_nif: false,
        bif: false,
        gc: false,
    };

    #[test]
    fn rest_is_told_from_work() {
        let of = |flags| classify(&sample(Some(scheduler(0, flags)), 0), None, NOTHING);
        assert_eq!(of(0), Activity::Emulator);
        assert_eq!(of(sleep::WAITING | sleep::SLEEPING), Activity::BusyWait);
        assert_eq!(
            of(sleep::WAITING | sleep::SLEEPING | sleep::EVENT),
            Activity::Idle
        );
        assert_eq!(
            of(sleep::WAITING | sleep::SLEEPING | sleep::POLL),
            Activity::Idle
        );
    }

    #[test]
    fn the_kernel_comes_before_what_called_it() {
        let raw = sample(Some(scheduler(1, 0)), SampleFlags::IN_KERNEL);
        let evidence = Evidence {
            bif: true,
            ..NOTHING
        };
        assert_eq!(classify(&raw, None, evidence), Activity::Kernel);
        let collecting = Evidence {
            gc: true,
            ..NOTHING
        };
        assert_eq!(classify(&raw, None, collecting), Activity::Gc);
    }

    #[test]
    fn a_thread_that_is_no_scheduler_is_native() {
        assert_eq!(classify(&sample(None, 0), None, NOTHING), Activity::Native);
    }
}
