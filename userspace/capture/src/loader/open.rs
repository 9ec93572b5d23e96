//! Loading the programs, and trying whether this kernel would.

use std::mem::MaybeUninit;
use std::path::Path;

use escope_wire::{Config, ERLANG_BOTTOM_BYTES, KERNEL_BYTES_MAX, PROCESS_BYTES, SampleHead};
use libbpf_rs::ErrorKind;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use super::skeleton::{self, EscopeSkel, EscopeSkelBuilder};
use super::{failed, namespace};
use crate::ticks::{self, ClockChoice};
use crate::{CaptureError, cpus};

/// What this kernel can do for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSupport {
    /// Which clock samples would be taken by.
    pub clock: &'static str,
}

/// A config like a real one: the verifier takes limits of zero for dead code, and what is
/// left is another program.
fn plausible() -> Config {
    Config {
        tgid: u32::MAX,
        process_bytes: 776,
        erlang_bytes: 64 * 1024,
        native_bytes: 64 * 1024,
        jit_descriptor: 1,
        atom_proc_lib: 1,
        atom_initial_call: 1,
        process_htop_at: 80,
        process_stop_at: 88,
        process_heap_at: 128,
        process_hend_at: 136,
        process_reg_at: 48,
        process_initial_at: 448,
        process_dictionary_at: 416,
        process_current_at: 472,
        process_scheduler_at: 760,
        process_state_at: 640,
        process_state_gc: 1 << 17,
        dictionary_size_at: 8,
        dictionary_data_at: 24,
        ..Config::default()
    }
}

/// Loads the programs, opens the timers and removes both again.
///
/// # Errors
/// What [`crate::Capture::load`] would fail with.
pub fn probe_kernel() -> Result<KernelSupport, CaptureError> {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(CaptureError::NoBtf);
    }
    let (clock, _events) = ticks::open(ClockChoice::Auto, 1, &cpus::online_cpus()?)?;
    namespace::own()?;
    load(plausible(), RING_BYTES_MIN)?;
    Ok(KernelSupport {
        clock: clock.as_str(),
    })
}

/// The least of the ring that is kept for code registrations: some 800 of them.
const CODE_RING_BYTES: u32 = 64 * 1024;
/// The smallest ring.
const RING_BYTES_MIN: u32 = 4 * CODE_RING_BYTES;

/// Loads the programs with a ring of at least `ring_bytes`.
pub(super) fn load(
    mut config: Config,
    ring_bytes: u32,
) -> Result<EscopeSkel<'static>, CaptureError> {
    // libbpf would write the verifier's log to stderr, thousands of lines.
    libbpf_rs::set_print(None);
    // The skeleton borrows the object for its whole life; one small object per capture is
    // leaked rather than tied into a self-referential struct.
    let object = Box::leak(Box::new(MaybeUninit::uninit()));
    let mut open = EscopeSkelBuilder::default()
        .open(object)
        .map_err(|error| failed("opening the BPF object", &error))?;
    // A few of the largest samples must fit, or those would always be lost.
    let largest = size_of::<SampleHead>() as u32
        + PROCESS_BYTES
        + config.native_bytes
        + KERNEL_BYTES_MAX
        + config.erlang_bytes
        + ERLANG_BOTTOM_BYTES;
    let ring_bytes = ring_bytes
        .max(RING_BYTES_MIN)
        .max(4 * largest)
        .next_power_of_two();
    config.sample_ring_bytes = ring_bytes - CODE_RING_BYTES.max(ring_bytes / 16);
    open.maps
        .ring
        .set_max_entries(ring_bytes)
        .and_then(|()| {
            open.maps
                .drafts
                .set_max_entries(cpus::cpu_limit().unwrap_or(1))
        })
        .map_err(|error| failed("sizing the BPF maps", &error))?;
    skeleton::set_config(&mut open, &config);
    open.load().map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => CaptureError::NotPermitted,
        _ => CaptureError::Load(error.to_string()),
    })
}
