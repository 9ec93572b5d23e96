//! A term as lines that are no wider than they need be.

use crate::term::Term;

/// Breaks that are made at most: what lies deeper stays on its line.
const DEPTH_MAX: usize = 100;

/// The text of a term, in lines of so many columns where it can be broken, which is between the
/// elements of tuples, lists, maps and records; `indent` columns are before the first line, and
/// before each of the others. A text of more than `chars` ends in `...`; a width of 0 is one line.
#[must_use]
pub fn lines(term: &Term, width: usize, indent: usize, chars: usize) -> Vec<String> {
    if width == 0 {
        return vec![term.text(chars)];
    }
    let mut layout = Layout {
        width: width.saturating_sub(indent).max(20),
        lines: Vec::new(),
        line: String::new(),
        columns: 0,
        left: chars,
    };
    if layout.term(term, 0, 0).is_none() {
        layout.line.push_str("...");
    }
    layout.lines.push(layout.line);
    layout.lines
}

struct Layout {
    width: usize,
    lines: Vec<String>,
    line: String,
    /// Characters of the line.
    columns: usize,
    /// Characters that may still be written.
    left: usize,
}

impl Layout {
    /// Writes what there is room for; `None` when that was not all.
    fn write(&mut self, text: &str) -> Option<()> {
        for c in text.chars() {
            self.left = self.left.checked_sub(1)?;
            self.line.push(c);
            self.columns += 1;
        }
        Some(())
    }

    fn next_line(&mut self, indent: usize) {
        let line = std::mem::replace(&mut self.line, " ".repeat(indent));
        self.lines.push(line);
        self.columns = indent;
    }

    /// Writes a term, on this line if it fits there with `after` characters behind it.
    fn term(&mut self, term: &Term, after: usize, depth: usize) -> Option<()> {
        let room = self.width.saturating_sub(self.columns + after);
        let line = term.text(room);
        // What was cut to fit is longer.
        let fits = line.chars().count() <= room;
        let broken = (!fits && depth < DEPTH_MAX).then(|| parts(term)).flatten();
        let Some((open, parts, missing, close)) = broken else {
            return match fits {
                true => self.write(&line),
                false => self.write(&term.text(self.left.saturating_add(1))),
            };
        };
        self.write(&open)?;
        let indent = self.columns.min(self.width / 2);
        let count = parts.len();
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                self.write(part.before)?;
                self.next_line(indent);
            }
            let is_last = at + 1 == count && !missing;
            let behind = if is_last { close.len() + after } else { 1 };
            if let Some(key) = part.key {
                self.key(key, depth)?;
            }
            self.term(part.term, behind, depth + 1)?;
        }
        if missing {
            self.write(if count > 0 { ",..." } else { "..." })?;
        }
        self.write(close)
    }

    fn key(&mut self, key: Key<'_>, depth: usize) -> Option<()> {
        match key {
            Key::Term(key) => {
                self.term(key, 4, depth + 1)?;
                self.write(" => ")
            }
            Key::Field(name) => {
                self.write(&crate::term::atom_text(name))?;
                self.write(" = ")
            }
        }
    }
}

enum Key<'t> {
    Term(&'t Term),
    Field(&'t str),
}

struct Piece<'t> {
    /// What is between the one before and this one.
    before: &'static str,
    key: Option<Key<'t>>,
    term: &'t Term,
}

type Pieces<'t> = (String, Vec<Piece<'t>>, bool, &'static str);

/// How a term begins, its pieces, whether more were not read, and how it ends; `None` for what
/// cannot be broken.
fn parts(term: &Term) -> Option<Pieces<'_>> {
    let plain = |term| Piece {
        before: ",",
        key: None,
        term,
    };
    match term {
        Term::Tuple(elements) => {
            let pieces = elements.items.iter().map(plain).collect();
            Some(("{".to_owned(), pieces, elements.missing > 0, "}"))
        }
        // One of characters may be a string, which has no places to break it.
        Term::List(list)
            if !list
                .items
                .iter()
                .all(|item| matches!(item, Term::Integer(_))) =>
        {
            let mut pieces: Vec<Piece<'_>> = list.items.iter().map(plain).collect();
            pieces.extend(list.tail.as_deref().map(|tail| Piece {
                before: "|",
                ..plain(tail)
            }));
            Some(("[".to_owned(), pieces, false, "]"))
        }
        Term::Map(map) => {
            let pieces = map.pairs.iter().map(|(key, value)| Piece {
                key: Some(Key::Term(key)),
                ..plain(value)
            });
            Some(("#{".to_owned(), pieces.collect(), map.missing > 0, "}"))
        }
        Term::Record(record) => {
            let pieces = record.fields.iter().map(|(name, value)| Piece {
                key: Some(Key::Field(name)),
                ..plain(value)
            });
            let atom = crate::term::atom_text;
            let open = format!("#{}:{}{{", atom(&record.module), atom(&record.name));
            Some((open, pieces.collect(), record.missing > 0, "}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::term::{Elements, List, Map, Term};

    fn tuple(items: Vec<Term>) -> Term {
        Term::Tuple(Elements { items, missing: 0 })
    }

    fn state() -> Term {
        let list = Term::List(List {
            items: (0..6)
                .map(|n| tuple(vec![Term::Atom("item".into()), Term::Integer(n)]))
                .collect(),
            tail: None,
        });
        let pairs = vec![
            (Term::Atom("items".into()), list),
            (Term::Atom("n".into()), Term::Integer(7)),
        ];
        tuple(vec![
            Term::Atom("state".into()),
            Term::Map(Map { pairs, missing: 2 }),
        ])
    }

    #[test]
    fn a_term_that_fits_is_one_line() {
        let text = state().to_string();
        assert_eq!(lines(&state(), 200, 4, 1000), [text.as_str()]);
        assert_eq!(lines(&state(), 0, 4, 1000), [text.as_str()]);
    }

    #[test]
    fn a_term_is_broken_between_its_elements_and_stays_the_same() {
        let broken = lines(&state(), 40, 4, 1000);
        assert!(broken.len() > 3, "{broken:#?}");
        assert!(broken.iter().all(|line| line.len() <= 36), "{broken:#?}");
        let joined: String = broken.iter().map(|line| line.trim_start()).collect();
        assert_eq!(
            joined.replace(' ', ""),
            state().to_string().replace(' ', "")
        );
    }

    #[test]
    fn what_is_too_long_ends_visibly() {
        for width in [0, 30] {
            let cut = lines(&state(), width, 0, 25).concat();
            assert!(cut.ends_with("..."), "{cut}");
            assert!(cut.replace(' ', "").len() <= 28, "{cut}");
        }
    }
}
