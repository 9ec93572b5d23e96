//! Which probes a selection of events needs, as the kernel half wants to be told.

use escope_beam::layout::{DistLayout, PortLayout, TermLayout};
use escope_beam::probes::{Missing, Place, Probe, Site, What};
use escope_beam::{ProcessBlock, ProcessState, Vm};
use escope_capture::EventSite;
use escope_timeline::StateBits;
use escope_wire::{
    COOKIE_WAY_SHIFT, CopyLayout, EventConfig, NO_REGISTER, PROCESS_BYTES, SITES, WANTED_CALLS_MAX,
    WANTED_NAMES_MAX, way, what,
};

use super::EventSelection;
use crate::SessionError;

/// What a probe sees, the words it takes in the order that the kernel half expects, and how
/// many of them it cannot do without.
type Use = (u32, Probe, &'static [What], usize);

const SCHED: &[Use] = &[
    (what::IN, Probe::ScheduleIn, &[What::Process], 1),
    (what::IN, Probe::DirtyNif, &[What::Process], 1),
    (what::IN, Probe::DirtyBif, &[What::Process], 1),
    (what::IN, Probe::DirtySystemTask, &[What::Process], 1),
    (
        what::OUT,
        Probe::ScheduleOut,
        &[What::Process, What::Reductions],
        2,
    ),
];

const MESSAGES: &[Use] = &[
    (
        what::ENQUEUE,
        Probe::Enqueue,
        &[What::From, What::Receiver, What::First, What::Last],
        4,
    ),
    (
        what::DEQUEUE,
        Probe::Dequeue,
        &[What::Process, What::Message],
        1,
    ),
];

const LIVES: &[Use] = &[
    (what::EXIT, Probe::ContinueExit, &[What::Process], 1),
    (
        what::REGISTER,
        Probe::Register,
        &[What::Registration, What::Process],
        2,
    ),
    (
        what::UNREGISTER,
        Probe::Unregister,
        &[What::Registration],
        1,
    ),
];

const COLLECTIONS: &[Use] = &[
    (what::GC_START, Probe::CollectBegin, &[What::Process], 1),
    (
        what::HIBERNATE_START,
        Probe::HibernateBegin,
        &[What::Process],
        1,
    ),
    (what::GC_END, Probe::CollectEnd, &[What::Process], 1),
    (
        what::HIBERNATE_END,
        Probe::HibernateEnd,
        &[What::Process],
        1,
    ),
];

const CODE: &[Use] = &[
    (
        what::CODE_LOAD,
        Probe::LoadModule,
        &[What::Process, What::Module],
        2,
    ),
    (
        what::CODE_PURGE,
        Probe::PurgeModule,
        &[What::Process, What::Arguments],
        2,
    ),
];

const PORTS: &[Use] = &[
    (
        what::PORT_OPEN,
        Probe::OpenPort,
        &[What::Port, What::Done],
        2,
    ),
    (what::PORT_CLOSE, Probe::ClosePort, &[What::Port], 1),
    (
        what::PORT_OUTPUT,
        Probe::PortOutput,
        &[What::Process, What::Port, What::Data],
        3,
    ),
];

const DIST: &[Use] = &[
    (
        what::DIST_FRAGMENT,
        Probe::DistArrive,
        &[What::Buffer, What::Bytes, What::Entry],
        3,
    ),
    (
        what::DIST_RECEIVE,
        Probe::DistReceive,
        &[What::Control, What::Operation],
        2,
    ),
];

/// What of sending to other nodes is seen.
const SENDS: &[(u32, Probe)] = &[(0, Probe::DistSend), (way::SUSPENDS, Probe::DistSuspend)];

const BYTES: &[What] = &[What::Port, What::Header, What::Bytes];
const TERM: &[What] = &[What::Port, What::Parts, What::Words];
const TERM_TO: &[What] = &[What::Port, What::Parts, What::Words, What::To];

/// The ways in which ports give something to processes.
const INPUTS: &[(u32, Probe, &[What])] = &[
    (way::BYTES, Probe::PortBytes, BYTES),
    (way::BYTES, Probe::PortBinary, BYTES),
    (
        way::VECTOR,
        Probe::PortVector,
        &[What::Port, What::Header, What::Vector, What::Skip],
    ),
    (way::TERM, Probe::PortTerm, TERM),
    (way::TERM_TO, Probe::PortTermTo, TERM_TO),
    (way::ID_TERM, Probe::PortIdTerm, TERM),
    (way::ID_TERM_TO, Probe::PortIdTermTo, TERM_TO),
];

/// Probes whose hits are counted apart, by their numbers from 1, and the functions that they are in: others
/// see the same kind, or they are also hit when there is nothing to see. Where a process begins to run on a
/// normal scheduler is not among them, as it costs: its hits are those of its kind but for these.
pub(super) const COUNTED: [(Probe, &str); 13] = [
    (Probe::DirtyNif, "erts_call_dirty_nif"),
    (Probe::DirtyBif, "erts_call_dirty_bif"),
    (Probe::DirtySystemTask, "erts_execute_dirty_system_task"),
    (Probe::PortBytes, "driver_output2"),
    (Probe::PortBinary, "driver_output_binary"),
    (Probe::PortVector, "driver_outputv"),
    (Probe::PortTerm, "driver_output_term"),
    (Probe::PortTermTo, "driver_send_term"),
    (Probe::PortIdTerm, "erl_drv_output_term"),
    (Probe::PortIdTermTo, "erl_drv_send_term"),
    (Probe::DistSend, "erts_dsig_send"),
    (Probe::DistSuspend, "erts_dsig_send, where it suspends"),
    (Probe::DistArrive, "erts_prepare_dist_ext"),
];
const _: () = assert!(COUNTED.len() < SITES);

/// The number of a probe among those, else 0.
pub(super) fn number(probe: Probe) -> usize {
    let known = COUNTED.iter().position(|(counted, _)| *counted == probe);
    known.map_or(0, |at| at + 1)
}

/// The sites that a selection needs, of those that were found; and those that it lacks.
pub(crate) fn sites(
    found: &[Result<Site, Missing>],
    selection: EventSelection,
    is_filtered: bool,
    has_states: bool,
) -> (Vec<EventSite>, Vec<String>) {
    let (mut sites, mut missing) = (Vec::new(), Vec::new());
    let mut uses: Vec<Use> = Vec::new();
    if selection.sched || has_states {
        uses.extend(SCHED);
    } else if selection.proc || is_filtered {
        // A process shows itself when it first runs, and then the kernel half knows where it is.
        uses.extend(SCHED.iter().filter(|(kind, ..)| *kind == what::IN));
    }
    if selection.gc {
        uses.extend(COLLECTIONS);
    }
    if selection.msg {
        uses.extend(MESSAGES);
    }
    if selection.code {
        uses.extend(CODE);
    }
    if selection.port {
        uses.extend(PORTS);
    }
    if selection.dist {
        uses.extend(DIST);
    }
    // Without exits nobody could tell what became of messages, or who may be forgotten.
    if selection.msg || selection.proc || selection.dist || is_filtered || has_states {
        // Messages from other nodes may be for names.
        uses.extend(LIVES);
    } else {
        uses.extend(LIVES.iter().filter(|(kind, ..)| *kind == what::EXIT));
    }
    for (kind, probe, words, needed) in uses {
        match site(found, kind, probe, words, needed) {
            Ok(site) => sites.push(site),
            Err(why) => missing.push(why),
        }
    }
    let inputs = INPUTS.iter().filter(|_| selection.port);
    let inputs = inputs.map(|&(way, probe, words)| (what::PORT_INPUT, way, probe, words));
    let sends = SENDS.iter().filter(|_| selection.dist);
    let sends = sends.map(|&(way, probe)| (what::DIST_SEND, way, probe, &[What::Context][..]));
    for (kind, way, probe, words) in inputs.chain(sends) {
        match site(found, kind, probe, words, words.len()) {
            Ok(mut site) => {
                site.registers = with_way(site.registers, words.len(), way);
                sites.push(site);
            }
            Err(why) => missing.push(why),
        }
    }
    (sites, missing)
}

/// Has the kernel half copy processes that come to rest. `by_calls` says that every process is looked at
/// when it is born.
///
/// # Errors
/// When what is copied lies elsewhere in this release.
pub(crate) fn copy_states(
    vm: &Vm,
    config: &mut EventConfig,
    selection: EventSelection,
    by_calls: bool,
) -> Result<(), SessionError> {
    config.copies = copy_layout(vm)?;
    let needs_runs = selection.sched
        || selection.msg
        || selection.dist
        || selection.port
        || config.filtered != 0;
    config.states = 1;
    config.out_for_states = u32::from(!selection.sched);
    config.in_for_states = u32::from(!needs_runs && !selection.proc && !by_calls);
    config.births_only = u32::from(!needs_runs);
    let busy = ProcessState::ENDING
        | ProcessState::SUSPENDED
        | ProcessState::DIRTY
        | ProcessState::RUNNABLE;
    config.process_busy = u64::from(busy);
    Ok(())
}

/// What the kernel half must know to copy a process.
///
/// # Errors
/// When what is copied lies elsewhere in this release.
pub(crate) fn copy_layout(vm: &Vm) -> Result<CopyLayout, SessionError> {
    let (process, message) = (&vm.layout.process, &vm.layout.message);
    // Fields that `struct process` declares one after the other (erl_process.h, OTP 25 to 29).
    let is_known = process.stop == process.htop + 8
        && process.hend == process.heap + 8
        && process.old_heap == process.old_hend + 16
        && process.size <= PROCESS_BYTES
        && process.fragment_words >= 24;
    if !is_known {
        return Err(SessionError::NoStates);
    }
    Ok(CopyLayout {
        process_bytes: process.size,
        top_at: process.htop,
        young_at: process.heap,
        old_at: process.old_hend,
        // mbuf, live_hf_end, msg_frag, mbuf_sz.
        fragments_at: process.fragment_words - 24,
        message_next_at: message.next,
        message_attached_at: message.attached,
        message_fragment_at: message.fragment,
        fragment_next_at: message.fragment_next,
        fragment_used_at: message.fragment_used,
        fragment_memory_at: message.fragment_memory,
        reserved: 0,
    })
}

/// Whether runs are seen for nothing but the births among them. Who receives a message shows
/// itself by them too.
pub(crate) fn only_births(selection: EventSelection, is_filtered: bool) -> bool {
    let needs_runs = selection.sched || selection.msg || selection.dist || selection.port;
    selection.proc && !needs_runs && !is_filtered
}

/// The places of values, of which there are at most four, and the way above them.
fn with_way(registers: u32, values: usize, way: u32) -> u32 {
    let places = (1 << (4 * values.min(4))) - 1;
    registers & places | way << COOKIE_WAY_SHIFT
}

fn site(
    found: &[Result<Site, Missing>],
    kind: u32,
    probe: Probe,
    words: &[What],
    needed: usize,
) -> Result<EventSite, String> {
    let site = found.iter().find_map(|found| match found {
        Ok(site) if site.probe == probe => Some(Ok(site)),
        Err(missing) if missing.probe == probe => Some(Err(missing.why.clone())),
        _ => None,
    });
    let site = site.unwrap_or_else(|| Err(format!("no probe for {probe:?}")))?;
    let mut registers = 0;
    for (place, &word) in words.iter().enumerate() {
        let register = match site.place(word) {
            Some(Place::Register(number)) => u32::from(number),
            _ if place >= needed => NO_REGISTER,
            _ => return Err(format!("{}: {word:?} is in no register", site.function)),
        };
        registers |= register << (4 * place);
    }
    Ok(EventSite {
        what: kind,
        file_offset: site.file_offset,
        registers,
        number: number(probe) as u32,
    })
}

pub(crate) fn config(vm: &Vm) -> EventConfig {
    let process = &vm.layout.process;
    let port = |at: fn(&PortLayout) -> u32| vm.layout.port.as_ref().map_or(0, at);
    let dist = |at: fn(&DistLayout) -> u32| vm.layout.dist.as_ref().map_or(0, at);
    let binaries = Binaries::of(&vm.layout.term);
    EventConfig {
        tgid: vm.pid,
        // Filled in where the programs are loaded.
        pid_namespace: 0,
        ring_mask: 0,
        ring_key: 0,
        process_ending: ProcessState::ENDING,
        virtual_reds_at: vm.layout.scheduler.virtual_reductions,
        process_id_at: process.id,
        process_i_at: process.i,
        process_reds_at: process.reds,
        process_state_at: process.state,
        process_parent_at: process.parent,
        process_initial_at: process.initial,
        process_current_at: process.current,
        process_reason_at: process.reason,
        registration_process_at: vm.layout.reg_proc.process,
        registration_name_at: vm.layout.reg_proc.name,
        process_save_at: process.save,
        process_heap_words_at: process.heap_words,
        process_old_heap_at: process.old_heap,
        process_old_hend_at: process.old_hend,
        process_minor_collections_at: process.minor_collections,
        process_links_at: process.links,
        process_monitored_by_at: process.monitored_by,
        relation_right_at: vm.layout.relation.right,
        relation_left_at: vm.layout.relation.left,
        relation_item_at: vm.layout.relation.item,
        message_next_at: vm.layout.message.next,
        message_term_at: vm.layout.message.term,
        message_attached_at: vm.layout.message.attached,
        message_used_at: vm.layout.message.fragment + vm.layout.message.fragment_used,
        current_process_at: vm.layout.scheduler.process,
        process_stop_at: process.stop,
        port_id_at: port(|port| port.id),
        port_connected_at: port(|port| port.connected),
        port_bytes_in_at: port(|port| port.bytes_in),
        port_bytes_out_at: port(|port| port.bytes_out),
        port_name_at: port(|port| port.name),
        port_driver_at: port(|port| port.driver),
        dist_control_at: dist(|dist| dist.control),
        dist_from_at: dist(|dist| dist.from),
        dist_node_at: dist(|dist| dist.entry),
        dist_buffers_at: dist(|dist| dist.buffers),
        dist_fragments_at: dist(|dist| dist.fragments),
        dist_process_at: dist(|dist| dist.process),
        dist_buffer_size: dist(|dist| dist.buffer_size),
        dist_buffer_vector_at: dist(|dist| dist.buffer_vector),
        dist_entry_name_at: dist(|dist| dist.entry_name),
        // What is wanted is filled in by the caller.
        births_only: 0,
        binary_heap: binaries.heap,
        binary_reference: binaries.reference,
        binary_part: binaries.part,
        binary_start_at: binaries.start_at,
        binary_end_at: binaries.end_at,
        binary_shift: binaries.shift,
        process_trace_flags_at: process.trace_flags,
        sensitive: ProcessBlock::SENSITIVE as u32,
        payload_bytes: 0,
        states: 0,
        in_for_states: 0,
        out_for_states: 0,
        process_busy: 0,
        copies: CopyLayout::default(),
        state_names: 0,
        filtered: 0,
        calls: 0,
        names: 0,
        call: [0; 3 * WANTED_CALLS_MAX],
        name: [0; WANTED_NAMES_MAX],
        state_name: [0; WANTED_NAMES_MAX],
    }
}

/// How a binary tells how many bytes it has.
struct Binaries {
    heap: u32,
    reference: u32,
    part: u32,
    start_at: u32,
    end_at: u32,
    shift: u32,
}

impl Binaries {
    fn of(term: &TermLayout) -> Binaries {
        match (&term.bits, &term.bytes) {
            // What refers to a binary is no term then: any other subtag that is looked for.
            (Some(bits), _) => Binaries {
                heap: bits.heap,
                reference: bits.heap,
                part: bits.part,
                start_at: bits.start,
                end_at: bits.end,
                shift: 3,
            },
            (None, Some(bytes)) => Binaries {
                heap: bytes.heap,
                reference: bytes.reference,
                part: bytes.part,
                start_at: bytes.size,
                end_at: 0,
                shift: 0,
            },
            // No header has such a subtag: nothing is known of binaries.
            (None, None) => Binaries {
                heap: 16,
                reference: 16,
                part: 16,
                start_at: 0,
                end_at: 0,
                shift: 0,
            },
        }
    }
}

/// The bits of `Process.state` that tell how a process left a scheduler.
pub(crate) fn state_bits() -> StateBits {
    StateBits {
        exiting: ProcessState::ENDING,
        suspended: ProcessState::SUSPENDED,
        dirty: ProcessState::DIRTY,
        active: ProcessState::RUNNABLE,
    }
}
