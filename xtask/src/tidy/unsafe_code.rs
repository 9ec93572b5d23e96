//! Unsafe code lies in three places, and every other crate forbids it.

use std::path::Path;

use anyhow::Result;

use super::manifests::Crate;
use super::tree::{below, each_file, read};

/// Where unsafe code may be: reading other processes, talking to the kernel, and the
/// bytes that both halves share.
pub const PLACES: [&str; 3] = [
    "symbolizer/beam/src/memory",
    "userspace/capture",
    "bpf/wire",
];

/// The attribute that each crate's root must have.
fn attribute(name: &str) -> Option<&'static str> {
    match name {
        // The whole crate is such a place.
        "escope-capture" | "escope-wire" => None,
        // One module of it is: `memory` allows what the rest denies.
        "escope-beam" => Some("#![deny(unsafe_code)]"),
        _ => Some("#![forbid(unsafe_code)]"),
    }
}

/// Unsafe code elsewhere, and crates that do not say that they have none.
///
/// # Errors
/// If a file cannot be read.
pub fn check(root: &Path, crates: &[Crate]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    each_file(root, &mut |path| {
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        if is_rust
            && !PLACES
                .iter()
                .any(|place| path.starts_with(root.join(place)))
        {
            let text = read(path)?;
            for (number, _) in text.lines().enumerate().filter(|(_, line)| is_unsafe(line)) {
                wrong.push(format!(
                    "{}:{} has unsafe code: it belongs in {}",
                    below(root, path),
                    number + 1,
                    PLACES.join(", ")
                ));
            }
        }
        Ok(())
    })?;
    for one in crates {
        let Some(attribute) = attribute(&one.name) else {
            continue;
        };
        for source in ["src/lib.rs", "src/main.rs", "userspace/cli/main.rs"] {
            let path = one.folder.join(source);
            if path.is_file() && !read(&path)?.lines().any(|line| line.trim() == attribute) {
                wrong.push(format!(
                    "{} lacks {attribute}: add it below its header",
                    below(root, &path)
                ));
            }
        }
    }
    Ok(wrong)
}

/// Whether the line opens unsafe code. Text in quotes and comments to the line's end are
/// left out.
fn is_unsafe(line: &str) -> bool {
    let code: String = line.replace("\\\"", "").split('"').step_by(2).collect();
    let code = code.split("//").next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices("unsafe").any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        let opens = ["{", "fn", "impl", "extern", "trait", "("];
        let starts_with = |start: &&str| after.trim_start().starts_with(*start);
        !before.is_some_and(is_word)
            && !after.starts_with(is_word)
            && (opens.iter().any(starts_with) || after.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::is_unsafe;

    #[test]
    fn unsafe_code_is_told_from_talk_about_it() {
        assert!(is_unsafe("    let x = unsafe { read(p) };"));
        assert!(is_unsafe("pub unsafe fn read() {"));
        assert!(is_unsafe("unsafe impl Send for X {}"));
        assert!(is_unsafe("    unsafe"));
        assert!(!is_unsafe("#![forbid(unsafe_code)]"));
        assert!(!is_unsafe("// nothing unsafe { here }"));
        assert!(!is_unsafe("let unsafely = 1;"));
        assert!(!is_unsafe("let x = \"unsafe { y }\";"));
        assert!(is_unsafe("unsafe { say(\"// hm\") }"));
    }
}
