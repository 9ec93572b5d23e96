//! Which tests can run on this machine.
//!
//! Tests that need more than the code itself lie in modules named `tier2` and `tier3`, so
//! that a name filter selects them: `cargo test tier3::`.

use std::path::Path;

use clap::ValueEnum;

use crate::commands::{find, is_root};

/// What a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Tier {
    /// Nothing.
    #[value(name = "1")]
    Pure,
    /// A real Erlang VM that it starts itself.
    #[value(name = "2")]
    Vm,
    /// That, and BPF programs in the kernel: root.
    #[value(name = "3")]
    Kernel,
}

impl Tier {
    /// Every tier, the least demanding first.
    pub const ALL: [Tier; 3] = [Tier::Pure, Tier::Vm, Tier::Kernel];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Tier::Pure => 1,
            Tier::Vm => 2,
            Tier::Kernel => 3,
        }
    }

    /// The start of the names of its tests; tier 1 is everything else.
    #[must_use]
    pub fn filter(self) -> Option<&'static str> {
        match self {
            Tier::Pure => None,
            Tier::Vm => Some("tier2::"),
            Tier::Kernel => Some("tier3::"),
        }
    }

    /// Why this machine cannot run it, with the remedy; none if it can.
    #[must_use]
    pub fn obstacle(self) -> Option<String> {
        if self >= Tier::Vm {
            for program in ["erl", "erlc"] {
                if find(program).is_none() {
                    return Some(format!("there is no {program}: install Erlang"));
                }
            }
        }
        if self >= Tier::Kernel {
            if !is_root() {
                return Some("loading BPF programs needs root: run as root".to_owned());
            }
            if !Path::new("/sys/kernel/btf/vmlinux").exists() {
                return Some(
                    "the kernel has no BTF: use one with CONFIG_DEBUG_INFO_BTF".to_owned(),
                );
            }
            if find("bpftool").is_none() {
                return Some("there is no bpftool: install it".to_owned());
            }
        }
        None
    }
}

/// Whether a test that cannot run has failed.
#[must_use]
pub fn is_required() -> bool {
    std::env::var_os("ESCOPE_REQUIRE_LIVE").is_some_and(|value| value == "1")
}
