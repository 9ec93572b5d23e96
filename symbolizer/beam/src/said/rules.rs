//! What its user wants to be masked, besides the names that always are of secrets.

use std::str::FromStr;

/// A tuple has no more elements (`MAX_ARITYVAL` in `erl_term.h`).
const SIZE_MAX: usize = (1 << 24) - 1;

/// Rules, as they are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Regular expressions for names, in any case of letters: what goes by one is masked.
    pub names: Vec<String>,
    /// Regular expressions for texts, be they atoms, strings or binaries: what matches is masked.
    pub values: Vec<String>,
    /// Fields of records that are tuples.
    pub fields: Vec<FieldRule>,
    /// Modules: of what their processes have and what their functions are given only shapes are told.
    pub modules: Vec<String>,
}

/// A field of a record that is a tuple: `state:3` is `element(3, State)`, `state/4:3` the same of tuples of
/// four elements only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    tag: String,
    size: Option<usize>,
    element: usize,
}

impl FieldRule {
    /// Whether it is about such a tuple.
    pub(super) fn is_of(&self, tag: &str, size: usize) -> bool {
        self.tag == tag && self.size.is_none_or(|wanted| wanted == size)
    }

    /// The place that it masks in such a tuple, from 0.
    pub(super) fn place(&self, tag: &str, size: usize) -> Option<usize> {
        let place = self.element.checked_sub(1)?;
        (self.is_of(tag, size) && place < size).then_some(place)
    }
}

impl FromStr for FieldRule {
    type Err = String;

    fn from_str(text: &str) -> Result<FieldRule, String> {
        let wrong = || {
            format!(
                "{text:?} is no field of a record: give its name and the number of the element, as state:3 \
                 for element(3, State), or state/4:3 for tuples of four elements only"
            )
        };
        let (record, element) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let record = record.strip_prefix('#').unwrap_or(record);
        let (tag, size) = match record.rsplit_once('/') {
            Some((tag, size)) => (tag, Some(size.parse().map_err(|_| wrong())?)),
            None => (record, None),
        };
        let quoted = tag
            .strip_prefix('\'')
            .and_then(|tag| tag.strip_suffix('\''));
        let tag = quoted.unwrap_or(tag);
        let element = element.parse().map_err(|_| wrong())?;
        // The first one is the name.
        let is_field = (2..=size.unwrap_or(SIZE_MAX).min(SIZE_MAX)).contains(&element);
        match is_field && !tag.is_empty() {
            true => Ok(FieldRule {
                tag: tag.to_owned(),
                size,
                element,
            }),
            false => Err(wrong()),
        }
    }
}

/// A pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no regular expression: {why}")]
pub struct BadPattern {
    pub(super) pattern: String,
    pub(super) why: String,
}

impl BadPattern {
    /// Whether this one is it.
    #[must_use]
    pub fn is_of(&self, pattern: &str) -> bool {
        self.pattern == pattern
    }
}

#[cfg(test)]
mod tests {
    use super::FieldRule;

    #[test]
    fn a_field_is_a_name_and_a_number() {
        let rule: FieldRule = "state:3".parse().expect("a field");
        assert_eq!(rule.place("state", 4), Some(2));
        assert_eq!(rule.place("state", 2), None);
        assert_eq!(rule.place("other", 4), None);
        let rule: FieldRule = "#'my state'/4:2".parse().expect("a field");
        assert_eq!(rule.place("my state", 4), Some(1));
        assert_eq!(rule.place("my state", 5), None);
        for wrong in [
            "", "state", "state:", "state:x", "state:1", "state:0", ":2", "s/2:3", "s/x:2",
        ] {
            assert!(wrong.parse::<FieldRule>().is_err(), "{wrong}");
        }
    }
}
