//! The workspace's crates and what each of them depends on, from their `Cargo.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::tree::read;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The crate itself.
    Normal,
    /// Its build script.
    Build,
    /// Its tests, examples and benches.
    Dev,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The other crate's own name, whatever it is renamed to.
    pub to: String,
    /// What it is for.
    pub kind: Kind,
}

/// One crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it depends on, on any platform.
    pub edges: Vec<Edge>,
}

/// The crates of the workspace at `root`, the root package first.
///
/// # Errors
/// If a manifest cannot be read or understood.
pub fn crates(root: &Path) -> Result<Vec<Crate>> {
    let manifest = load(root)?;
    let workspace = manifest
        .get("workspace")
        .and_then(Value::as_table)
        .with_context(|| format!("{} is no workspace", root.display()))?;
    let shared = table(workspace, "dependencies");
    let mut crates = vec![read_crate(root, &manifest, &shared)?];
    let members = workspace.get("members").and_then(Value::as_array);
    for member in members.into_iter().flatten().filter_map(Value::as_str) {
        if member.contains('*') {
            bail!("the workspace's member {member} is a pattern: list the crates");
        }
        let folder = root.join(member);
        crates.push(read_crate(&folder, &load(&folder)?, &shared)?);
    }
    Ok(crates)
}

fn load(folder: &Path) -> Result<Table> {
    let path = folder.join("Cargo.toml");
    let text = read(&path)?;
    text.parse()
        .with_context(|| format!("cannot understand {}", path.display()))
}

fn table(parent: &Table, key: &str) -> Table {
    let found = parent.get(key).and_then(Value::as_table);
    found.cloned().unwrap_or_default()
}

fn read_crate(folder: &Path, manifest: &Table, shared: &Table) -> Result<Crate> {
    let name = table(manifest, "package");
    let name = name.get("name").and_then(Value::as_str);
    let name = name.with_context(|| format!("{} has no name", folder.display()))?;
    let mut edges = read_edges(manifest, shared);
    for platform in table(manifest, "target").values() {
        if let Some(platform) = platform.as_table() {
            edges.extend(read_edges(platform, shared));
        }
    }
    Ok(Crate {
        name: name.to_owned(),
        folder: folder.to_owned(),
        edges,
    })
}

fn read_edges(section: &Table, shared: &Table) -> Vec<Edge> {
    let kinds = [
        ("dependencies", Kind::Normal),
        ("build-dependencies", Kind::Build),
        ("dev-dependencies", Kind::Dev),
    ];
    let mut edges = Vec::new();
    for (key, kind) in kinds {
        for (alias, dependency) in &table(section, key) {
            let to = package(dependency)
                .or_else(|| shared.get(alias).and_then(package))
                .unwrap_or(alias);
            edges.push(Edge {
                to: to.to_owned(),
                kind,
            });
        }
    }
    edges
}

/// The real name of a renamed dependency.
fn package(dependency: &Value) -> Option<&str> {
    dependency.get("package")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::{Edge, Kind, read_crate};
    use std::path::Path;

    #[test]
    fn renames_kinds_and_platforms_are_seen() {
        let manifest = "[package]\nname = 'a'\n[dependencies]\nb.workspace = true\nc = '1'\n\
             [build-dependencies]\nd = { version = '1', package = 'real-d' }\n\
             [target.'cfg(unix)'.dev-dependencies]\ne = '1'\n";
        let shared = "b = { version = '1', package = 'real-b' }\n";
        let parse = |text: &str| text.parse().unwrap_or_default();
        let edge = |to: &str, kind| Edge {
            to: to.to_owned(),
            kind,
        };
        let read = read_crate(Path::new("/"), &parse(manifest), &parse(shared));
        assert_eq!(
            read.map(|read| read.edges).unwrap_or_default(),
            [
                edge("real-b", Kind::Normal),
                edge("c", Kind::Normal),
                edge("real-d", Kind::Build),
                edge("e", Kind::Dev),
            ]
        );
    }
}
