//! Our crates depend on one another only as drawn, and each foreign crate stays behind its
//! wall. The picture is the table in `xtask/src/tidy/arrows.rs`.

use xtask::commands::root;
use xtask::tidy::{arrows, crates};

#[test]
fn arrows_point_only_where_they_may() {
    assert_eq!(arrows::check(&crates(&root()).unwrap()), [""; 0]);
}

#[test]
fn foreign_crates_stay_with_their_owners() {
    assert_eq!(arrows::check_owners(&crates(&root()).unwrap()), [""; 0]);
}

#[test]
fn the_table_has_no_crate_that_does_not_exist() {
    let crates = crates(&root()).unwrap();
    for (name, _) in arrows::ARROWS {
        assert!(crates.iter().any(|one| one.name == *name), "{name}");
    }
}
