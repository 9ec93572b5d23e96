//! Which C declaration each value of a [`Layout`](super::super::Layout) comes from.
//!
//! One line a value. A place is a type, as C names it, and a path of members in it, through
//! structs, unions and those without a name: `struct process: u.initial`. Several places,
//! separated by `|`, are tried in order: releases move and rename members.

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Offset of a member.
    Offset(&'static str),
    /// The same; a release without it has no such value.
    OffsetIfAny(&'static str),
    /// Size of a type.
    Size(&'static str),
    /// Whether there is such a member.
    Has(&'static str),
    /// No declaration says it: `layouts/releases.toml` does, per release.
    Release,
}

/// The values of one section of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// What it is about and which header declares it, below `erts/emulator/beam`.
    pub(super) about: &'static str,
    /// Its values by name.
    pub(super) values: &'static [(&'static str, Source)],
}

const fn at(place: &'static str) -> Source {
    Source::Offset(place)
}

const fn size_of(name: &'static str) -> Source {
    Source::Size(name)
}

const fn has(place: &'static str) -> Source {
    Source::Has(place)
}

/// A value that not every release has; its field is an `Option`.
#[allow(dead_code, reason = "for the values of a release that differs")]
const fn at_if_any(place: &'static str) -> Source {
    Source::OffsetIfAny(place)
}

const fn section(
    name: &'static str,
    about: &'static str,
    values: &'static [(&'static str, Source)],
) -> Section {
    Section {
        name,
        about,
        values,
    }
}

