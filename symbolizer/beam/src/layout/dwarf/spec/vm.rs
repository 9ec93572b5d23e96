//! What the VM has once: `schema/vm.rs`.

use super::{Section, Source, at, has, section, size_of};

pub(super) const SECTIONS: &[Section] = &[
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
            ("nif", at("ErtsSchedulerData: current_nif")),
            ("virtual_reductions", at("ErtsSchedulerData: virtual_reds")),
            ("reductions", at("ErtsSchedulerData: reductions")),
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
        "port",
        "Port: erl_port.h; its driver: global.h",
        &[
            ("id", at("Port: common.id")),
            ("connected", at("Port: connected")),
            ("bytes_in", at("Port: bytes_in")),
            ("bytes_out", at("Port: bytes_out")),
            ("name", at("Port: name")),
            ("driver", at("Port: drv_ptr")),
            ("driver_name", at("erts_driver_t: name")),
        ],
    ),
    section(
        "dist",
        "ErtsDSigSendContext, ErtsDistOutputBuf: dist.h; DistEntry: erl_node_tables.h",
        &[
            ("control", at("ErtsDSigSendContext: ctl")),
            ("from", at("ErtsDSigSendContext: from")),
            ("entry", at("ErtsDSigSendContext: dep")),
            ("phase", at("ErtsDSigSendContext: phase")),
            ("buffers", at("ErtsDSigSendContext: obuf")),
            ("fragments", at("ErtsDSigSendContext: fragments")),
            ("process", at("ErtsDSigSendContext: c_p")),
            ("buffer_size", size_of("ErtsDistOutputBuf")),
            ("buffer_vector", at("ErtsDistOutputBuf: eiov")),
            ("entry_name", at("DistEntry: sysname")),
        ],
    ),
    section(
        "node",
        "ErlNode: erl_node_tables.h",
        &[
            ("sysname", at("ErlNode: sysname")),
            ("creation", at("ErlNode: creation")),
            ("dist_entry", at("ErlNode: dist_entry")),
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
