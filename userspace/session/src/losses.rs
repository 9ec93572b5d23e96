//! The kernel half's counters, as losses that a reader understands.

use escope_model::Loss;
use escope_wire::Counters;

/// One kind of loss: where it is counted, its permanent name, what it means, what helps.
struct Kind {
    count: fn(&Counters) -> u64,
    place: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        count: |counters| counters.ring_full,
        place: "ring_full",
        meaning: "samples were taken but dropped, because the recorder did not fetch them in time",
        remedy: "lower -F, or give the recorder more CPU time",
    },
    Kind {
        count: |counters| counters.code_ring_full,
        place: "code_ring_full",
        meaning: "code was loaded and the recorder was not told in time; frames of code that changed \
                  have no name until it had read the VM's list anew",
        remedy: "lower -F, or give the recorder more CPU time",
    },
    Kind {
        count: |counters| counters.scheduler_unreadable,
        place: "scheduler_unreadable",
        meaning: "samples whose scheduler could not be read: they have no process",
        remedy: "none is known; please report it with the output of escope-bpf doctor",
    },
    Kind {
        count: |counters| counters.process_unreadable,
        place: "process_unreadable",
        meaning: "samples whose process could not be read: they have no process",
        remedy: "memory of the target may be swapped out",
    },
    Kind {
        count: |counters| counters.erlang_unreadable,
        place: "erlang_unreadable",
        meaning: "samples whose Erlang stack could not be read: they show where, but not who called",
        remedy: "memory of the target may be swapped out, or a garbage collection moved the stack",
    },
    Kind {
        count: |counters| counters.native_unreadable,
        place: "native_unreadable",
        meaning: "samples whose C stack could not be read",
        remedy: "memory of the target may be swapped out",
    },
];

/// The losses between two readings of the counters.
pub(crate) fn between(before: &Counters, after: &Counters, from_ns: i64, to_ns: i64) -> Vec<Loss> {
    KINDS
        .iter()
        .filter_map(|kind| {
            let count = (kind.count)(after).saturating_sub((kind.count)(before));
            (count > 0).then(|| Loss {
                from_ns,
                to_ns,
                place: kind.place.to_owned(),
                count,
                meaning: kind.meaning.to_owned(),
                remedy: kind.remedy.to_owned(),
            })
        })
        .collect()
}

/// Code that came or went unseen, found by reading the VM's list again.
pub(crate) fn code_unseen(count: u64, from_ns: i64, to_ns: i64) -> Option<Loss> {
    (count > 0).then(|| Loss {
        from_ns,
        to_ns,
        place: "code_unseen".to_owned(),
        count,
        meaning: "pieces of code came or went unannounced; samples of them in this time may have \
                  frames without a name"
            .to_owned(),
        remedy: "see options.code_following in the manifest, or lower -F".to_owned(),
    })
}

const REMEDY_OF_EVENTS: &str = "ask for fewer --events, for a lower --max-overhead, or for more \
                                --max-memory";

/// Events that were dropped, between exactly these times.
pub(crate) fn events(count: u64, from_ns: i64, to_ns: i64) -> Loss {
    Loss {
        from_ns,
        to_ns,
        place: "event_ring_full".to_owned(),
        count,
        meaning: "events of the VM were dropped, because the recorder did not fetch them in time"
            .to_owned(),
        remedy: REMEDY_OF_EVENTS.to_owned(),
    }
}

/// Events that were given up with those, somewhere between these times.
pub(crate) fn given_up(count: u64, from_ns: i64, to_ns: i64) -> Option<Loss> {
    (count > 0).then(|| Loss {
        from_ns,
        to_ns,
        place: "event_gap".to_owned(),
        count,
        meaning: "events lay among dropped ones, so that no runs and messages can be told of that \
                  time"
            .to_owned(),
        remedy: REMEDY_OF_EVENTS.to_owned(),
    })
}

/// Records of events that the kernel half has begun and not ended when the recording did, somewhere between
/// these times.
pub(crate) fn unwritten(count: u64, from_ns: i64, to_ns: i64) -> Option<Loss> {
    (count > 0).then(|| Loss {
        from_ns,
        to_ns,
        place: "event_unwritten".to_owned(),
        count,
        meaning:
            "events were still being written when the recording ended, by threads that had no \
                  CPU for that long"
                .to_owned(),
        remedy: "ask for a longer recording, or for fewer --events".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use escope_wire::Counters;

    use super::between;

    #[test]
    fn only_what_was_lost_since_is_told() {
        let before = Counters {
            ring_full: 3,
            ..Counters::default()
        };
        let after = Counters {
            ring_full: 5,
            erlang_unreadable: 1,
            ..before
        };
        let losses = between(&before, &after, 10, 20);
        let told: Vec<_> = losses
            .iter()
            .map(|loss| (loss.place.as_str(), loss.count))
            .collect();
        assert_eq!(told, [("ring_full", 2), ("erlang_unreadable", 1)]);
        assert!(between(&after, &after, 20, 30).is_empty());
    }
}
