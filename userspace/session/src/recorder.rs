//! The recorder: start, run, finish.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use escope_beam::Vm;
use escope_capture::{Capture, Clock, CodeFollowing};
use escope_model::Loss;
use escope_recording::{Clocks, Ended, EndedHow, Manifest, SeriesPoint, Writer, WriterOptions};
use escope_symbolizer::Symbolizer;
use escope_wire::Counters;

use crate::checkpoints::Checkpoints;
use crate::cost::{monotonic_ns, realtime_ns, target_cpu_ns};
use crate::events::Events;
use crate::intake::Intake;
use crate::manifest::manifest;
use crate::options::RecordOptions;
use crate::outcome::{Checked, EventsSummary, Progress, Stop, Summary};
use crate::pipeline::Pipeline;
use crate::setup::{Sampling, capture_options, leave_no_core, slot};
use crate::target_end::TargetEnd;
use crate::{CheckpointCounts, Cost, SessionError, losses};

/// How often what was captured is made safe on disk.
const FLUSH: Duration = Duration::from_secs(1);
/// How long a record may take that was begun when the probes went.
const UNWRITTEN: Duration = Duration::from_millis(200);
/// A recording under way.
pub struct Recorder {
    options: RecordOptions,
    capture: Capture,
    pipeline: Pipeline,
    manifest: Manifest,
    target: TargetEnd,
    started: Instant,
    origin_ns: u64,
    started_ns: u64,
    cost_before: Cost,
    counters: Counters,
    counted_ns: u64,
    intake: Intake,
    events: Option<Events>,
    checkpoints: Option<Checkpoints>,
    /// The target's CPU time when the timers were started.
    target_cpu_ns: Option<u64>,
    /// What it had used since, and what the samples stood for, when both were last known.
    checked: Option<Checked>,
}

impl Recorder {
    /// Starts capturing a VM.
    ///
    /// # Errors
    /// When the target, the kernel or the disk refuses; nothing is left behind.
    pub fn start(vm: Vm, options: RecordOptions) -> Result<Recorder, SessionError> {
        let cost_before = Cost::now();
        let started = Instant::now();
        let started_ns = monotonic_ns();
        let pid = vm.pid;
        let sampling = Sampling {
            frequency_hz: options.frequency_hz,
            clock: options.clock,
            erlang_bytes: options.erlang_stack_bytes,
            native_bytes: options.native_stack_bytes,
            ring_bytes: options.ring_bytes(),
        };
        let capture_options = capture_options(&vm, sampling)?;
        let mut target = TargetEnd::of(pid);
        let origin_ns = monotonic_ns();
        let manifest = manifest(&vm, &options, Clocks::new(origin_ns, realtime_ns()));
        let mut symbolizer = Symbolizer::new(vm);
        let capture = Capture::load(&capture_options)?;
        // After the probe is in place and before the first sample: nothing falls between.
        let code_listed_ns = monotonic_ns();
        let intake = Intake::new(code_listed_ns, symbolizer.read_code()?);
        if *capture.code_following() != CodeFollowing::Exact {
            symbolizer.read_all_names();
            symbolizer.read_dump();
        }
        let limits = &options.event_limits;
        if limits.states.is_some() && *capture.code_following() == CodeFollowing::Exact {
            // A copy is read with the names that are known by then.
            symbolizer.read_all_names();
        }
        let events = match options.has_events() {
            false => None,
            true => Some(Events::load(
                &symbolizer,
                options.events,
                &options.natives,
                &options.event_limits,
                origin_ns,
            )?),
        };
        if let Some(ring) = events.as_ref().and_then(Events::wakes) {
            target.or_woken_by(ring);
        }
        if options.event_limits.payload.is_some() || options.event_limits.states.is_some() {
            leave_no_core();
        }
        // Created last: a refused target leaves no directory behind.
        let writer = Writer::create(&options.output, manifest.clone(), WriterOptions::default())?;
        let pipeline = Pipeline::new(symbolizer, writer, origin_ns);
        let checkpoints = options.plan();
        let mut recorder = Recorder {
            checkpoints,
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
            intake,
            events,
            target_cpu_ns: None,
            checked: None,
        };
        recorder.manifest.options.clock = recorder.capture.clock().as_str().to_owned();
        recorder.manifest.options.code_following = recorder.code_following();
        if let Some(events) = &recorder.events {
            recorder.manifest.options.calls = events.natives().to_vec();
        }
        recorder.manifest.options.call_times = recorder.options.natives.times;
        if let Err(error) = recorder.begin() {
            recorder.pipeline.into_writer().abandon();
            return Err(error);
        }
        Ok(recorder)
    }

