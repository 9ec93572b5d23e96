//! Reads a BEAM from outside.
