//! Makes the VM images that `tier1::images` reads, and holds each against the VM that it is of.

use std::fs;
use std::path::Path;

use super::snapshot::differences;
use crate::support::{Workload, escope, temp_dir};

/// A VM that is small in everything but the kinds of its processes.
const SMALL: [&str; 6] = ["+S", "2:2", "+P", "1024", "-boot", "no_dot_erlang"];

/// With `ESCOPE_BLESS=1` the image and what the VM said go to `tests/fixtures/vm`.
#[test]
fn an_image_is_the_vm() {
    live!();
    let folder = temp_dir();
    let path = folder.path("image");
    let mut vm = Workload::start("table", &SMALL, &[("PROCESSES", "48"), ("LONG", "40")]);
    vm.go();
    let (told, _) = vm.stop();
    let pid = vm.pid().to_string();
    vm.signal("STOP");
    let saved = escope(&["snapshot", "-p", &pid, "--save-image", &path]);
    let live = escope(&["snapshot", "-p", &pid, "--format", "json"]);
    vm.signal("CONT");
    let otp = vm.ready().text("otp").to_owned();
    assert!(vm.quit().success());
    saved.success();

    let live = live.success().json();
    let image = escope(&["snapshot", "--image", &path, "--format", "json"]);
    assert_eq!(image.success().json(), live);
    let wrong = differences(&live, &told);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let bytes = fs::metadata(&path).unwrap().len();
    assert!(bytes < 512 << 10, "an image of {bytes} bytes");

    if std::env::var("ESCOPE_BLESS").as_deref() == Ok("1") {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vm");
        fs::create_dir_all(&fixtures).unwrap();
        let lines: Vec<String> = told.iter().map(|facts| facts.line() + "\n").collect();
        fs::copy(&path, fixtures.join(format!("otp-{otp}.image"))).unwrap();
        fs::write(fixtures.join(format!("otp-{otp}.told")), lines.concat()).unwrap();
    }
}