    /// Starts the timers, and proves that the disk takes what they will give.
    fn begin(&mut self) -> Result<(), SessionError> {
        // What takes long comes before: the VM may free its descriptions of code while they
        // wait to be read.
        self.pipeline.update_mappings();
        self.pipeline.read_threads();
        self.drain()?;
        self.target_cpu_ns = target_cpu_ns(self.vm().pid);
        if let Some(events) = &mut self.events {
            events.keep_to_budget(&mut self.pipeline)?;
        }
        self.capture.start_ticks()?;
        self.flush()
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
        let mut flushed = Instant::now();
        let mut told = Instant::now();
        let mut behind = false;
        // From when on everything that was asked for is watched.
        let mut began = None;
        loop {
            let watched = self.events.as_ref().is_some_and(Events::is_watching);
            let is_reading = self.checkpoints.as_ref().is_some_and(Checkpoints::is_open);
            let every = self.options.drain_every(watched || is_reading);
            let target_ended = self
                .target
                .wait(if behind { Duration::ZERO } else { every });
            behind = self.drain()?;
            if flushed.elapsed() >= FLUSH || self.pipeline.is_heavy() {
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
                self.last_checkpoint()?;
                return Ok(EndedHow::Interrupted);
            }
            if !behind {
                self.checkpoint();
            }
            if began.is_none() && self.events.as_ref().is_none_or(Events::has_begun) {
                began = Some(Instant::now());
            }
            let over = |duration| began.is_some_and(|began: Instant| began.elapsed() >= duration);
            if self.options.duration.is_some_and(over) {
                self.last_checkpoint()?;
                return Ok(EndedHow::Duration);
            }
        }
    }

    /// Stops capturing and completes the recording. Whatever goes wrong, what was written
    /// before opens, and the summary tells what it is.
    #[must_use]
    pub fn finish(mut self, ended: EndedHow, note: Option<String>) -> Summary {
        // Before the timers go, which takes a while: the target runs on meanwhile.
        let target_used = target_cpu_ns(self.vm().pid);
        self.capture.stop();
        let closed = self.close_events();
        // To take what was seen may take long where that was much; it is of before.
        let ended_ns = monotonic_ns();
        let last = self.last_events();
        let drained = self.intake.take_all(&mut self.capture, &mut self.pipeline);
        if let Some(events) = &mut self.events {
            events.finish(ended_ns, &mut self.pipeline);
        }
        let drained = drained.and(closed).and(last);
        if ended != EndedHow::TargetExited {
            self.compare_cpu(target_used);
        }
        self.write_losses();
        let duration_ns = ended_ns.saturating_sub(self.origin_ns);
        self.fill_totals();
        let note = note.or_else(|| drained.err().map(|error| error.to_string()));
        let cost = self.cost();
        let mut manifest = mem::take(&mut self.manifest);
        manifest.ended = Some(Ended {
            how: ended,
            at_ns: duration_ns as i64,
            note: note.clone(),
        });
        manifest.recorder.cpu_ns = cost.cpu_ns;
        manifest.recorder.peak_rss_bytes = cost.peak_rss_bytes;
        manifest.recorder.bytes_written = self.pipeline.writer().bytes_written();
        let mut summary = Summary {
            path: self.pipeline.writer().path().to_owned(),
            ended,
            note,
            duration: Duration::from_nanos(duration_ns),
            clock: self.capture.clock(),
            counters: self.counters,
            events: self.events_summary(),
            checkpoints: self.checkpoint_counts(),
            statistics: self.pipeline.symbolizer.statistics(),
            distinct: self.pipeline.symbolizer.counts(),
            first_sample: self.first_sample_ns().map(Duration::from_nanos),
            cost,
            bytes: manifest.recorder.bytes_written,
            code_note: self.code_note(),
            losses: manifest.losses.clone(),
            checked: self.checked,
            problem: None,
        };
        let mapped_twice = self.mapped_twice();
        drop(self.capture);
        let finished = self.pipeline.into_writer().finish(&mut manifest);
        summary.losses = manifest.losses;
        if let Some(ended) = manifest.ended {
            summary.ended = ended.how;
        }
        match finished {
            Ok(finished) => summary.bytes = finished.bytes,
            Err(error) => summary.problem = Some(Arc::new(error.into())),
        }
        summary.cost = since(self.cost_before, mapped_twice);
        summary
    }

