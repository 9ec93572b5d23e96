//! Work for a VM to do.

use super::vm::Load;

/// Work on all schedulers of a machine with two.
pub(super) const BUSY: Load = Load {
    fib: 2,
    schedulers: 2,
    ..EMPTY
};

/// One scheduler, so that who sends and who receives do not wait for one another's CPU.
pub(super) const PING_PONG: Load = Load {
    pairs: 1,
    schedulers: 1,
    ..EMPTY
};

/// A VM with nothing to do; a unit is a millisecond.
pub(super) const IDLE: Load = Load {
    parked: 100_000,
    clock: true,
    ..EMPTY
};

pub(super) const EMPTY: Load = Load {
    fib: 0,
    sort: 0,
    gc: 0,
    ets: 0,
    spawn: 0,
    deep: 0,
    pairs: 0,
    ring: 0,
    elixir: 0,
    parked: 0,
    modules: 0,
    clock: false,
    schedulers: 0,
    is_on_one_cpu: false,
    settings: &[],
    release: None,
    flags: &[],
};

/// Kinds of work, each with a name.
pub(super) const LOADS: [(&str, Load); 7] = [
    ("fib", BUSY),
    ("pingpong", Load { pairs: 2, ..EMPTY }),
    (
        "ring",
        Load {
            ring: 10_000,
            ..EMPTY
        },
    ),
    ("gc", Load { gc: 2, ..EMPTY }),
    ("ets", Load { ets: 2, ..EMPTY }),
    ("elixir", Load { elixir: 4, ..EMPTY }),
    ("spawn", Load { spawn: 2, ..EMPTY }),
];
