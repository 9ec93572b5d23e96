//! What can go wrong while writing.

use std::io;

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A picture of nothing: no sample passed the filter.
    #[error("no samples to draw; widen the filter or record for longer")]
    Empty,
    /// A timeline of nothing: no process or scheduler to draw.
    #[error("nothing to draw: there are no runs; widen the time or record with --events")]
    NoRuns,
    /// A sequence diagram of nothing.
    #[error("no messages to draw between these processes; widen the time or name others")]
    NoMessages,
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Io(#[from] io::Error),
    /// The profile could not be serialized.
    #[error("cannot serialize the profile: {0}")]
    Json(#[from] serde_json::Error),
    /// The drawn picture could not be read back to be coloured.
    #[error("cannot colour the drawn picture: {0}")]
    Xml(#[from] quick_xml::Error),
}