/// Every value of a layout but release, architecture and status.
pub(super) const SPEC: &[Section] = &[
    section(
        "scheduler",
        "ErtsSchedulerData and its element of the array: erl_process.h",
        &[
            ("stride", size_of("ErtsAlignedSchedulerData")),
            ("registers", at("ErtsSchedulerData: registers")),
            ("thread", at("ErtsSchedulerData: tid")),
            ("sleep_info", at("ErtsSchedulerData: ssi")),
            ("process", at("ErtsSchedulerData: current_process")),
            ("kind", at("ErtsSchedulerData: type")),
            ("number", at("ErtsSchedulerData: no")),
            ("dirty_number", at("ErtsSchedulerData: dirty_no")),
            ("port", at("ErtsSchedulerData: current_port")),
        ],
    ),
    section(
        "sleep_info",
        "ErtsSchedulerSleepInfo: erl_process.h",
        &[
            ("scheduler", at("ErtsSchedulerSleepInfo: esdp")),
            ("flags", at("ErtsSchedulerSleepInfo: flags")),
        ],
    ),
    section(
        "process",
        "Process: erl_process.h; its queues: erl_message.h",
        &[
            ("size", size_of("struct process")),
            ("id", at("struct process: common.id")),
            ("reg", at("struct process: common.u.alive.reg")),
            ("htop", at("struct process: htop")),
            ("stop", at("struct process: stop")),
            ("heap", at("struct process: heap")),
            ("hend", at("struct process: hend")),
            ("i", at("struct process: i")),
            ("reds", at("struct process: reds")),
            ("dictionary", at("struct process: dictionary")),
            ("initial", at("struct process: u.initial")),
            ("current", at("struct process: current")),
            ("parent", at("struct process: parent")),
            ("state", at("struct process: state")),
            ("scheduler", at("struct process: scheduler_data")),
            ("heap_words", at("struct process: heap_sz")),
            ("old_heap", at("struct process: old_heap")),
            ("old_hend", at("struct process: old_hend")),
            ("fragment_words", at("struct process: mbuf_sz")),
            ("group_leader", at("struct process: group_leader")),
            ("inner_queue", at("struct process: sig_qs.first")),
            ("middle_queue", at("struct process: sig_qs.cont")),
            ("in_queue", at("struct process: sig_inq.first")),
            ("queue_flags", at("struct process: sig_qs.flags")),
        ],
    ),
    section(
        "message",
        "ErtsMessage and ErlHeapFragment: erl_message.h",
        &[
            ("next", at("ErtsMessage: next")),
            ("attached", at("ErtsMessage: data.attached")),
            ("term", at("ErtsMessage: m")),
            ("fragment", at("ErtsMessage: hfrag")),
            ("fragment_next", at("ErlHeapFragment: next")),
            ("fragment_used", at("ErlHeapFragment: used_size")),
        ],
    ),
    section(
        "reg_proc",
        "RegProc: register.h",
        &[("name", at("RegProc: name"))],
    ),
    section(
        "dictionary",
        "ProcDict: erl_process_dict.h",
        &[
            ("size", at("struct proc_dict: arraySize")),
            ("data", at("struct proc_dict: data")),
        ],
    ),
    section(
        "atom",
        "Atom: atom.h; IndexTable: index.h",
        &[
            ("entries", at("IndexTable: entries")),
            ("segments", at("IndexTable: seg_table")),
            ("length", at("Atom: len")),
            ("name", at("Atom: name | Atom: u.name")),
            ("name_is_term", has("Atom: u.bin")),
        ],
    ),
    section(
        "node",
        "ErlNode: erl_node_tables.h",
        &[("sysname", at("ErlNode: sysname"))],
    ),
    section(
        "bif",
        "BifEntry: bif.h",
        &[
            ("size", size_of("BifEntry")),
            ("module", at("BifEntry: module")),
            ("name", at("BifEntry: name")),
            ("arity", at("BifEntry: arity")),
            ("function", at("BifEntry: f")),
        ],
    ),
    section(
        "registers",
        "ErtsSchedulerRegisters, which JIT code has at hand: erl_process.h",
        &[("x", at("ErtsSchedulerRegisters: x_reg_array"))],
    ),
    section(
        "process_table",
        "ErtsPTab and its part that does not change: erl_ptab.h",
        &[
            ("read_only", at("ErtsPTab: r")),
            ("max", at("ErtsPTabReadOnlyData: max")),
            ("invalid", at("ErtsPTabReadOnlyData: invalid_element")),
        ],
    ),
    section(
        "pid",
        "How the data of a pid divides into number and serial: _PID_NUM_SIZE in erl_term.h",
        &[
            ("number_bits", Source::Release),
            ("data_bits", Source::Release),
        ],
    ),
    section(
        "pid.table",
        "The masks that scramble the data of a pid: erl_ptab.h",
        &[
            ("mask", at("ErtsPTabReadOnlyData: pix_mask")),
            ("cl_mask", at("ErtsPTabReadOnlyData: pix_cl_mask")),
            ("cli_mask", at("ErtsPTabReadOnlyData: pix_cli_mask")),
            ("cl_shift", at("ErtsPTabReadOnlyData: pix_cl_shift")),
            ("cli_shift", at("ErtsPTabReadOnlyData: pix_cli_shift")),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::SPEC;

    /// What a table has is what the specification has, so that neither is forgotten.
    #[test]
    fn every_value_of_a_table_has_one_source() {
        let tables = [
            include_str!("../../../layouts/otp-25.toml"),
            include_str!("../../../layouts/otp-29.toml"),
        ];
        let mut in_tables = BTreeSet::new();
        for text in tables {
            let table: toml::Table = text.parse().expect("a table");
            collect("", &table, &mut in_tables);
        }
        let head = ["otp", "arch", "status"].map(str::to_owned);
        let of_values = SPEC.iter().flat_map(|section| {
            let values = section.values.iter();
            values.map(|(name, _)| format!("{}.{name}", section.name))
        });
        let specified: Vec<String> = head.into_iter().chain(of_values).collect();
        let unique: BTreeSet<String> = specified.iter().cloned().collect();
        assert_eq!(unique.len(), specified.len(), "one source each");
        assert_eq!(unique, in_tables);
    }

    fn collect(prefix: &str, table: &toml::Table, names: &mut BTreeSet<String>) {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => collect(&format!("{prefix}{name}."), inner, names),
                _ => drop(names.insert(format!("{prefix}{name}"))),
            }
        }
    }
}
