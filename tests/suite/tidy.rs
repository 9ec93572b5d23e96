//! The other rules of this tree.

use xtask::commands::root;
use xtask::tidy::{crates, lengths, unsafe_code};

#[test]
fn no_source_file_is_too_long() {
    assert_eq!(lengths::check(&root()).unwrap(), [""; 0]);
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let crates = crates(&root()).unwrap();
    assert_eq!(unsafe_code::check(&root(), &crates).unwrap(), [""; 0]);
}
