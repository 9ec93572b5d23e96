//! Reads segments: their whole batches, and what is wrong with the rest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MessageHeader;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_schema::{Schema, SchemaRef};

use super::message::{End, MessageReader, Next, RawMessage};
use crate::error::{Problem, RecordingError};
use crate::input::decode;
use crate::tables::{Row, Timed};

/// Reads one segment batch by batch.
pub(crate) struct SegmentReader {
    messages: MessageReader,
    columns: Option<Columns>,
}

/// The columns of a segment, and which of them are decoded: those that are known.
#[derive(Clone)]
struct Columns {
    schema: SchemaRef,
    known: Vec<usize>,
}

impl Columns {
    fn of<R: Row>(schema: Schema) -> Result<Columns, String> {
        let mut known = Vec::new();
        for wanted in R::fields() {
            let found = schema.fields().iter().enumerate();
            for (number, field) in found.filter(|(_, field)| field.name() == wanted.name()) {
                if !field.data_type().equals_datatype(wanted.data_type()) {
                    return Err(format!(
                        "column {} is {} and not {}",
                        wanted.name(),
                        field.data_type(),
                        wanted.data_type()
                    ));
                }
                known.push(number);
            }
        }
        let schema = schema.into();
        Ok(Columns { schema, known })
    }
}

/// What comes next in a segment.
pub(crate) enum Item<R> {
    /// A batch and where it starts.
    Rows(u64, Vec<R>),
    /// A batch that does not decode, and why.
    Unreadable(String),
    /// Nothing more.
    End(End),
}

impl SegmentReader {
    /// Opens a segment.
    pub(crate) fn open(path: &Path) -> Result<SegmentReader, RecordingError> {
        Ok(SegmentReader {
            messages: MessageReader::open(path)?,
            columns: None,
        })
    }

    /// The batch that starts at an offset that an earlier pass found.
    pub(crate) fn batch_at<R: Row>(&mut self, offset: u64) -> Result<Item<R>, RecordingError> {
        if self.columns.is_none() {
            self.messages.seek(0)?;
            if let Some(end) = self.read_schema::<R>()? {
                return Ok(Item::End(end));
            }
        }
        self.messages.seek(offset)?;
        self.next()
    }

    /// The next batch.
    pub(crate) fn next<R: Row>(&mut self) -> Result<Item<R>, RecordingError> {
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => match (self.read_schema::<R>()?, &self.columns) {
                (None, Some(columns)) => columns.clone(),
                (end, _) => return Ok(Item::End(end.unwrap_or(End::Whole))),
            },
        };
        let message = match self.messages.next()? {
            Next::Message(message) => message,
            Next::End(end) => return Ok(Item::End(end)),
        };
        let mut rows = Vec::new();
        let read = decode(|| R::read(&batch_of(&message, &columns)?, &mut rows));
        Ok(match read {
            Ok(()) => Item::Rows(message.offset, rows),
            Err(what) => Item::Unreadable(what),
        })
    }

    /// Reads the first message; how the segment ends if it is no schema.
    fn read_schema<R: Row>(&mut self) -> Result<Option<End>, RecordingError> {
        let message = match self.messages.next()? {
            Next::Message(message) => message,
            Next::End(end) => return Ok(Some(end)),
        };
        let columns = decode(|| {
            let header = message.header()?;
            let schema = header
                .header_as_schema()
                .ok_or("it does not start with a schema")?;
            Columns::of::<R>(try_fb_to_schema(schema).map_err(|e| e.to_string())?)
        });
        match columns {
            Ok(columns) => {
                self.columns = Some(columns);
                Ok(None)
            }
            Err(what) => Ok(Some(End::Damaged(message.body.len() as u64, what))),
        }
    }
}