    /// Reads some more of the processes, if that is wanted now.
    fn checkpoint(&mut self) {
        // What happens since it is to be known: so events come first.
        if self.intake.waits() || !self.events.as_ref().is_none_or(Events::has_begun) {
            return;
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            let sound = || self.intake.is_sound(&self.capture);
            let events = self.events.as_mut();
            if checkpoints
                .step(events, &mut self.pipeline, &sound)
                .is_err()
            {
                // A VM that is about to end: what was read of it stays.
                checkpoints.give_up();
            }
        }
    }

    /// The one at the end, while events are still watched.
    fn last_checkpoint(&mut self) -> Result<(), SessionError> {
        let since = Instant::now();
        while let Some(checkpoints) = self.checkpoints.as_mut().filter(|it| it.has_last()) {
            let sound = || self.intake.is_sound(&self.capture);
            let events = self.events.as_mut();
            match checkpoints.last(since, events, &mut self.pipeline, &sound) {
                Ok(true) => self.drain()?,
                Ok(false) | Err(_) => return Ok(()),
            };
        }
        Ok(())
    }

    /// Removes the probes.
    fn close_events(&mut self) -> Result<(), SessionError> {
        match &mut self.events {
            Some(events) => events.end(&mut self.pipeline),
            None => Ok(()),
        }
    }

    /// Takes what they have seen.
    fn last_events(&mut self) -> Result<(), SessionError> {
        let Some(events) = &mut self.events else {
            return Ok(());
        };
        // All that is in the ring: nobody else will take it. One that is still being written is waited for, as
        // those behind it are.
        let begun = Instant::now();
        loop {
            let more = events.fetch()?;
            if events.is_full() {
                self.intake.take(&mut self.capture, &mut self.pipeline)?;
                let sound = || self.intake.is_sound(&self.capture);
                events.write(&mut self.pipeline, &sound);
            } else if !more && events.has_unwritten() {
                if begun.elapsed() < UNWRITTEN {
                    std::thread::sleep(Duration::from_millis(1));
                } else if !events.pass_over() {
                    return Ok(());
                }
            } else if !more {
                return Ok(());
            }
        }
    }

    fn drain(&mut self) -> Result<bool, SessionError> {
        // Before the code: what an event lies in was registered before.
        let mut more = match &mut self.events {
            Some(events) => {
                let more = events.fetch()?;
                events.keep_to_budget(&mut self.pipeline)?;
                more
            }
            None => false,
        };
        more |= self.intake.take(&mut self.capture, &mut self.pipeline)?;
        if let Some(events) = &mut self.events
            && !self.intake.waits()
        {
            let sound = || self.intake.is_sound(&self.capture);
            events.write(&mut self.pipeline, &sound);
        }
        Ok(more)
    }

    fn flush(&mut self) -> Result<(), SessionError> {
        self.write_losses();
        self.compare_cpu(target_cpu_ns(self.vm().pid));
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
        writer.flush()?;
        self.pipeline.written();
        // What is known when the recorder is killed.
        self.fill_totals();
        self.save_manifest()
    }

    fn save_manifest(&mut self) -> Result<(), SessionError> {
        let manifest = self.manifest.clone();
        Ok(self.pipeline.writer().save_manifest(manifest)?)
    }

    fn code_note(&self) -> Option<String> {
        match self.capture.code_following() {
            CodeFollowing::Exact => None,
            CodeFollowing::Polling(why) => Some(why.clone()),
        }
    }

    /// As the manifest has it.
    fn code_following(&self) -> String {
        self.code_note()
            .map_or_else(|| "exact".to_owned(), |why| format!("polled: {why}"))
    }

