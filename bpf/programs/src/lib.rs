//! The BPF programs, compiled.
