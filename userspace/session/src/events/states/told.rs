//! States as rows: what has changed since the last one of the process, and nothing twice.

use escope_beam::state::{Part, ProcessState, Rests};
use escope_beam::term::Node;
use escope_model::{StateRow, StateSeen, StateSource, state_hash};

/// Parts of a state that are told: a `gen_event` may have many handlers.
const PARTS_MAX: usize = 64;

/// What was told last of a process: of each part its name and its bytes.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(String, Vec<u8>)>);

impl Told {
    /// The rows of a state: one without a term if all is as it was, else one for each part. `row` has what
    /// they have in common.
    pub(super) fn rows(
        &mut self,
        row: &StateRow,
        state: &ProcessState,
        source: StateSource,
        node: Option<&Node>,
    ) -> Vec<StateRow> {
        let encoded = |part: &Part| {
            Some((
                part.name.clone(),
                part.term.to_external_with_holes(node).ok()?,
            ))
        };
        let parts = state.parts.iter().take(PARTS_MAX);
        let Some(parts) = parts.map(encoded).collect::<Option<Vec<_>>>() else {
            return vec![row.clone()];
        };
        let is_cut = state.parts.len() > PARTS_MAX || state.parts.iter().any(|part| !part.whole);
        let row = StateRow {
            seen: match is_cut {
                true => StateSeen::Cut,
                false => StateSeen::Exact,
            },
            source: Some(source),
            rests: Some(word(state.rests).to_owned()),
            masked: state.masked,
            ..row.clone()
        };
        if parts == self.0 && !parts.is_empty() {
            let hash = parts.first().map(|(_, bytes)| state_hash(bytes));
            return vec![StateRow { hash, ..row }];
        }
        self.0 = parts;
        let told = self
            .0
            .iter()
            .zip(0..)
            .map(|((name, bytes), part)| StateRow {
                part,
                name: Some(name.clone()),
                behaviour: Some(state.behaviour.word().to_owned()),
                module: state.module.as_ref().map(ToString::to_string),
                hash: Some(state_hash(bytes)),
                term: Some(bytes.clone()),
                ..row.clone()
            });
        let told: Vec<StateRow> = told.collect();
        match told.is_empty() {
            // In a callback, and what it was before is not known.
            true => vec![StateRow {
                seen: StateSeen::Unreadable,
                ..row
            }],
            false => told,
        }
    }
}

fn word(rests: Rests) -> &'static str {
    match rests {
        Rests::Waiting => "waiting",
        Rests::Hibernating => "hibernating",
        Rests::Suspended => "suspended",
        Rests::InCallback => "in_callback",
        Rests::Ending => "ending",
    }
}

#[cfg(test)]
mod tests {
    use escope_beam::state::{Behaviour, Part, ProcessState, Rests};
    use escope_beam::term::Term;
    use escope_model::{ProcId, StateRow, StateSeen, StateSource};

    use super::Told;

    fn state(parts: &[(&str, i64)]) -> ProcessState {
        ProcessState {
            behaviour: Behaviour::GenServer,
            status: "waiting",
            rests: Rests::Waiting,
            module: Some("shop".into()),
            waits_in: None,
            location: None,
            callback: None,
            parts: (parts.iter())
                .map(|(name, value)| Part {
                    name: (*name).to_owned(),
                    term: Term::Integer(*value),
                    whole: true,
                })
                .collect(),
            words: Vec::new(),
            supervision: None,
            masked: 2,
            reductions: 0,
            places: Vec::new(),
        }
    }

    fn rows(told: &mut Told, state: &ProcessState) -> Vec<StateRow> {
        let row = StateRow::mark(7, ProcId(1), StateSeen::Unreadable);
        told.rows(&row, state, StateSource::Copy, None)
    }

    #[test]
    fn what_is_the_same_is_told_without_its_term() {
        let mut told = Told::default();
        let first = rows(&mut told, &state(&[("state", 1)]));
        assert_eq!(first[0].term.as_deref(), Some(&[131, b'a', 1][..]));
        let again = rows(&mut told, &state(&[("state", 1)]));
        assert_eq!((again.len(), &again[0].term), (1, &None));
        assert_eq!(
            (again[0].hash, again[0].seen),
            (first[0].hash, StateSeen::Exact)
        );
        let other = rows(&mut told, &state(&[("state", 2)]));
        assert!(other[0].term.is_some() && other[0].hash != first[0].hash);
    }

    #[test]
    fn all_parts_are_told_when_one_has_changed() {
        let mut told = Told::default();
        rows(&mut told, &state(&[("state", 1), ("data", 2)]));
        let changed = rows(&mut told, &state(&[("state", 1), ("data", 3)]));
        let parts: Vec<_> = changed.iter().map(|row| (row.part, row.masked)).collect();
        assert_eq!(parts, [(0, 2), (1, 2)]);
        assert!(changed.iter().all(|row| row.term.is_some()));
        // Without any there is nothing to be told.
        let none = rows(&mut told, &state(&[]));
        assert_eq!((none.len(), none[0].seen), (1, StateSeen::Unreadable));
    }
}
