//! What one process has, read while it rests: a few tries, none of which waits.

use escope_beam::Vm;
use escope_beam::memory::Memory;
use escope_beam::state::{Reading, Rests, StateCode, StateOptions, read_state};
use escope_beam::term::TermReader;

use crate::cost::monotonic_ns;

/// How often one that ran while it was read is read again.
const TRIES: u32 = 5;

/// Reads a process, given the address of its struct, its pid as a term and its name. Also says when, by
/// `CLOCK_MONOTONIC`, the reading was begun that is told.
pub(crate) fn read_rested<M: Memory>(
    vm: &Vm<M>,
    code: &mut StateCode,
    who: (u64, u64, Option<&str>),
    options: &StateOptions,
) -> (u64, Reading) {
    let reader = TermReader::new(vm);
    let mut tries = 0;
    loop {
        let begun_ns = monotonic_ns();
        let reading = read_state(&reader, vm, code, who, options);
        tries += 1;
        let is_done = match &reading {
            Reading::Exact(state) => state.rests != Rests::InCallback,
            Reading::Ran(_) => false,
            Reading::Gone | Reading::Sensitive | Reading::Unreadable(_) => true,
        };
        if is_done || tries >= TRIES {
            return (begun_ns, reading);
        }
    }
}
