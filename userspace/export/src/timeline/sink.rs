//! What a format must be able to write.

use escope_model::StackId;

use super::tracks::{Track, TrackId};
use crate::ExportError;

/// A format that timelines are written in. A track is declared, after the one that it is below,
/// before the first event on it.
pub trait Sink {
    /// Declares a track.
    ///
    /// # Errors
    /// When it cannot be written.
    fn track(&mut self, track: &Track<'_>) -> Result<(), ExportError>;

    /// Writes what lasted.
    ///
    /// # Errors
    /// When it cannot be written.
    fn slice(&mut self, slice: &Slice<'_>) -> Result<(), ExportError>;

    /// Writes what happened at once.
    ///
    /// # Errors
    /// When it cannot be written.
    fn instant(&mut self, instant: &Instant<'_>) -> Result<(), ExportError>;

    /// Writes the value that a counter has from a time on, nanoseconds since the
    /// recording's start.
    ///
    /// # Errors
    /// When it cannot be written.
    fn counter(&mut self, track: TrackId, ts_ns: i64, value: f64) -> Result<(), ExportError>;

    /// Nothing comes any more.
    ///
    /// # Errors
    /// When the rest cannot be written.
    fn finish(&mut self) -> Result<(), ExportError>;
}

/// What lasted, from when to when.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    /// Where.
    pub track: TrackId,
    /// Nanoseconds since the recording's start.
    pub start_ns: i64,
    /// The same, not before it.
    pub end_ns: i64,
    /// What sort of thing, one of few.
    pub category: &'static str,
    /// What is written on it.
    pub name: &'a str,
    /// What else is known.
    pub args: &'a [Arg<'a>],
}

/// What happened at once.
#[derive(Debug, Clone, Copy)]
pub struct Instant<'a> {
    /// Where.
    pub track: TrackId,
    /// Nanoseconds since the recording's start.
    pub ts_ns: i64,
    /// What sort of thing, one of few.
    pub category: &'static str,
    /// What is written on it.
    pub name: &'a str,
    /// What else is known.
    pub args: &'a [Arg<'a>],
    /// Which other instant it is an end of a flow with.
    pub flow: Option<Flow>,
    /// Where in the code a sample was taken.
    pub stack: Option<StackId>,
}

/// An end of a flow. Each has both, and no other has its number, which is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// What leads from one instant to the other.
    pub sort: FlowSort,
    /// Its number.
    pub id: u64,
    /// Which end.
    pub end: FlowEnd,
}

/// What leads from one instant to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowSort {
    /// From who sent it to who received it.
    Message,
    /// From a parent to its child.
    Spawn,
}

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowEnd {
    /// It begins here.
    Out,
    /// It ends here.
    In,
}

impl FlowSort {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FlowSort::Message => "message",
            FlowSort::Spawn => "spawn",
        }
    }
}

/// A name, which is one of few, and its value.
pub type Arg<'a> = (&'static str, Value<'a>);

/// A value of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// Text that others have too.
    Text(&'a str),
    /// Text that is hardly ever the same.
    Unique(&'a str),
}
