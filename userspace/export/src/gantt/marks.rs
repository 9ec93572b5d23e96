//! Instants in a row: a process came, went, or got a name.

use super::columns::Columns;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// It was spawned.
    Spawn,
    /// It ended as it should.
    Exit,
    /// It ended otherwise.
    Crash,
    /// It got or gave up a name.
    Name,
}

/// One or more instants, too near to each other to be told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) at_ns: i64,
    pub(super) kind: MarkKind,
    pub(super) facts: Vec<String>,
    /// How many more there are of its kind.
    pub(super) more: u64,
}

/// The marks of a row.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

/// Pixels between marks of a kind.
const APART_PX: f64 = 6.0;

impl Marks {
    /// Adds one, or counts it to the last of its kind that is near.
    pub(super) fn add(
        &mut self,
        at_ns: i64,
        kind: MarkKind,
        facts: Vec<String>,
        columns: &Columns,
    ) {
        let mut of_kind = self.0.iter_mut().rev().filter(|mark| mark.kind == kind);
        match of_kind.next() {
            Some(last) if columns.wide(last.at_ns, at_ns) < APART_PX => last.more += 1,
            _ => self.0.push(Mark {
                at_ns,
                kind,
                facts,
                more: 0,
            }),
        }
    }

    pub(super) fn all(&self) -> &[Mark] {
        &self.0
    }
}
