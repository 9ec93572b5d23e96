//! The generated skeleton, and the one thing it does not do: take a config as a whole.

#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "generated"
)]
mod generated {
    include!(env!("ESCOPE_SKELETON"));
}

#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "generated"
)]
mod generated_events {
    include!(env!("EVENTS_SKELETON"));
}

#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "generated"
)]
mod generated_watch {
    include!(env!("WATCH_SKELETON"));
}

use std::sync::atomic::{AtomicU64, Ordering};

use escope_wire::{Config, EventConfig, WatchConfig};
pub(super) use generated::{EscopeSkel, EscopeSkelBuilder, OpenEscopeSkel};
pub(super) use generated_events::{EventsSkel, EventsSkelBuilder, OpenEventsSkel};
pub(super) use generated_watch::{OpenWatchSkel, WatchSkel, WatchSkelBuilder};
use zerocopy::IntoBytes;

const _: () = assert!(size_of::<generated::types::config>() == size_of::<Config>());

/// Writes the constants that the verifier will see.
pub(super) fn set_config(open: &mut OpenEscopeSkel<'_>, config: &Config) {
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        let target = std::ptr::from_mut(&mut rodata.config).cast::<u8>();
        let bytes = config.as_bytes();
        // SAFETY: both sides are the same struct, made from one definition, of the size
        // asserted above, without padding; `rodata` is ours alone until the load.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }
}

const _: () =
    assert!(size_of::<generated_events::types::event_config>() == size_of::<EventConfig>());

/// The same for events.
pub(super) fn set_event_config(open: &mut OpenEventsSkel<'_>, config: &EventConfig) {
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        let target = std::ptr::from_mut(&mut rodata.event_config).cast::<u8>();
        let bytes = config.as_bytes();
        // SAFETY: as in `set_config`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }
}

const _: () =
    assert!(size_of::<generated_watch::types::watch_config>() == size_of::<WatchConfig>());

/// The same for calls.
pub(super) fn set_watch_config(open: &mut OpenWatchSkel<'_>, config: &WatchConfig) {
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        let target = std::ptr::from_mut(&mut rodata.watch_config).cast::<u8>();
        let bytes = config.as_bytes();
        // SAFETY: as in `set_config`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }
}

/// How many calls were seen so far, those beyond the limit included.
pub(super) fn calls_taken(skeleton: &WatchSkel<'_>) -> u64 {
    let bss = skeleton.maps.bss_data.as_deref();
    bss.map_or(0, |bss| load(&raw const bss.calls_taken))
}

/// How many of the wanted calls were to be copied so far, likewise.
pub(super) fn copies_taken(skeleton: &WatchSkel<'_>) -> u64 {
    let bss = skeleton.maps.bss_data.as_deref();
    bss.map_or(0, |bss| load(&raw const bss.copies_taken))
}

/// How many code registrations did not fit the ring or could not be read.
pub(super) fn code_doubts(skeleton: &EscopeSkel<'_>) -> u64 {
    let bss = skeleton.maps.bss_data.as_deref();
    bss.map_or(0, |bss| load(&raw const bss.code_doubts))
}

/// How many code registrations were put into the ring.
pub(super) fn code_records(skeleton: &EscopeSkel<'_>) -> u64 {
    let bss = skeleton.maps.bss_data.as_deref();
    bss.map_or(0, |bss| load(&raw const bss.code_records))
}

/// Tells in which window, from 1, all probes are in place; 0 for none.
pub(super) fn set_event_window(skeleton: &mut EventsSkel<'_>, window: u64) {
    if let Some(bss) = skeleton.maps.bss_data.as_deref_mut() {
        // SAFETY: a variable of the BPF object, as in `load`, and read only by the kernel.
        let variable = unsafe { AtomicU64::from_ptr(&raw mut bss.event_window) };
        variable.store(window, Ordering::Release);
    }
}

fn load(counter: *const u64) -> u64 {
    // SAFETY: a variable of the BPF object: aligned, mapped shared and writable for as long as
    // the skeleton lives, and written by the kernel with atomic instructions only. It is not
    // written here.
    let counter = unsafe { AtomicU64::from_ptr(counter.cast_mut()) };
    counter.load(Ordering::Acquire)
}
