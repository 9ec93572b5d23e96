//! Writes a recording while it is recorded.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use escope_model::{
    CheckpointRow, Collection, DistEvent, Frame, FrameId, Life, Loss, Message, ModuleEvent,
    NativeCall, OffCpu, Payload, PortEvent, PortInfo, ProcessInfo, Run, Sample, StackId, StateRow,
    ThreadInfo, Window,
};

use crate::disk::{Disk, RealDisk};
use crate::error::RecordingError;
use crate::manifest::{self, FORMAT_VERSION, Form, Manifest};
use crate::reserve;
use crate::stream::{self, Rotation, StreamWriter};
use crate::tables::{CodeEvent, FrameRow, SeriesPoint, StackRow, Table};

/// How a recording is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriterOptions {
    /// A table's segment that reached this length is followed by a new one.
    pub segment_bytes: u64,
    /// A table's segment that reached this age is followed by a new one.
    pub segment_age: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(600),
        }
    }
}

/// Writes a recording: rows are buffered, and [`Writer::flush`] makes them last.
///
/// Call `flush` about once a second: what was flushed survives anything. A writer
/// that is dropped leaves a recording in stream form, which opens.
pub struct Writer {
    disk: Box<dyn Disk>,
    path: PathBuf,
    rotation: Rotation,
    pub(crate) frames: StreamWriter<FrameRow>,
    pub(crate) stacks: StreamWriter<StackRow>,
    pub(crate) processes: StreamWriter<ProcessInfo>,
    pub(crate) threads: StreamWriter<ThreadInfo>,
    pub(crate) ports: StreamWriter<PortInfo>,
    pub(crate) code: StreamWriter<CodeEvent>,
    pub(crate) series: StreamWriter<SeriesPoint>,
    pub(crate) losses: StreamWriter<Loss>,
    pub(crate) runs: StreamWriter<Run>,
    pub(crate) messages: StreamWriter<Message>,
    pub(crate) payloads: StreamWriter<Payload>,
    pub(crate) lifecycle: StreamWriter<Life>,
    pub(crate) gc: StreamWriter<Collection>,
    pub(crate) off_cpu: StreamWriter<OffCpu>,
    pub(crate) native_calls: StreamWriter<NativeCall>,
    pub(crate) modules: StreamWriter<ModuleEvent>,
    pub(crate) port_events: StreamWriter<PortEvent>,
    pub(crate) dist: StreamWriter<DistEvent>,
    pub(crate) states: StreamWriter<StateRow>,
    pub(crate) checkpoints: StreamWriter<CheckpointRow>,
    pub(crate) windows: StreamWriter<Window>,
    pub(crate) samples: StreamWriter<Sample>,
}

/// Runs a statement for every table of a writer; what a row refers to comes first.
macro_rules! each_table {
    ($writer:ident, $table:ident => $run:expr) => {
        each_table!($writer, $table => $run, frames stacks processes threads ports code series losses
            runs messages payloads lifecycle gc off_cpu native_calls modules port_events dist states checkpoints windows samples)
    };
    ($writer:ident, $table:ident => $run:expr, $($name:ident)*) => {{
        $({
            let $table = &mut $writer.$name;
            $run;
        })*
    }};
}

impl Writer {
    /// Creates a recording, a folder that must not exist, readable by its owner only.
    /// The manifest's format version, form and tables are set here.
    ///
    /// # Errors
    /// If the path is taken, its parent is missing or not writable, or the disk is full.
    pub fn create(
        path: &Path,
        manifest: Manifest,
        options: WriterOptions,
    ) -> Result<Writer, RecordingError> {
        Writer::create_on(Box::new(RealDisk), path, manifest, options)
    }

