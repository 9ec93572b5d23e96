//! One integration binary.
//!
//! Tests lie in modules by what they need, so that a name filter selects them:
//! `cargo test --test suite tier3::`. Those that cannot run on a machine say why and count
//! as passed; with `ESCOPE_REQUIRE_LIVE=1` they fail. `cargo xtask test` runs all tiers.
//!
//! Ground truth comes from the Erlang programs in `tests/beam`, which count what they do.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

#[macro_use]
mod support;

/// Needs nothing but the code.
#[path = "suite"]
mod tier1 {
    mod arrows;
    mod bad_input;
    mod images;
    mod only_calls;
    mod printing;
    mod tidy;
}

/// Starts a real Erlang VM.
#[path = "suite"]
mod tier2 {
    mod names;
    mod pictures;
    pub(super) mod timelines;
    mod workloads;
}

/// Loads BPF programs: root.
#[path = "suite"]
mod tier3 {
    mod attribution;
    mod bad_output;
    mod calls;
    mod checkpoints;
    mod containers;
    mod core;
    mod debug_info;
    mod dist;
    mod doctor;
    mod fixtures;
    mod formats;
    mod frame;
    mod frame_pointers;
    mod history;
    mod hostile_names;
    mod identity;
    mod kill;
    mod launch;
    mod leftovers;
    mod life;
    mod modules;
    mod namespace;
    mod natives;
    mod off_cpu;
    mod payload;
    mod perf;
    mod ports;
    mod rabbitmq;
    mod reasons;
    mod registered;
    mod reload;
    mod servers;
    pub(super) mod snapshot;
    mod split;
    mod state;
    mod stop;
    mod storm;
    mod terms;
    mod tracer;
    mod tracer_ends;
    mod tracer_tls;
    mod traffic;
    mod tree;
    mod unread;
    mod watch;
    mod watch_snapshot;
    mod wedged;
    mod weights;
    mod windows;
}
