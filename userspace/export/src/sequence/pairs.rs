//! Which reply belongs to which call.
//!
//! The reference that pairs them is not recorded. A reply belongs to a call if nothing
//! else can be meant: it goes from whom was called to the caller, and of all calls
//! between these two that were taken out of the mailbox before it was sent and have no
//! reply yet, there is only one. Where there are several, none of them is paired; which
//! of them was answered stays open until all were. Over a gap nothing is paired: replies and
//! calls in it were not seen.

use std::collections::BTreeMap;

use escope_model::MessageKind;

use super::{Gap, Letter};

#[derive(Debug, Default)]
struct Open {
    /// Calls that have no reply yet, or may have none.
    calls: Vec<usize>,
    /// Replies to some of them.
    answered: usize,
}

/// The partner of each message. Both are in the order of time.
pub(super) fn partners(letters: &[Letter], gaps: &[Gap]) -> Vec<Option<usize>> {
    let mut partners = vec![None; letters.len()];
    // By caller and called.
    let mut open: BTreeMap<(u64, u64), Open> = BTreeMap::new();
    let mut gaps = gaps.iter().peekable();
    for (at, letter) in letters.iter().enumerate() {
        while gaps.next_if(|gap| gap.from_ns <= letter.sent_ns).is_some() {
            open.clear();
        }
        let Some(from_id) = letter.from_id else {
            continue;
        };
        match letter.kind {
            MessageKind::Call => {
                let open = open.entry((from_id, letter.to_id)).or_default();
                open.calls.push(at);
            }
            MessageKind::Reply => {
                let Some(open) = open.get_mut(&(letter.to_id, from_id)) else {
                    continue;
                };
                if let Some(call) = answer(open, letters, letter.sent_ns)
                    && let Some(partner) = partners.get_mut(call)
                {
                    *partner = Some(at);
                    partners[at] = Some(call);
                }
            }
            _ => {}
        }
    }
    partners
}

/// The call that a reply of this time answers.
fn answer(open: &mut Open, letters: &[Letter], sent_ns: i64) -> Option<usize> {
    let is_taken = |call: &usize| {
        let letter = letters.get(*call);
        let received_ns = letter.and_then(|letter| letter.received_ns);
        received_ns.is_some_and(|received_ns| received_ns <= sent_ns)
    };
    let taken = open.calls.iter().filter(|call| is_taken(call)).count();
    if taken == 0 {
        return None;
    }
    if taken > 1 || open.answered > 0 {
        open.answered += 1;
        if open.answered >= taken {
            open.calls.retain(|call| !is_taken(call));
            open.answered = 0;
        }
        return None;
    }
    let at = open.calls.iter().position(is_taken)?;
    Some(open.calls.remove(at))
}

#[cfg(test)]
mod tests {
    use escope_model::{Fate, MessageKind};

    use super::{Gap, Letter, partners};
    use crate::gantt::GapKind;

    fn letter(kind: MessageKind, (from, to): (u64, u64), sent_ns: i64, received_ns: i64) -> Letter {
        Letter {
            from: from as usize,
            to: to as usize,
            from_id: Some(from),
            to_id: to,
            sent_ns,
            received_ns: Some(received_ns),
            kind,
            tag: None,
            fate: Fate::Received,
        }
    }

    #[test]
    fn a_reply_belongs_to_the_only_call_that_can_be_meant() {
        use MessageKind::{Call, Reply};
        let (ab, ba) = ((1, 2), (2, 1));
        let one_by_one = [
            letter(Call, ab, 0, 5),
            letter(Call, (3, 2), 1, 6),
            letter(Reply, ba, 10, 11),
            letter(Call, ab, 12, 13),
            letter(Reply, ba, 14, 15),
            letter(Reply, ba, 16, 17),
        ];
        let expected = [Some(2), None, Some(0), Some(4), Some(3), None];
        assert_eq!(partners(&one_by_one, &[]), expected);
        let at_once = [
            letter(Call, ab, 0, 5),
            letter(Call, ab, 1, 6),
            letter(Reply, ba, 10, 11),
            letter(Reply, ba, 12, 13),
            letter(Call, ab, 14, 15),
            letter(Reply, ba, 16, 17),
        ];
        let expected = [None, None, None, None, Some(5), Some(4)];
        assert_eq!(partners(&at_once, &[]), expected);
        // It timed out; the late reply comes before the next call is taken.
        let late = [
            letter(Call, ab, 0, 5),
            letter(Call, ab, 8, 11),
            letter(Reply, ba, 10, 12),
            letter(Reply, ba, 20, 21),
        ];
        assert_eq!(partners(&late, &[]), [Some(2), Some(3), Some(0), Some(1)]);
        // In a gap it may have been answered, and asked anew.
        let gap = Gap {
            from_ns: 13,
            to_ns: 14,
            kind: GapKind::NotRecorded,
            details: Vec::new(),
        };
        let expected = [Some(2), None, Some(0), None, None, None];
        assert_eq!(partners(&one_by_one, &[gap]), expected);
    }
}
