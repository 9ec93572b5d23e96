//! Loads the BPF programs, opens events, drains the ring.