    /// Notes what the target has used and what the samples stand for. One that is gone has no
    /// accounts any more: then the last pair stands.
    fn compare_cpu(&mut self, used: Option<u64>) {
        if let (Some(before), Some(used)) = (self.target_cpu_ns, used) {
            self.checked = Some(Checked {
                period_ns: 1_000_000_000 / u64::from(self.options.frequency_hz).max(1),
                target_cpu_ns: used.saturating_sub(before),
                sampled_cpu_ns: self.pipeline.sampled_ns(),
            });
        }
    }

    /// What may have changed in the target without an event.
    fn follow(&mut self) -> Result<(), SessionError> {
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
        let mut losses = losses;
        let unseen = self.pipeline.take_code_unseen();
        losses.extend(losses::code_unseen(
            unseen,
            since_origin(self.counted_ns),
            since_origin(now_ns),
        ));
        if let Some(events) = &mut self.events {
            for window in events.take_windows() {
                self.pipeline.writer().window(&window);
            }
            let (lost, given_up) = events.take_losses();
            for it in lost {
                let (from_ns, to_ns) = (since_origin(it.from_ns), since_origin(it.to_ns));
                losses.push(losses::events(it.count, from_ns, to_ns));
            }
            let (from_ns, to_ns) = (since_origin(self.counted_ns), since_origin(now_ns));
            losses.extend(losses::given_up(given_up, from_ns, to_ns));
            let unwritten = events.take_unwritten();
            losses.extend(losses::unwritten(unwritten, from_ns, to_ns));
        }
        for loss in &losses {
            self.pipeline.writer().loss(loss);
        }
        merge(&mut self.manifest.losses, losses);
        self.counters = counters;
        self.counted_ns = now_ns;
    }

    fn events_summary(&mut self) -> Option<EventsSummary> {
        let vm = self.pipeline.symbolizer.vm();
        self.events.as_mut().map(|events| events.summary(vm))
    }

    fn fill_totals(&mut self) {
        let events = self.events_summary();
        let (frames, stacks, processes) = self.pipeline.symbolizer.counts();
        let (counters, seen) = (self.counters, self.pipeline.symbolizer.statistics());
        let checkpoints = self.checkpoint_counts();
        let first_sample_ns = self.first_sample_ns().unwrap_or(0);
        let checked = self.checked.unwrap_or_default();
        let totals = &mut self.manifest.totals;
        totals.attempts = counters.attempts;
        totals.recorded = counters.recorded;
        totals.lost = counters.ring_full;
        totals.samples = self.pipeline.samples();
        totals.frames = frames as u64;
        totals.stacks = stacks as u64;
        totals.processes = processes as u64;
        totals.erlang_stacks = seen.erlang_stacks;
        totals.complete_stacks = seen.erlang_complete;
        for (name, value) in events.iter().flat_map(EventsSummary::counters) {
            totals.counters.insert(name.to_owned(), value);
        }
        self.manifest.events = events.map(|events| escope_recording::Events {
            unseen: events.missing,
            hits: (events.hits.into_iter())
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        });
        let totals = &mut self.manifest.totals;
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
            ("first_sample_after_ns", first_sample_ns),
            ("sampled_cpu_ns", checked.sampled_cpu_ns),
            ("target_cpu_ns", checked.target_cpu_ns),
            ("checkpoints", u64::from(checkpoints.checkpoints)),
            ("checkpoint_cpu_ns", checkpoints.cpu_ns),
        ] {
            totals.counters.insert(name.to_owned(), value);
        }
    }

    fn checkpoint_counts(&self) -> CheckpointCounts {
        let checkpoints = self.checkpoints.as_ref();
        checkpoints.map(Checkpoints::counts).unwrap_or_default()
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
        since(self.cost_before, self.mapped_twice())
    }

    fn mapped_twice(&self) -> u64 {
        self.capture.ring_bytes()
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

/// Memory that is mapped twice, and so counted, is told once.
fn since(before: Cost, mapped_twice: u64) -> Cost {
    let now = Cost::now();
    Cost {
        cpu_ns: now.cpu_ns.saturating_sub(before.cpu_ns),
        peak_rss_bytes: now.peak_rss_bytes.saturating_sub(mapped_twice),
    }
}

/// One row per kind, over the whole recording.
fn merge(total: &mut Vec<Loss>, losses: Vec<Loss>) {
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
