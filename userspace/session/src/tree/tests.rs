//! Trees of VMs in files, which have what a snapshot needs and no states of supervisors.

use std::path::Path;
use std::time::Duration;

use escope_beam::layout::Given;

use super::{Node, Presence, Root, TreeOptions, Trees, read_trees};
use crate::open_image;

fn read(release: &str) -> Trees {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vm");
    let path = folder.join(format!("otp-{release}.image"));
    let mut vm = open_image(&path, &Given::default()).expect("an image");
    let options = TreeOptions {
        tries: 1,
        time: Duration::from_secs(60),
        children: 1000,
        all: false,
    };
    read_trees(&mut vm, None, &options).expect("trees")
}

fn pids(nodes: &[Node], found: &mut Vec<String>) {
    for node in nodes {
        if let Presence::Here(occupant) = &node.presence {
            found.push(occupant.process.pid.clone());
        }
        pids(&node.nodes, found);
    }
}

#[test]
fn everybody_has_one_place() {
    for release in ["25", "27", "29"] {
        let trees = read(release);
        let mut all = Vec::new();
        for tree in &trees.trees {
            if let Root::Application {
                master, starter, ..
            } = &tree.root
            {
                all.push(master.clone());
                all.extend(starter.clone());
            }
            pids(&tree.nodes, &mut all);
        }
        assert_eq!(all.len(), trees.inside, "{release}: {all:?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), trees.inside, "{release}: {all:?}");
        let outside: usize = trees.outside.iter().map(|line| line.count).sum();
        assert_eq!(trees.inside + outside, trees.processes, "{release}");
        let is_application = |root: &Root| matches!(root, Root::Application { .. });
        assert!(
            trees.trees.iter().any(|tree| is_application(&tree.root)),
            "{release}"
        );
        println!("{release}: {trees:#?}");
    }
}
