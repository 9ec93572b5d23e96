//! The recorder: start, run, finish.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use escope_beam::Vm;
use escope_beam::code::CodeMap;
use escope_capture::{Capture, Clock, ClockChoice, CodeFollowing};
use escope_recording::{
    Clocks, Ended, EndedHow, Manifest, RecordingError, SeriesPoint, Writer, WriterOptions,
};
use escope_symbolizer::{Statistics, Symbolizer};
use escope_wire::Counters;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cost::{monotonic_ns, realtime_ns};
use crate::manifest::manifest;
use crate::pipeline::Pipeline;
use crate::setup::{Sampling, capture_options, slot};
use crate::{Cost, SessionError, losses};

/// How often what was captured is made safe on disk.
const FLUSH: Duration = Duration::from_secs(1);

/// What to record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordOptions {
    /// Where to; must not exist.
    pub output: PathBuf,
    /// Samples a second on each CPU.
    pub frequency_hz: u32,
    /// For how long; until told otherwise when `None`.
    pub duration: Option<Duration>,
    /// Which clock to sample by.
    pub clock: ClockChoice,
    /// How much of an Erlang stack to copy.
    pub erlang_stack_bytes: u32,
    /// How much of a C stack to copy.
    pub native_stack_bytes: u32,
    /// Size of the ring between kernel and recorder; `None` chooses by frequency.
    pub ring_bytes: Option<u32>,
}

impl RecordOptions {
    /// 99 Hz until told otherwise, 64 KiB of each stack.
    #[must_use]
    pub fn new(output: PathBuf) -> RecordOptions {
        RecordOptions {
            output,
            frequency_hz: 99,
            duration: None,
            clock: ClockChoice::Auto,
            erlang_stack_bytes: 64 * 1024,
            native_stack_bytes: 64 * 1024,
            ring_bytes: None,
        }
    }

    fn ring_bytes(&self) -> u32 {
        // A sample is about 4 KB and at most some 100 KB; the ring is for the whole host.
        self.ring_bytes.unwrap_or(match self.frequency_hz {
            0..=199 => 4 << 20,
            200..=1999 => 16 << 20,
            _ => 64 << 20,
        })
    }

    fn drain_every(&self) -> Duration {
        Duration::from_millis(match self.frequency_hz {
            0..=199 => 50,
            200..=1999 => 20,
            _ => 10,
        })
    }
}

/// Tells a running recorder to stop; shared with signal handlers.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops the recorder at its next look.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for a signal handler.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How it goes, about ten times a second.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Samples so far.
    pub samples: u64,
    /// Samples lost so far.
    pub lost: u64,
    /// What the recorder has used since the start.
    pub cpu_ns: u64,
    /// What is on disk.
    pub bytes_written: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The recording.
    pub path: PathBuf,
    /// How it ended.
    pub ended: EndedHow,
    /// Why, where that needs saying.
    pub note: Option<String>,
    /// How long it lasted.
    pub duration: Duration,
    /// Which clock samples were taken by.
    pub clock: Clock,
    /// Kernel half's counters.
    pub counters: Counters,
    /// What the symbolizer saw.
    pub statistics: Statistics,
    /// Distinct frames, stacks, processes.
    pub distinct: (usize, usize, usize),
    /// From the call of [`Recorder::start`] to the first sample.
    pub first_sample: Option<Duration>,
    /// What the recorder used from the start of the recording on.
    pub cost: Cost,
    /// Size of the finished recording.
    pub bytes: u64,
    /// How code loading was followed, when not exactly.
    pub code_note: Option<String>,
    /// What was lost, a row per kind.
    pub losses: Vec<escope_model::Loss>,
}

/// A recording under way.
pub struct Recorder {
    options: RecordOptions,
    capture: Capture,
    pipeline: Pipeline,
    manifest: Manifest,
    target: Option<OwnedFd>,
    started: Instant,
    origin_ns: u64,
    started_ns: u64,
    cost_before: Cost,
    counters: Counters,
    counted_ns: u64,
}

