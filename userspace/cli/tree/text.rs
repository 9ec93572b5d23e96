//! Trees as `tree` draws them.

use std::io::Write;

use escope_session::{Outsiders, TreeNode, Trees};

use super::describe::{self, Description};
use super::{Head, TreeArgs};
use crate::printable::one_line;

pub(super) fn write(
    head: &Head,
    trees: &Trees,
    args: &TreeArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "{} ({})", head.title, head.subtitle(trees))?;
    for tree in &trees.trees {
        writeln!(out)?;
        match describe::root(&tree.root) {
            Some(root) => {
                line(&root, out)?;
                below("", &tree.nodes, &[], out)?;
            }
            None => {
                for node in &tree.nodes {
                    line(&describe::node(node), out)?;
                    children("", node, out)?;
                }
            }
        }
    }
    if args.process.is_none() {
        outside(trees, args.rows, out)?;
    }
    Ok(())
}

fn line(what: &Description, out: &mut dyn Write) -> anyhow::Result<()> {
    let between = if what.facts.is_empty() { "" } else { "  " };
    let (title, facts) = (one_line(&what.title), one_line(&what.facts));
    Ok(writeln!(out, "{title}{between}{facts}")?)
}

fn children(indent: &str, node: &TreeNode, out: &mut dyn Write) -> anyhow::Result<()> {
    let groups: Vec<Description> = node.groups.iter().map(describe::group).collect();
    below(indent, &node.nodes, &groups, out)
}

fn below(
    indent: &str,
    nodes: &[TreeNode],
    groups: &[Description],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let all = nodes.len() + groups.len();
    for (at, node) in nodes.iter().enumerate() {
        let (branch, further) = match at + 1 == all {
            true => ("└── ", "    "),
            false => ("├── ", "│   "),
        };
        write!(out, "{indent}{branch}")?;
        line(&describe::node(node), out)?;
        children(&format!("{indent}{further}"), node, out)?;
    }
    for (at, group) in groups.iter().enumerate() {
        let is_last = nodes.len() + at + 1 == all;
        write!(out, "{indent}{}", if is_last { "└── " } else { "├── " })?;
        line(group, out)?;
    }
    Ok(())
}

fn outside(trees: &Trees, rows: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let count: usize = trees.outside.iter().map(|line| line.count).sum();
    if count == 0 {
        return Ok(());
    }
    writeln!(out, "\nin no tree: {count} processes")?;
    for line in trees.outside.iter().take(rows) {
        writeln!(out, "  {}", one_line(&outsiders(line)))?;
    }
    let more = trees.outside.len().saturating_sub(rows);
    if more > 0 {
        writeln!(out, "  and {more} more lines: -n shows them")?;
    }
    Ok(())
}

fn outsiders(line: &Outsiders) -> String {
    let title = match line.count {
        1 => format!("{} {}", line.who, line.pids.concat()),
        many => {
            let more = if many > line.pids.len() { " ..." } else { "" };
            format!("{many} x {}: {}{more}", line.who, line.pids.join(" "))
        }
    };
    let application = line.application.as_ref();
    let application = application.map_or_else(String::new, |name| format!(", of {name}"));
    let linked: Vec<String> = line.linked.iter().map(describe::linked).collect();
    let linked = match linked.is_empty() {
        true => String::new(),
        false => format!(", linked to {}", linked.join(", ")),
    };
    format!("{title}{application}{linked}")
}
