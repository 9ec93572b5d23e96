//! Where an event happened.

use escope_model::{SchedulerId, VmEvent};

/// The scheduler whose thread saw it.
pub(crate) fn scheduler_of(event: &VmEvent) -> Option<SchedulerId> {
    let (kind, number) = event.scheduler?;
    Some(SchedulerId { kind, number })
}
