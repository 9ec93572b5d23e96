//! States as rows: what has changed since the last one of the process, and nothing twice.

use std::hash::{BuildHasher, RandomState};

use escope_beam::state::{Part, ProcessState};
use escope_beam::term::Node;
use escope_model::{StateRow, StateSeen, StateSource, state_hash};

/// Parts of a state that are told: a `gen_event` may have many handlers.
const PARTS_MAX: usize = 64;

/// What was told last of a process: what it was, and its parts.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<[u64; 2]>);

/// Tells states apart without keeping them: two hashes with keys that nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints([RandomState; 2]);

impl Fingerprints {
    fn of(&self, state: &ProcessState, parts: &[(String, Vec<u8>)]) -> [u64; 2] {
        let what = (state.behaviour.word(), &state.module, parts);
        self.0.each_ref().map(|key| key.hash_one(what))
    }
}

impl Told {
    /// The rows of a state: one without a term if all is as it was, else one for each part. `row` has what
    /// they have in common.
    pub(crate) fn rows(
        &mut self,
        row: &StateRow,
        state: &ProcessState,
        source: StateSource,
        (node, fingerprints): (Option<&Node>, &Fingerprints),
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
            rests: Some(state.rests.word().to_owned()),
            masked: state.masked,
            ..row.clone()
        };
        let now = Some(fingerprints.of(state, &parts)).filter(|_| !parts.is_empty());
        if now.is_some() && now == self.0 {
            let hash = parts.first().map(|(_, bytes)| state_hash(bytes));
            return vec![StateRow { hash, ..row }];
        }
        self.0 = now;
        let told = parts
            .into_iter()
            .zip(0..)
            .map(|((name, bytes), part)| StateRow {
                part,
                name: Some(name),
                behaviour: Some(state.behaviour.word().to_owned()),
                module: state.module.as_ref().map(ToString::to_string),
                hash: Some(state_hash(&bytes)),
                term: Some(bytes),
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

#[cfg(test)]
mod tests {
    use escope_beam::state::{Behaviour, Part, ProcessState, Rests};
    use escope_beam::term::Term;
    use escope_model::{ProcId, StateRow, StateSeen, StateSource};

    use super::{Fingerprints, Told};

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
            nameless: Vec::new(),
            reductions: 0,
            places: Vec::new(),
        }
    }

    fn rows(told: &mut (Told, Fingerprints), state: &ProcessState) -> Vec<StateRow> {
        let row = StateRow::mark(7, ProcId(1), StateSeen::Unreadable);
        let (told, fingerprints) = told;
        told.rows(&row, state, StateSource::Copy, (None, fingerprints))
    }

    #[test]
    fn what_is_the_same_is_told_without_its_term() {
        let mut told = <(Told, Fingerprints)>::default();
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
    fn how_it_rests_is_told_with_what_is_the_same() {
        let mut told = <(Told, Fingerprints)>::default();
        rows(&mut told, &state(&[("state", 1)]));
        let mut within = state(&[("state", 1)]);
        within.rests = Rests::InCallback;
        let again = rows(&mut told, &within);
        assert_eq!(again[0].term, None);
        assert_eq!(again[0].rests.as_deref(), Some("in_callback"));
        within.module = Some("other".into());
        assert!(rows(&mut told, &within)[0].term.is_some());
    }

    #[test]
    fn all_parts_are_told_when_one_has_changed() {
        let mut told = <(Told, Fingerprints)>::default();
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
