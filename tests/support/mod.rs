//! The test kit: workloads with known numbers, the program under test, and what is needed
//! to run them. Everything it starts it ends, by its own process id, however a test ends.

#[macro_use]
mod live;
mod ejabberd;
mod escope;
mod folder;
mod listen;
mod node;
pub(crate) mod otp;
mod rabbitmq;
mod recording;
mod server;
mod terminal;
mod workload;

pub(crate) use ejabberd::ejabberd;
pub(crate) use escope::{
    Output, Running, escope, record_all, recorded, start, start_under, start_whole,
};
pub(crate) use folder::{Folder, temp_dir};
pub(crate) use live::enter;
pub(crate) use node::{Node, write_cookie};
pub(crate) use otp::is_system as is_system_otp;
pub(crate) use rabbitmq::RabbitMq;
pub(crate) use recording::small_recording;
pub(crate) use server::{Server, free_port};
pub(crate) use terminal::{HOSTILE, assert_pure};
pub(crate) use workload::{Facts, Workload, unhex};

/// What a variable of the environment says, for runs that are larger than usual.
pub(crate) fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Now on `CLOCK_MONOTONIC`, the clock of workloads and recordings.
pub(crate) fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
