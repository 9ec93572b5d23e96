//! Generates typed skeletons from the objects that escope-programs compiled.

use std::env;
use std::path::PathBuf;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for name in ["escope", "events", "watch"] {
        let variable = format!("DEP_ESCOPE_PROGRAMS_{}", name.to_uppercase());
        let object = env::var_os(variable).expect("escope-programs tells its objects");
        let object = PathBuf::from(object);
        let skeleton = out.join(format!("{name}.skel.rs"));
        libbpf_cargo::SkeletonBuilder::new()
            .obj(&object)
            .generate(&skeleton)
            .expect("an object that clang just wrote has a skeleton");
        println!("cargo::rerun-if-changed={}", object.display());
        let variable = format!("{}_SKELETON", name.to_uppercase());
        println!("cargo::rustc-env={variable}={}", skeleton.display());
    }
}
