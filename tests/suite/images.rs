//! VMs in files, of several releases: they are read as they were alive, with no privilege.
//!
//! `tests/fixtures/vm/otp-NN.image` is what `snapshot` reads of the workload `table`, `otp-NN.told`
//! what that VM said of its processes at the same time. `tier3::fixtures` makes them.

use std::fs;
use std::path::{Path, PathBuf};

use escope_beam::code::CodeMap;
use escope_beam::image::VmImage;
use escope_beam::snapshot::{SnapshotOptions, snapshot as snapshot_processes};
use serde_json::Value;

use crate::support::{Facts, escope};
use crate::tier3::snapshot::differences;

fn fixtures() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vm");
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "image"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["otp-25", "otp-27", "otp-29"]);
    found
}

fn snapshot(image: &Path, more: &[&str]) -> crate::support::Output {
    let image = image.to_str().unwrap();
    escope(&[&["snapshot", "--image", image], more].concat()).success()
}

#[test]
fn an_image_has_what_the_vm_said() {
    for (name, path) in fixtures() {
        let told = fs::read_to_string(path.with_extension("told")).unwrap();
        let told: Vec<Facts> = told.lines().map(Facts::parse).collect();
        assert!(told.len() >= 40, "{name}");
        let rows = snapshot(&path, &["--format", "json"]).json();
        let wrong = differences(&rows, &told);
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

/// Of a mailbox that is longer than what is counted, what was counted is told as that.
#[test]
fn a_mailbox_that_is_too_long_is_at_least_so_long() {
    for (name, path) in fixtures() {
        let read = |messages| {
            let mut vm = VmImage::open(&path).unwrap().vm(None).unwrap();
            let mut code = CodeMap::new();
            vm.read_code(&mut code).unwrap();
            let options = SnapshotOptions {
                messages,
                ..SnapshotOptions::default()
            };
            snapshot_processes(&vm, &mut code, options).unwrap()
        };
        let (whole, cut) = (read(1_000_000), read(3));
        assert_eq!(whole.len(), cut.len());
        let mut longer = 0;
        for (whole, cut) in whole.iter().zip(&cut) {
            assert!(!whole.mailbox_cut, "{name}: {whole:?}");
            let is_longer = whole.mailbox > Some(3);
            longer += u32::from(is_longer);
            assert!(
                !is_longer || cut.mailbox_cut && !cut.consistent,
                "{name}: {cut:?}"
            );
            assert!(cut.mailbox <= whole.mailbox);
            assert!(cut.total_heap_words <= whole.total_heap_words);
        }
        assert!(longer > 5, "{name}: {longer}");
    }
}

/// The rest of the table, which the VM did not tell, is as it was when it was looked over.
#[test]
fn images_match_their_goldens() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for (name, path) in fixtures() {
            let rows = snapshot(&path, &["--format", "json"]).json();
            insta::assert_snapshot!(name.as_str(), brief(&rows));
            let table = snapshot(&path, &["--sort", "pid", "--stack", "-n", "12"]);
            insta::assert_snapshot!(format!("{name}-table"), table.stdout);
        }
    });
}

/// One line for a process, one for each of its frames.
fn brief(rows: &Value) -> String {
    let mut lines = Vec::new();
    for row in rows.as_array().unwrap() {
        let mut row = row.as_object().unwrap().clone();
        let stack = row.remove("stack").unwrap();
        lines.push(Value::from(row).to_string());
        for frame in stack.as_array().unwrap() {
            lines.push(format!("    {frame}"));
        }
    }
    lines.join("\n")
}

#[test]
fn what_is_no_image_is_refused() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (option, file) in [("--image", "Cargo.toml"), ("--core", "Cargo.toml")] {
        let file = here.join(file);
        escope(&["snapshot", option, file.to_str().unwrap()]).refused(3);
    }
    escope(&["snapshot", "--core", "/nowhere/core"]).refused(1);
    escope(&["snapshot", "--core", "a", "-p", "1"]).misused("--core");
    escope(&["snapshot", "--exe", "a"]).misused("required");
}
