//! Emits `wire.h`, compiles each `*.bpf.c` with clang, and tells dependents where the
//! objects lie.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("wire.h"), escope_wire::c_header()).expect("OUT_DIR is writable");
    for name in ["escope", "events", "watch"] {
        let object = compile(name, &out);
        let variable = name.to_uppercase();
        println!("cargo::rustc-env={variable}_OBJECT={}", object.display());
        println!("cargo::metadata={name}={}", object.display());
    }
    println!("cargo::rerun-if-changed=src");
}

fn compile(name: &str, out: &Path) -> PathBuf {
    let source = PathBuf::from(format!("src/{name}.bpf.c"));
    let object = out.join(format!("{name}.bpf.o"));
    let include = format!("-I{}", out.display());
    // Debian keeps asm/types.h in a folder per architecture, which `-target bpf` does not search.
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target's architecture");
    let multiarch = format!("-I/usr/include/{arch}-linux-gnu");
    if let Err(error) = libbpf_cargo::SkeletonBuilder::new()
        .source(&source)
        .obj(&object)
        .clang_args([
            include.as_str(),
            multiarch.as_str(),
            "-Wall",
            "-Werror",
            "-mcpu=v3",
        ])
        .build()
    {
        panic!(
            "cannot compile {} ({error:?}); clang 14 or later is needed: apt install clang",
            source.display()
        );
    }
    object
}
