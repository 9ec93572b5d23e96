//! What the messages at the head of a mailbox look like.

use rustc_hash::FxHashMap;

use crate::memory::Memory;
use crate::said::Redaction;
use crate::term::{Limits, TermReader};

/// Characters of a value that are shown.
const VALUE_MAX: usize = 4000;

/// What to show of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageOptions {
    /// How many of each process, oldest first.
    pub first: usize,
    /// Values instead of shapes.
    pub values: bool,
}

/// One message, or several of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// Its shape or value; `not decoded yet` for one from another node that its process has not
    /// looked at, `changed while read` for one that was received meanwhile.
    pub text: String,
    /// How many of them there are among those that were looked at.
    pub count: u64,
}

/// Messages in the order in which they came; those of one shape where the first of them is.
/// `false` where one could not be read.
pub(super) fn read<M: Memory>(
    reader: &TermReader<'_, M>,
    terms: &[u64],
    options: MessageOptions,
    redaction: Option<&Redaction>,
) -> (Vec<Messages>, bool) {
    let mut groups: Vec<Messages> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut whole = true;
    for &term in terms {
        let text = match term {
            0 => Ok("not decoded yet".to_owned()),
            _ if options.values => reader.decode(term, Limits::default()).map(|mut term| {
                if let Some(redaction) = redaction {
                    redaction.mask(&mut term);
                }
                term.text(VALUE_MAX)
            }),
            _ => reader.shape(term),
        };
        whole &= text.is_ok();
        let text = text.unwrap_or_else(|_| "changed while read".to_owned());
        let same = places.get(&text).and_then(|&place| groups.get_mut(place));
        match same {
            Some(group) => group.count += 1,
            None => {
                if !options.values {
                    places.insert(text.clone(), groups.len());
                }
                groups.push(Messages { text, count: 1 });
            }
        }
    }
    (groups, whole)
}
