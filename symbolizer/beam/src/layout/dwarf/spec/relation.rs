//! Links and monitors: `schema/relation.rs`.

use super::{Section, Source, at, section, size_of};

pub(super) const SECTIONS: &[Section] = &[
    section(
        "relation",
        "ErtsMonLnkNode, its flags and its type: erl_monitor_link.h",
        &[
            ("size", size_of("ErtsMonLnkNode")),
            ("parent", at("ErtsMonLnkNode: node.tree.parent")),
            ("right", at("ErtsMonLnkNode: node.tree.right")),
            ("left", at("ErtsMonLnkNode: node.tree.left")),
            ("next", at("ErtsMonLnkNode: node.list.next")),
            ("previous", at("ErtsMonLnkNode: node.list.prev")),
            ("item", at("ErtsMonLnkNode: other.item")),
            ("offset", at("ErtsMonLnkNode: offset")),
            ("flags", at("ErtsMonLnkNode: flags")),
            ("kind_shift", Source::Release),
            ("kind_mask", Source::Release),
            ("target", Source::Release),
            ("named", Source::Release),
            ("extended", Source::Release),
            ("pending", Source::Release),
        ],
    ),
    section(
        "link",
        "ErtsILink and ErtsELink: erl_monitor_link.h",
        &[
            ("unlinking", at("ErtsILink: unlinking")),
            ("external_size", size_of("ErtsELink")),
            ("external_references", at("ErtsELink: ld.refc")),
            ("external_unlinking", at("ErtsELink: unlinking")),
            ("external_heap", at("ErtsELink: heap")),
        ],
    ),
    section(
        "monitor",
        "ErtsMonitorData and what extends it: erl_monitor_link.h",
        &[
            ("size", size_of("ErtsMonitorData")),
            ("heap_size", size_of("ErtsMonitorDataHeap")),
            ("extended_size", size_of("ErtsMonitorDataExtended")),
            ("suspend_size", size_of("ErtsMonitorSuspend")),
            ("target", at("ErtsMonitorData: u.target")),
            ("reference", at("ErtsMonitorData: ref")),
            ("references", at("ErtsMonitorData: refc")),
            ("name", at("ErtsMonitorDataExtended: u.name")),
            ("dist", at("ErtsMonitorDataExtended: dist")),
            ("dist_node", at("ErtsMonLnkDist: nodename")),
        ],
    ),
];