    pub(crate) fn create_on(
        disk: Box<dyn Disk>,
        path: &Path,
        manifest: Manifest,
        options: WriterOptions,
    ) -> Result<Writer, RecordingError> {
        disk.create_dir(path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => RecordingError::Exists {
                path: path.to_owned(),
            },
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                RecordingError::ParentMissing {
                    path: path.to_owned(),
                }
            }
            _ => RecordingError::io("create", path, e),
        })?;
        let writer = Writer {
            disk,
            path: path.to_owned(),
            rotation: Rotation {
                bytes: options.segment_bytes,
                age: options.segment_age,
            },
            frames: StreamWriter::new(),
            stacks: StreamWriter::new(),
            processes: StreamWriter::new(),
            threads: StreamWriter::new(),
            ports: StreamWriter::new(),
            code: StreamWriter::new(),
            series: StreamWriter::new(),
            losses: StreamWriter::new(),
            runs: StreamWriter::new(),
            messages: StreamWriter::new(),
            payloads: StreamWriter::new(),
            lifecycle: StreamWriter::new(),
            gc: StreamWriter::new(),
            off_cpu: StreamWriter::new(),
            native_calls: StreamWriter::new(),
            modules: StreamWriter::new(),
            port_events: StreamWriter::new(),
            dist: StreamWriter::new(),
            states: StreamWriter::new(),
            checkpoints: StreamWriter::new(),
            windows: StreamWriter::new(),
            samples: StreamWriter::new(),
        };
        let begun = reserve::take(&*writer.disk, path)
            .map_err(|e| RecordingError::io("write to", path, e))
            .and_then(|()| writer.save_manifest(manifest));
        match begun {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.abandon();
                Err(error)
            }
        }
    }

    /// Removes a recording that never began: nothing of it stays.
    pub fn abandon(self) {
        let (disk, path) = self.close();
        for table in Table::ALL {
            for segment in stream::segments(&path, table).unwrap_or_default() {
                let _ = disk.remove(&segment);
            }
        }
        manifest::remove(&*disk, &path);
        reserve::release(&*disk, &path);
        let _ = disk.remove_dir(&path);
    }

    /// Whether a recording can be created here, without creating anything.
    ///
    /// # Errors
    /// If the path is taken or its parent is missing.
    pub fn check_free(path: &Path) -> Result<(), RecordingError> {
        if path.symlink_metadata().is_ok() {
            return Err(RecordingError::Exists {
                path: path.to_owned(),
            });
        }
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => path,
        };
        match parent.is_dir() {
            true => Ok(()),
            false => Err(RecordingError::ParentMissing {
                path: path.to_owned(),
            }),
        }
    }

    /// Replaces the manifest of a recording that goes on, so that its totals are there
    /// if it is cut short.
    ///
    /// # Errors
    /// If the disk refuses; then the old one is there.
    pub fn save_manifest(&self, mut manifest: Manifest) -> Result<(), RecordingError> {
        manifest.format_version = FORMAT_VERSION;
        manifest.form = Form::Streams;
        manifest.tables.clear();
        manifest::save(&*self.disk, &self.path, &manifest)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a sample, in about the order of time.
    pub fn sample(&mut self, sample: &Sample) {
        self.samples.push(*sample);
    }

    /// Adds a distinct stack, leaf first. Ids are sequential from 0.
    pub fn stack(&mut self, stack: StackId, frames: &[FrameId]) {
        let frames = frames.into();
        self.stacks.push(StackRow { stack, frames });
    }

    /// Adds a distinct frame. Ids are sequential from 0.
    pub fn frame(&mut self, id: FrameId, frame: &Frame) {
        let frame = frame.clone();
        self.frames.push(FrameRow { id, frame });
    }

    /// Adds a process, or replaces what was known of it.
    pub fn process(&mut self, process: &ProcessInfo) {
        self.processes.push(process.clone());
    }

    /// Adds a thread, or replaces what was known of it.
    pub fn thread(&mut self, thread: &ThreadInfo) {
        self.threads.push(thread.clone());
    }

    /// Adds code that came or went.
    pub fn code(&mut self, event: &CodeEvent) {
        self.code.push(event.clone());
    }

    /// Adds a value of a metric.
    pub fn series(&mut self, point: &SeriesPoint) {
        self.series.push(point.clone());
    }

    /// Adds a loss.
    pub fn loss(&mut self, loss: &Loss) {
        self.losses.push(loss.clone());
    }

    /// Adds a run, in about the order in which they ended.
    pub fn run(&mut self, run: &Run) {
        self.runs.push(*run);
    }

    /// Adds a message whose fate is known, in about the order in which that was decided.
    pub fn message(&mut self, message: &Message) {
        self.messages.push(message.clone());
    }

    /// Adds what a message said, in the order of sending.
    pub fn payload(&mut self, payload: &Payload) {
        self.payloads.push(payload.clone());
    }

    /// Adds an event of a process's life.
    pub fn life(&mut self, life: &Life) {
        self.lifecycle.push(life.clone());
    }

    /// Adds a garbage collection, in about the order in which they ended.
    pub fn collection(&mut self, collection: &Collection) {
        self.gc.push(*collection);
    }

    /// Adds a signal to another node or from one.
    pub fn dist(&mut self, event: &DistEvent) {
        self.dist.push(event.clone());
    }

    /// Adds what a process had when it came to rest, in the order in which they did.
    pub fn state(&mut self, state: StateRow) {
        self.states.push(state);
    }

    /// Adds what a process was like at a checkpoint, in the order in which they were read.
    pub fn checkpoint(&mut self, row: &CheckpointRow) {
        self.checkpoints.push(*row);
    }

    /// Adds a time in which a scheduler's thread had no CPU, in about the order in which they
    /// ended.
    pub fn off_cpu(&mut self, off_cpu: &OffCpu) {
        self.off_cpu.push(*off_cpu);
    }

    /// Adds a call of a BIF or NIF, in about the order in which they ended.
    pub fn native_call(&mut self, call: &NativeCall) {
        self.native_calls.push(*call);
    }

    /// Adds code that was loaded or purged.
    pub fn module(&mut self, event: &ModuleEvent) {
        self.modules.push(event.clone());
    }

    /// Adds a port, or replaces what was known of it. Ids are sequential from 0.
    pub fn port(&mut self, port: &PortInfo) {
        self.ports.push(port.clone());
    }

    /// Adds an event of a port.
    pub fn port_event(&mut self, event: &PortEvent) {
        self.port_events.push(*event);
    }

    /// Adds a time in which events were watched.
    pub fn window(&mut self, window: &Window) {
        self.windows.push(*window);
    }

    /// Rows that would be lost if the program died now. They are in memory until the
    /// next flush.
    #[must_use]
    pub fn buffered_rows(&self) -> usize {
        self.frames.buffered()
            + self.stacks.buffered()
            + self.processes.buffered()
            + self.threads.buffered()
            + self.ports.buffered()
            + self.code.buffered()
            + self.series.buffered()
            + self.losses.buffered()
            + self.runs.buffered()
            + self.messages.buffered()
            + self.payloads.buffered()
            + self.lifecycle.buffered()
            + self.gc.buffered()
            + self.off_cpu.buffered()
            + self.native_calls.buffered()
            + self.modules.buffered()
            + self.port_events.buffered()
            + self.dist.buffered()
            + self.states.buffered()
            + self.checkpoints.buffered()
            + self.windows.buffered()
            + self.samples.buffered()
    }

    /// Bytes of tables on disk so far.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.frames.bytes()
            + self.stacks.bytes()
            + self.processes.bytes()
            + self.threads.bytes()
            + self.ports.bytes()
            + self.code.bytes()
            + self.series.bytes()
            + self.losses.bytes()
            + self.runs.bytes()
            + self.messages.bytes()
            + self.payloads.bytes()
            + self.lifecycle.bytes()
            + self.gc.bytes()
            + self.off_cpu.bytes()
            + self.native_calls.bytes()
            + self.modules.bytes()
            + self.port_events.bytes()
            + self.dist.bytes()
            + self.states.bytes()
            + self.checkpoints.bytes()
            + self.windows.bytes()
            + self.samples.bytes()
    }

    /// Writes what is buffered and waits until it would survive a power cut. Samples
    /// go last: a sample on disk refers only to what is on disk.
    ///
    /// # Errors
    /// If the disk refuses. What was flushed before stays readable; what could not be
    /// written stays buffered, so a later flush may succeed.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        let (disk, path, rotation) = (&*self.disk, &self.path, self.rotation);
        each_table!(self, table => table.flush(disk, path, rotation)?);
        Ok(())
    }

    /// Ends every segment.
    pub(crate) fn close(mut self) -> (Box<dyn Disk>, PathBuf) {
        each_table!(self, table => table.close());
        (self.disk, self.path)
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.path)
            .field("buffered_rows", &self.buffered_rows())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
