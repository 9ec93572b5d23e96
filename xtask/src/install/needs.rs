//! What has to be there, how to see it, and which packages bring it.

use std::path::Path;
use std::process::Command;

use crate::commands::{find, succeeds};

/// One thing that has to be there.
pub struct Need {
    /// What it is, as a user calls it.
    pub what: &'static str,
    present: fn() -> bool,
    pub(super) debian: &'static [&'static str],
    pub(super) fedora: &'static [&'static str],
    pub(super) arch: &'static [&'static str],
    pub(super) alpine: &'static [&'static str],
}

impl Need {
    /// Whether it is there now.
    #[must_use]
    pub fn is_met(&self) -> bool {
        (self.present)()
    }
}

/// What building the slim binary and running the shop take.
#[must_use]
pub fn demo_needs() -> Vec<Need> {
    vec![
        Need {
            what: "clang, which compiles the BPF programs",
            present: || find("clang").is_some(),
            debian: &["clang"],
            fedora: &["clang"],
            arch: &["clang"],
            alpine: &["clang"],
        },
        Need {
            what: "a C compiler and make, which build libbpf",
            present: || find("cc").is_some() && find("make").is_some(),
            debian: &["gcc", "libc6-dev", "make"],
            fedora: &["gcc", "make"],
            arch: &["gcc", "make"],
            alpine: &["gcc", "musl-dev", "make"],
        },
        Need {
            what: "the kernel's headers for user space (linux/bpf.h)",
            present: || has_header("linux/bpf.h"),
            debian: &["linux-libc-dev"],
            fedora: &["kernel-headers"],
            arch: &["linux-api-headers"],
            alpine: &["linux-headers"],
        },
        Need {
            what: "libelf with its headers",
            present: || has_header("libelf.h") && has_header("gelf.h"),
            debian: &["libelf-dev"],
            fedora: &["elfutils-libelf-devel"],
            arch: &["libelf"],
            alpine: &["elfutils-dev"],
        },
        Need {
            what: "zlib with its headers",
            present: || has_header("zlib.h"),
            debian: &["zlib1g-dev"],
            fedora: &["zlib-devel"],
            arch: &["zlib"],
            alpine: &["zlib-dev"],
        },
        Need {
            what: "pkg-config",
            present: || find("pkg-config").is_some(),
            debian: &["pkg-config"],
            fedora: &["pkgconf-pkg-config"],
            arch: &["pkgconf"],
            alpine: &["pkgconf"],
        },
        Need {
            what: "Erlang (erl, erlc)",
            present: || find("erl").is_some() && find("erlc").is_some(),
            debian: &["erlang-base"],
            fedora: &["erlang-erts", "erlang-compiler"],
            arch: &["erlang"],
            alpine: &["erlang"],
        },
        Need {
            what: "Erlang's crypto application",
            present: || has_module("crypto"),
            debian: &["erlang-crypto"],
            fedora: &["erlang-crypto"],
            arch: &["erlang"],
            alpine: &["erlang"],
        },
    ]
}

/// What the tests of every tier take besides.
#[must_use]
pub fn test_needs() -> Vec<Need> {
    let mut needs = demo_needs();
    needs.push(Need {
        what: "erl_nif.h, for a workload with native functions",
        present: has_nif_header,
        debian: &["erlang-dev"],
        fedora: &["erlang-devel"],
        arch: &["erlang"],
        alpine: &["erlang-dev"],
    });
    needs.push(Need {
        what: "bpftool, which shows what is loaded",
        present: || find("bpftool").is_some(),
        debian: &["bpftool"],
        fedora: &["bpftool"],
        arch: &["bpf"],
        alpine: &["bpftool"],
    });
    needs
}

/// In the folders that C compilers search on their own.
fn has_header(name: &str) -> bool {
    ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|folder| Path::new(folder).join(name).is_file())
}

fn has_module(module: &str) -> bool {
    let ask = format!("halt(case code:which({module}) of non_existing -> 1; _ -> 0 end).");
    find("erl").is_some()
        && succeeds(Command::new("erl").args(["-boot", "start_clean", "-noinput", "-eval", &ask]))
}

fn has_nif_header() -> bool {
    let ask = "io:put_chars(filename:join([code:root_dir(), \"usr\", \"include\"])), halt().";
    find("erl").is_some()
        && Command::new("erl")
            .args(["-boot", "start_clean", "-noinput", "-eval", ask])
            .output()
            .is_ok_and(|output| {
                let folder = String::from_utf8_lossy(&output.stdout).into_owned();
                Path::new(&folder).join("erl_nif.h").is_file()
            })
}
