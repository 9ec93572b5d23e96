//! Where each release keeps what we read: the only place that knows OTP versions.
//!
//! A table per release, or several if it changed midway, as data, in `layouts/otp-NN.toml`, with
//! the source of each value; `schema` has its form.
//! Readers ask by name: `layout.process.htop`. Offsets are in bytes.

mod debug_file;
mod dwarf;
mod given;
mod globals;
#[cfg(feature = "image")]
mod known;
mod ladder;
mod proof;
mod releases;
mod scan;
mod schema;
mod symbols;
mod tables;

pub use dwarf::{Datum, Derived, Value, Values, derive, differences};
pub use given::Given;
pub use globals::{Count, Globals, SchedulerArray};
#[cfg(feature = "image")]
pub(crate) use known::recognise;
pub(crate) use ladder::{Found, Target, climb};
pub use releases::{Build, Release, Said};
pub(crate) use scan::{Text, fragment, schedule};
pub use schema::{
    AtomLayout, BifLayout, BitsLayout, BytesLayout, DictionaryLayout, DistLayout, FunLayout,
    HeaderFunLayout, Layout, LinkLayout, MessageLayout, MonitorLayout, NodeLayout, PidLayout,
    PidTableLayout, PortLayout, ProcessLayout, ProcessTableLayout, QueueBuffersLayout,
    RecordLayout, ReferenceLayout, RegProcLayout, RegistersLayout, RelationLayout, SchedulerLayout,
    SleepInfoLayout, SpecificLayout, Status, StoredFunLayout, TermLayout,
};
pub(crate) use symbols::BIFS_MAX;
pub use tables::{known_releases, table_for, table_for_erts};
