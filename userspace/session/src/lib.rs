//! Attach, pipeline, stop: the only crate with threads.
