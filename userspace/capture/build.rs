//! Generates the typed skeleton from the object that escope-programs compiled.

use std::env;
use std::path::PathBuf;

fn main() {
    let object = PathBuf::from(
        env::var_os("DEP_ESCOPE_PROGRAMS_OBJECT").expect("escope-programs tells its object"),
    );
    let skeleton =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("escope.skel.rs");
    libbpf_cargo::SkeletonBuilder::new()
        .obj(&object)
        .generate(&skeleton)
        .expect("the object that clang just wrote has a skeleton");
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rustc-env=ESCOPE_SKELETON={}", skeleton.display());
}