impl Recorder {
    /// Attaches to a BEAM and starts capturing.
    ///
    /// # Errors
    /// When the target, the kernel or the disk refuses; nothing is left behind.
    pub fn start(pid: u32, options: RecordOptions) -> Result<Recorder, SessionError> {
        let cost_before = Cost::now();
        let started = Instant::now();
        let started_ns = monotonic_ns();
        let vm = Vm::attach(pid)?;
        let sampling = Sampling {
            frequency_hz: options.frequency_hz,
            clock: options.clock,
            erlang_bytes: options.erlang_stack_bytes,
            native_bytes: options.native_stack_bytes,
            ring_bytes: options.ring_bytes(),
        };
        let capture_options = capture_options(&vm, sampling)?;
        let target = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let origin_ns = monotonic_ns();
        let manifest = manifest(&vm, &options, Clocks::new(origin_ns, realtime_ns()));
        let mut symbolizer = Symbolizer::new(vm);
        let mut capture = Capture::load(&capture_options)?;
        // After the probe is in place and before the first sample: nothing falls between.
        symbolizer.read_code()?;
        // Created last: a refused target leaves no directory behind.
        let writer = Writer::create(&options.output, manifest.clone(), WriterOptions::default())?;
        let mut pipeline = Pipeline::new(symbolizer, writer, origin_ns);
        capture.start_ticks()?;
        pipeline.update_mappings();
        pipeline.read_threads();
        let mut recorder = Recorder {
            options,
            capture,
            pipeline,
            manifest,
            target,
            started,
            origin_ns,
            started_ns,
            cost_before,
            counters: Counters::default(),
            counted_ns: origin_ns,
        };
        recorder.manifest.options.clock = recorder.capture.clock().as_str().to_owned();
        recorder.flush()?;
        Ok(recorder)
    }

    /// The VM that is being recorded.
    #[must_use]
    pub fn vm(&self) -> &Vm {
        self.pipeline.symbolizer.vm()
    }

