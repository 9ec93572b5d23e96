//! Supervision trees as SVG: roots at the left, children to the right of who supervises them.
//!
//! Told in the plain terms of [`Item`]; the drawing keeps no names of its own. What there is no room
//! for is counted and told.

mod layout;
mod paint;
#[cfg(test)]
mod tests;

use std::io::Write;

use crate::ExportError;

/// Boxes that are drawn; a browser shows no more with ease.
const DRAWN_MAX: usize = 20_000;
/// Items within each other.
const DEPTH_MAX: usize = 100;

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An application, or what else a tree hangs on.
    Root,
    /// A supervisor.
    Supervisor,
    /// A supervisor whose children could not be read.
    Untold,
    /// A worker.
    Worker,
    /// Many children of a kind.
    Group,
    /// A child for which nothing runs here.
    Absent,
}

impl Shape {
    /// All, in the order of the legend.
    const ALL: [Shape; 6] = [
        Shape::Root,
        Shape::Supervisor,
        Shape::Untold,
        Shape::Worker,
        Shape::Group,
        Shape::Absent,
    ];

    fn meaning(self) -> &'static str {
        match self {
            Shape::Root => "application or origin",
            Shape::Supervisor => "supervisor",
            Shape::Untold => "supervisor, children not told",
            Shape::Worker => "worker",
            Shape::Group => "many of a kind",
            Shape::Absent => "nothing runs",
        }
    }

    /// Hues of Okabe and Ito, lightened so that black text is readable on each.
    fn colour(self) -> &'static str {
        match self {
            Shape::Root => "#e3e3e3",
            Shape::Supervisor => "#bfe1f6",
            Shape::Untold => "#f6d59b",
            Shape::Worker => "#ffffff",
            Shape::Group => "#f8f2b0",
            Shape::Absent => "#efd2e1",
        }
    }
}

/// A box and what is to the right of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub shape: Shape,
    /// What is written into it: names of the target.
    pub label: String,
    /// What else is known, a line each, shown when the pointer rests on it.
    pub known: Vec<String>,
    /// Its children.
    pub items: Vec<Item>,
}

/// Writes a picture of trees, under a title and a line below it.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    title: &str,
    subtitle: &str,
    items: &[Item],
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let placed = layout::place(items);
    out.write_all(paint::paint(title, subtitle, &placed).as_bytes())?;
    Ok(())
}
