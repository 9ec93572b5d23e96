//! A VM that has died: its core says what the VM said before.

use std::collections::BTreeMap;
use std::fs::{self, File, read_link};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::snapshot::{by_pid, differences};
use crate::support::{Folder, Workload, escope, temp_dir};

/// Has a VM die so that it leaves a core, and returns where that is and which executable it had.
/// `None` where this machine keeps no cores in files.
fn die(
    mut vm: Workload,
    folder: &Folder,
    kill: impl FnOnce(&mut Workload),
) -> Option<(PathBuf, PathBuf)> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() != "core" {
        eprintln!("skipped: cores go to {pattern}");
        return None;
    }
    let pid = vm.pid();
    let about = |name: &str| read_link(format!("/proc/{pid}/{name}")).unwrap();
    let (exe, home) = (about("exe"), about("cwd"));
    run("prlimit", &["--core=unlimited", "--pid", &pid.to_string()]);
    kill(&mut vm);
    assert!(!vm.wait().success());
    let left = ["core".to_owned(), format!("core.{pid}")];
    let left = left.iter().map(|name| home.join(name)).find(|p| p.exists());
    let core = PathBuf::from(folder.path("core"));
    let left = left.expect("a core in the folder that the VM ran in");
    fs::copy(&left, &core).unwrap();
    fs::remove_file(left).unwrap();
    Some((core, exe))
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.unwrap().success());
}

fn abort(vm: &mut Workload) {
    run("kill", &["-s", "ABRT", &vm.pid().to_string()]);
}

fn rows(core: &Path, exe: &Path) -> Value {
    let (core, exe) = (core.to_str().unwrap(), exe.to_str().unwrap());
    let args = ["snapshot", "--core", core, "--exe", exe, "--format", "json"];
    escope(&args).success().json()
}

#[test]
fn a_core_has_what_the_vm_said() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("table", &[], &[("PROCESSES", "400")]);
    vm.go();
    let (told, _) = vm.stop();
    let Some((core, exe)) = die(vm, &folder, abort) else {
        return;
    };
    let all = rows(&core, &exe);
    let wrong = differences(&all, &told);
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());

    // Of one that is cut, what is there is what it was, and what is missing is said.
    let bytes = fs::metadata(&core).unwrap().len();
    File::options()
        .write(true)
        .open(&core)
        .unwrap()
        .set_len(bytes - bytes / 3)
        .unwrap();
    let (path, exe) = (core.to_str().unwrap(), exe.to_str().unwrap());
    let cut = escope(&["snapshot", "--core", path, "--exe", exe, "--format", "json"]);
    assert!(cut.stderr.contains("is cut:"), "{cut:#?}");
    if cut.code == Some(0) {
        let cut = cut.json();
        let whole: BTreeMap<&str, &Value> = by_pid(&all);
        for (pid, row) in by_pid(&cut) {
            assert!(
                row["consistent"] == false || Some(&row) == whole.get(pid),
                "{row:#} of {:#?}",
                whole.get(pid)
            );
        }
    }
    // Another executable is none.
    let other = env!("CARGO_BIN_EXE_escope-bpf");
    let refused = escope(&["snapshot", "--core", path, "--exe", other]);
    refused.refused(3);
    assert!(refused.stderr.contains("--exe"), "{refused:#?}");
}

/// Who ran when the VM died is marked, and its stack is that of then.
#[test]
fn who_ran_is_marked() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("split", &["+S", "1:1"], &[]);
    vm.go();
    let Some((core, exe)) = die(vm, &folder, abort) else {
        return;
    };
    let all = rows(&core, &exe);
    let running = all.as_array().unwrap().iter();
    let running: Vec<&Value> = running.filter(|row| row["status"] == "running").collect();
    // The one scheduler has one of them; who prints may be on a dirty one.
    let splits = |row: &&&Value| row["name"].as_str().unwrap_or("").starts_with("split_");
    assert!(running.iter().filter(splits).count() <= 1, "{running:#?}");
    for row in running {
        assert_eq!(row["consistent"], false, "{row:#}");
    }
}

/// A process that ends the VM itself: its stack is that of the call that did.
#[test]
fn who_ended_the_vm_is_shown_where_it_did() {
    live!();
    let folder = temp_dir();
    let vm = Workload::start("crash", &[], &[("DEPTH", "40")]);
    let Some((core, exe)) = die(vm, &folder, |vm| vm.send_line("go")) else {
        return;
    };
    let all = rows(&core, &exe);
    let mut deep = all.as_array().unwrap().iter();
    let deep = deep.find(|row| row["name"] == "crash_deep").unwrap();
    assert_eq!(deep["status"], "running", "{deep:#}");
    assert_eq!(deep["consistent"], false, "{deep:#}");
    let stack = deep["stack"].as_array().unwrap().iter();
    let stack: Vec<&str> = stack.map(|f| f["function"].as_str().unwrap()).collect();
    // Those that wait for the next one; the last has left for `halt` by a tail call.
    assert!(stack[0].starts_with("erlang:halt/"), "{deep:#}");
    assert_eq!(stack[1..], ["crash:deep/1"; 40], "{deep:#}");

    // An image of it is the same again.
    let image = folder.path("image");
    let (core, exe) = (core.to_str().unwrap(), exe.to_str().unwrap());
    let save = [
        "snapshot",
        "--core",
        core,
        "--exe",
        exe,
        "--save-image",
        &image,
    ];
    escope(&save).success();
    let again = escope(&["snapshot", "--image", &image, "--format", "json"]);
    assert_eq!(again.success().json(), all);
}