/// Decodes a message, after checking that its buffers lie within its body.
fn batch_of(message: &RawMessage, columns: &Columns) -> Result<RecordBatch, String> {
    let header = message.header()?;
    if header.header_type() != MessageHeader::RecordBatch {
        return Err("a message is no batch".to_owned());
    }
    let batch = header.header_as_record_batch().ok_or("a batch is empty")?;
    if batch.compression().is_some() {
        return Err("a batch is compressed".to_owned());
    }
    check_shape(&batch, &message.body)?;
    read_record_batch(
        &message.body,
        batch,
        columns.schema.clone(),
        &HashMap::new(),
        Some(&columns.known),
        &header.version(),
    )
    .map_err(|e| e.to_string())
}

fn check_shape(batch: &arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<(), String> {
    // A row takes some bits in some buffer, so more rows than bits are a lie.
    let most = i64::try_from(body.len().saturating_mul(8)).unwrap_or(i64::MAX);
    let nodes = batch.nodes().into_iter().flatten();
    if !(0..=most).contains(&batch.length())
        || nodes
            .into_iter()
            .any(|node| !(0..=most).contains(&node.length()))
    {
        return Err("a batch states an impossible number of rows".to_owned());
    }
    let end_of = |buffer: &arrow_ipc::Buffer| {
        let offset = u64::try_from(buffer.offset()).ok()?;
        offset.checked_add(u64::try_from(buffer.length()).ok()?)
    };
    let fits = |buffer| end_of(buffer).is_some_and(|end| end <= body.len() as u64);
    if !batch.buffers().into_iter().flatten().all(fits) {
        return Err("a batch's buffer lies outside of it".to_owned());
    }
    Ok(())
}

/// Reads every whole batch of segments in order. Returns what could not be read.
///
/// A last segment that is merely cut is what a killed recorder leaves, and is told
/// apart from damage by its wording only: both lose rows.
pub(crate) fn scan<R: Row>(
    segments: &[PathBuf],
    mut each: impl FnMut(usize, u64, Vec<R>),
) -> Result<Vec<Problem>, RecordingError> {
    let mut problems = Vec::new();
    for (number, path) in segments.iter().enumerate() {
        let mut reader = SegmentReader::open(path)?;
        let mut unreadable = 0_u64;
        let mut why = String::new();
        let end = loop {
            match reader.next()? {
                Item::Rows(offset, rows) => each(number, offset, rows),
                Item::Unreadable(what) => {
                    unreadable += 1;
                    why = what;
                }
                Item::End(end) => break end,
            }
        };
        if unreadable > 0 {
            let what = format!("{unreadable} batches are damaged and were skipped: {why}");
            problems.push(Problem::in_file(path, what));
        }
        match end {
            End::Whole => {}
            End::Cut(bytes) => problems.push(Problem::in_file(
                path,
                format!("cut in the middle of a batch, its {bytes} bytes are not readable"),
            )),
            End::Damaged(bytes, what) => problems.push(Problem::in_file(
                path,
                format!("damaged, the last {bytes} bytes are not readable: {what}"),
            )),
        }
    }
    Ok(problems)
}

/// Where a batch is, and the times of its first and last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchPlace {
    /// Which segment.
    pub(crate) segment: usize,
    /// Where in it.
    pub(crate) offset: u64,
    /// The earliest row.
    pub(crate) min_ns: i64,
    /// The latest row.
    pub(crate) max_ns: i64,
}

/// Finds every batch that has rows.
pub(crate) fn index<R: Timed>(
    segments: &[PathBuf],
) -> Result<(Vec<BatchPlace>, Vec<Problem>), RecordingError> {
    let mut places = Vec::new();
    let problems = scan::<R>(segments, |segment, offset, rows| {
        let times = || rows.iter().map(Timed::ts_ns);
        if let (Some(min_ns), Some(max_ns)) = (times().min(), times().max()) {
            places.push(BatchPlace {
                segment,
                offset,
                min_ns,
                max_ns,
            });
        }
    })?;
    Ok((places, problems))
}
