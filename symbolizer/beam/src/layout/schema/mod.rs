//! The form of a table: which values it has, by topic.

mod process;
mod relation;
mod term;
mod vm;

use serde::{Deserialize, Serialize};

pub use process::{
    DictionaryLayout, MessageLayout, ProcessLayout, QueueBuffersLayout, RegProcLayout,
    SpecificLayout,
};
pub use relation::{LinkLayout, MonitorLayout, RelationLayout};
pub use term::{
    BitsLayout, BytesLayout, FunLayout, HeaderFunLayout, RecordLayout, ReferenceLayout,
    StoredFunLayout, TermLayout,
};
pub use vm::{
    AtomLayout, BifLayout, DistLayout, NodeLayout, PidLayout, PidTableLayout, PortLayout,
    ProcessTableLayout, RegistersLayout, SchedulerLayout, SleepInfoLayout,
};

/// Structs of which each field is a number, in a table's section.
macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: u32,)* }
        )*
    };
}
use offsets;

/// How sure the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Seen right in a running VM.
    Verified,
    /// From headers alone.
    Unverified,
}

impl Status {
    /// As tables and recordings have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Verified => "verified",
            Status::Unverified => "unverified",
        }
    }
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// OTP release.
    pub otp: u16,
    /// The first ERTS version that it holds for, such as `14.2.4`, where structs changed within
    /// the release; none if it holds from the release's first one.
    #[serde(default)]
    pub erts_from: Option<String>,
    /// Architecture, as Rust names it.
    pub arch: String,
    /// How sure it is.
    pub status: Status,
    /// `ErtsSchedulerData`.
    pub scheduler: SchedulerLayout,
    /// `ErtsSchedulerSleepInfo`.
    pub sleep_info: SleepInfoLayout,
    /// `Process`.
    pub process: ProcessLayout,
    /// Messages.
    pub message: MessageLayout,
    /// Buffers of the in-queue.
    pub queue_buffers: QueueBuffersLayout,
    /// Data that few processes have.
    pub specific: SpecificLayout,
    /// Halves of links and monitors.
    pub relation: RelationLayout,
    /// Links.
    pub link: LinkLayout,
    /// Monitors.
    pub monitor: MonitorLayout,
    /// Terms.
    pub term: TermLayout,
    /// Funs.
    pub fun: FunLayout,
    /// References and external identities.
    pub reference: ReferenceLayout,
    /// `RegProc`.
    pub reg_proc: RegProcLayout,
    /// `ProcDict`.
    pub dictionary: DictionaryLayout,
    /// Atoms.
    pub atom: AtomLayout,
    /// `ErlNode`.
    pub node: NodeLayout,
    /// `BifEntry`.
    pub bif: BifLayout,
    /// The register block.
    pub registers: RegistersLayout,
    /// The process table.
    pub process_table: ProcessTableLayout,
    /// Pids.
    pub pid: PidLayout,
    /// Ports, where that is known.
    pub port: Option<PortLayout>,
    /// What is sent to other nodes, where that is known.
    pub dist: Option<DistLayout>,
}
