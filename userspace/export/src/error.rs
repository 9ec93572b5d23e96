//! What can go wrong while writing.

use std::io;

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A picture of nothing: no sample passed the filter.
    #[error("no samples to draw; widen the filter or record for longer")]
    Empty,
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
