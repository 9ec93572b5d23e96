//! Which crate may depend on which. This is the only place that says so.
//!
//! A new edge fails until it is added here, which is the moment to ask whether the
//! picture in the design still holds: arrows point down, and what knows the kernel, Arrow
//! or polars is behind one wall.

use super::manifests::{Crate, Kind};

/// Each crate of ours and those of ours that it may know, from the top down.
pub const ARROWS: &[(&str, &[&str])] = &[
    (
        "escope-bpf",
        &[
            "escope-session",
            "escope-attached",
            "escope-timeline",
            "escope-recording",
            "escope-profile",
            "escope-query",
            "escope-export",
            "escope-model",
        ],
    ),
    (
        "escope-session",
        &[
            "escope-capture",
            "escope-symbolizer",
            "escope-beam",
            "escope-timeline",
            "escope-recording",
            "escope-profile",
            "escope-wire",
            "escope-model",
        ],
    ),
    ("escope-attached", &["escope-beam", "escope-model"]),
    (
        "escope-query",
        &["escope-recording", "escope-profile", "escope-model"],
    ),
    (
        "escope-export",
        &["escope-timeline", "escope-profile", "escope-model"],
    ),
    (
        "escope-capture",
        &["escope-programs", "escope-wire", "escope-model"],
    ),
    ("escope-symbolizer", &["escope-beam", "escope-model"]),
    ("xtask", &["escope-beam"]),
    ("escope-beam", &["escope-model"]),
    ("escope-timeline", &["escope-model"]),
    ("escope-recording", &["escope-model"]),
    ("escope-profile", &["escope-model"]),
    ("escope-programs", &["escope-wire"]),
    ("escope-wire", &[]),
    ("escope-model", &[]),
];

/// Edges that only tests may have, besides those above.
pub const TEST_ARROWS: &[(&str, &[&str])] = &[(
    "escope-bpf",
    &[
        "xtask",
        "escope-beam",
        "escope-capture",
        "escope-symbolizer",
        "escope-wire",
    ],
)];

/// Crates of others that only some of ours may know. A name ending in `*` is a prefix.
pub const OWNERS: &[(&str, &[&str])] = &[
    ("libbpf-rs", &["escope-capture"]),
    ("libbpf-sys", &["escope-capture"]),
    ("libbpf-cargo", &["escope-capture", "escope-programs"]),
    ("perf-event-*", &["escope-capture"]),
    ("aya*", &["escope-capture"]),
    ("arrow*", &["escope-recording"]),
    ("parquet*", &["escope-recording"]),
    ("polars*", &["escope-query"]),
    ("md5", &["escope-attached"]),
    ("rustls", &["escope-attached"]),
    ("inferno", &["escope-export"]),
    ("prost*", &["escope-export"]),
    ("anyhow", &["escope-bpf", "xtask"]),
];

/// Edges between our crates that are not allowed, and crates that the table lacks.
#[must_use]
pub fn check(crates: &[Crate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for from in crates {
        let Some(allowed) = look_up(ARROWS, &from.name) else {
            wrong.push(format!(
                "crate {} is not in the table of arrows: add it to xtask/src/tidy/arrows.rs",
                from.name
            ));
            continue;
        };
        let for_tests = look_up(TEST_ARROWS, &from.name).unwrap_or_default();
        for edge in &from.edges {
            let is_ours = crates.iter().any(|to| to.name == edge.to);
            let to = edge.to.as_str();
            let is_allowed =
                allowed.contains(&to) || edge.kind == Kind::Dev && for_tests.contains(&to);
            if is_ours && !is_allowed {
                wrong.push(format!(
                    "{} may not depend on {to}: arrows point down; if this one is meant, add it to xtask/src/tidy/arrows.rs",
                    from.name
                ));
            }
        }
    }
    wrong
}

/// Crates of others in the hands of one that must not know them.
#[must_use]
pub fn check_owners(crates: &[Crate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for from in crates {
        for edge in &from.edges {
            let owners = OWNERS.iter().find(|(name, _)| matches(name, &edge.to));
            if let Some((_, owners)) = owners
                && !owners.contains(&from.name.as_str())
            {
                wrong.push(format!(
                    "{} may not use {}: only {} may",
                    from.name,
                    edge.to,
                    owners.join(" and ")
                ));
            }
        }
    }
    wrong
}

fn look_up(
    table: &[(&str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    let row = table.iter().find(|(from, _)| *from == name);
    row.map(|(_, to)| *to)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, check, check_owners};
    use crate::tidy::manifests::{Crate, Edge, Kind};

    fn one(name: &str, to: &str, kind: Kind) -> Crate {
        let edge = Edge {
            to: to.to_owned(),
            kind,
        };
        Crate {
            name: name.to_owned(),
            folder: "/".into(),
            edges: vec![edge],
        }
    }

    #[test]
    fn arrows_point_down() {
        for (row, (from, to)) in ARROWS.iter().enumerate() {
            for to in *to {
                let below = ARROWS[row + 1..].iter().any(|(name, _)| name == to);
                assert!(below, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn an_edge_that_is_not_allowed_fails() {
        let wrong = |from, to, kind| check(&[one(from, to, kind), one(to, "serde", kind)]).len();
        assert_eq!(wrong("escope-model", "escope-wire", Kind::Normal), 1);
        assert_eq!(wrong("escope-export", "escope-recording", Kind::Dev), 1);
        assert_eq!(wrong("escope-export", "escope-profile", Kind::Normal), 0);
        assert_eq!(wrong("escope-bpf", "xtask", Kind::Dev), 0);
        assert_eq!(wrong("escope-bpf", "xtask", Kind::Normal), 1);
        assert_eq!(wrong("escope-new", "escope-model", Kind::Normal), 1);
    }

    #[test]
    fn a_walled_off_crate_fails_elsewhere() {
        let wrong = |from, to| check_owners(&[one(from, to, Kind::Normal)]).len();
        assert_eq!(wrong("escope-session", "libbpf-rs"), 1);
        assert_eq!(wrong("escope-query", "arrow-array"), 1);
        assert_eq!(wrong("escope-recording", "polars-io"), 1);
        assert_eq!(wrong("escope-model", "anyhow"), 1);
        assert_eq!(wrong("escope-recording", "arrow-array"), 0);
        assert_eq!(wrong("escope-model", "serde"), 0);
    }
}
