//! Types as a compiler writes them: in object files, where names are relocated, compressed and
//! in other versions.

use std::fs::{self, File};
use std::process::Command;

use super::sections::Sections;
use super::types::Types;

const SOURCE: &str = "
typedef struct { long lead; union { struct { char c; long initial[3]; }; void *other; }; } Inner;
struct process { int id; const Inner u; unsigned bit : 1; volatile int state; };
struct process example;
";

#[test]
fn a_compilers_types_are_read() {
    let folder = std::env::temp_dir().join(format!("escope-types-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (source, object) = (folder.join("types.c"), folder.join("types.o"));
    fs::write(&source, SOURCE).expect("written");
    for options in [
        &["-g"][..],
        &["-g", "-gz"],
        &["-gdwarf-4", "-gz"],
        &["-gdwarf-3"],
    ] {
        let compiled = Command::new("cc")
            .args(options)
            .arg("-c")
            .args([&source, std::path::Path::new("-o"), &object])
            .status();
        if !compiled.is_ok_and(|status| status.success()) {
            let required = std::env::var("ESCOPE_REQUIRE_LIVE");
            assert_ne!(
                required.as_deref(),
                Ok("1"),
                "this test must run: install a C compiler"
            );
            break;
        }
        let sections = Sections::read(File::open(&object).expect("there")).expect("sections");
        let mut types = Types::find(&sections, &["struct process"]);
        assert_eq!(types.size("struct process"), Some(56), "{options:?}");
        assert_eq!(types.length("struct process", "u.initial"), Some(3));
        for (path, offset) in [
            ("id", Some(0)),
            ("u", Some(8)),
            ("u.initial", Some(24)),
            ("u.other", Some(16)),
            ("bit", None),
            ("state", Some(52)),
        ] {
            let found = types.offset("struct process", path);
            assert_eq!(found, offset, "{options:?} {path}");
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}