    /// Which clock samples are taken by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.capture.clock()
    }

    /// Captures until it is told to stop, the time is up, or the target ends.
    ///
    /// # Errors
    /// When the recording cannot be written any more; what was written before stays.
    pub fn run(
        &mut self,
        stop: &Stop,
        mut progress: impl FnMut(&Progress),
    ) -> Result<EndedHow, SessionError> {
        let every = self.options.drain_every();
        let mut flushed = Instant::now();
        let mut told = Instant::now();
        loop {
            let target_ended = self.wait(every);
            self.drain()?;
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.flush()?;
                self.follow()?;
            }
            if told.elapsed() >= Duration::from_millis(100) {
                told = Instant::now();
                progress(&self.progress());
            }
            if target_ended {
                return Ok(EndedHow::TargetExited);
            }
            if stop.is_set() {
                return Ok(EndedHow::Interrupted);
            }
            let over = |duration| self.started.elapsed() >= duration;
            if self.options.duration.is_some_and(over) {
                return Ok(EndedHow::Duration);
            }
        }
    }

    /// Stops capturing and completes the recording.
    ///
    /// # Errors
    /// When it cannot be completed; what was captured stays and opens.
    pub fn finish(
        mut self,
        ended: EndedHow,
        note: Option<String>,
    ) -> Result<Summary, SessionError> {
        self.capture.stop();
        let drained = self.drain();
        self.write_losses();
        let duration_ns = monotonic_ns().saturating_sub(self.origin_ns);
        let counters = self.counters;
        let statistics = self.pipeline.symbolizer.statistics();
        let distinct = self.pipeline.symbolizer.counts();
        let mut manifest = self.manifest.clone();
        self.fill_totals(&mut manifest, &counters, &statistics);
        let note = note.or_else(|| drained.err().map(|error| error.to_string()));
        let losses = manifest.losses.clone();
        manifest.ended = Some(Ended {
            how: ended,
            at_ns: duration_ns as i64,
            note: note.clone(),
        });
        let cost = self.cost();
        manifest.recorder.cpu_ns = cost.cpu_ns;
        manifest.recorder.peak_rss_bytes = cost.peak_rss_bytes;
        manifest.recorder.bytes_written = self.pipeline.writer().bytes_written();
        let code_note = match self.capture.code_following() {
            CodeFollowing::Exact => None,
            CodeFollowing::Polling(why) => Some(why.clone()),
        };
        let clock = self.capture.clock();
        let first_sample = self.first_sample_ns().map(Duration::from_nanos);
        let cost_before = self.cost_before;
        drop(self.capture);
        let finished = self.pipeline.into_writer().finish(manifest)?;
        let cost = since(cost_before);
        Ok(Summary {
            path: finished.path,
            ended,
            note,
            duration: Duration::from_nanos(duration_ns),
            clock,
            counters,
            statistics,
            distinct,
            first_sample,
            cost,
            bytes: finished.bytes,
            code_note,
            losses,
        })
    }

    /// Waits for the next drain; true when the target has ended meanwhile.
    fn wait(&self, time: Duration) -> bool {
        let Some(target) = &self.target else {
            std::thread::sleep(time);
            return false;
        };
        let mut events = [PollFd::new(target, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        // A signal ends the wait early, which does no harm.
        matches!(poll(&mut events, Some(&timeout)), Ok(ready) if ready > 0)
    }

    fn drain(&mut self) -> Result<(), SessionError> {
        let pipeline = &mut self.pipeline;
        self.capture.drain(&mut |event| pipeline.handle(event))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SessionError> {
        self.write_losses();
        let now = self.now();
        let cost = self.cost();
        let writer = self.pipeline.writer();
        let mut point = |metric: &str, value: f64| {
            writer.series(&SeriesPoint {
                ts_ns: now,
                proc: None,
                metric: metric.to_owned(),
                value,
            });
        };
        point("recorder_cpu_ns", cost.cpu_ns as f64);
        point("recorder_peak_rss_bytes", cost.peak_rss_bytes as f64);
        point("program_busy_ns", self.counters.busy_ns as f64);
        match writer.flush() {
            Ok(()) => Ok(()),
            Err(error @ RecordingError::DiskFull { .. }) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// What may have changed in the target without an event.
    fn follow(&mut self) -> Result<(), SessionError> {
        if *self.capture.code_following() != CodeFollowing::Exact {
            let now = monotonic_ns();
            let mut fresh = CodeMap::new();
            if self.vm().list_code(&mut fresh).is_ok() {
                self.pipeline.symbolizer.code_mut().replace(fresh, now);
            }
        }
        // Schedulers of a VM that was still starting.
        if self.pipeline.symbolizer.statistics().on_scheduler == 0
            && let Ok(schedulers) = self.vm().schedulers()
        {
            for scheduler in &schedulers {
                let (key, slot) = slot(scheduler);
                self.capture.set_scheduler(&key, &slot)?;
            }
        }
        Ok(())
    }

    fn write_losses(&mut self) {
        let Ok(counters) = self.capture.counters() else {
            return;
        };
        let now_ns = monotonic_ns();
        let since_origin = |ns: u64| ns.saturating_sub(self.origin_ns) as i64;
        let losses = losses::between(
            &self.counters,
            &counters,
            since_origin(self.counted_ns),
            since_origin(now_ns),
        );
        for loss in &losses {
            self.pipeline.writer().loss(loss);
        }
        merge(&mut self.manifest.losses, losses);
        self.counters = counters;
        self.counted_ns = now_ns;
    }

    fn fill_totals(&self, manifest: &mut Manifest, counters: &Counters, seen: &Statistics) {
        let (frames, stacks, processes) = self.pipeline.symbolizer.counts();
        let totals = &mut manifest.totals;
        totals.attempts = counters.attempts;
        totals.recorded = counters.recorded;
        totals.lost = counters.ring_full;
        totals.samples = self.pipeline.samples();
        totals.frames = frames as u64;
        totals.stacks = stacks as u64;
        totals.processes = processes as u64;
        totals.erlang_stacks = seen.erlang_stacks;
        totals.complete_stacks = seen.erlang_complete;
        for (name, value) in [
            ("on_scheduler", seen.on_scheduler),
            ("with_process", seen.with_process),
            ("without_process", seen.without_process),
            ("process_unreadable", seen.process_unreadable),
            ("erlang_in_gc", seen.erlang_in_gc),
            ("erlang_capped", seen.erlang_capped),
            ("native_incomplete", seen.native_incomplete),
            ("unnamed_erlang_frames", seen.unnamed_erlang_frames),
            ("program_busy_ns", counters.busy_ns),
            ("ring_bytes", counters.bytes),
            ("first_sample_after_ns", self.first_sample_ns().unwrap_or(0)),
        ] {
            totals.counters.insert(name.to_owned(), value);
        }
    }

    /// From the call of `start` to the first sample.
    fn first_sample_ns(&self) -> Option<u64> {
        let since_origin = self.pipeline.first_sample_ns()?;
        Some(since_origin + self.origin_ns.saturating_sub(self.started_ns))
    }

    fn now(&self) -> i64 {
        monotonic_ns().saturating_sub(self.origin_ns) as i64
    }

    fn cost(&self) -> Cost {
        since(self.cost_before)
    }

    fn progress(&mut self) -> Progress {
        Progress {
            elapsed: self.started.elapsed(),
            samples: self.pipeline.samples(),
            lost: self.counters.ring_full,
            cpu_ns: self.cost().cpu_ns,
            bytes_written: self.pipeline.writer().bytes_written(),
        }
    }
}

fn since(before: Cost) -> Cost {
    let now = Cost::now();
    Cost {
        cpu_ns: now.cpu_ns.saturating_sub(before.cpu_ns),
        peak_rss_bytes: now.peak_rss_bytes,
    }
}

/// One row per kind, over the whole recording.
fn merge(total: &mut Vec<escope_model::Loss>, losses: Vec<escope_model::Loss>) {
    for loss in losses {
        match total.iter_mut().find(|known| known.place == loss.place) {
            Some(known) => {
                known.to_ns = loss.to_ns;
                known.count += loss.count;
            }
            None => total.push(loss),
        }
    }
}
