//! SQL over a recording.
