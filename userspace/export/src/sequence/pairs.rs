//! The reply of each call, and the call of each reply.

use escope_model::MessageKind;
use escope_timeline::{Answer, Gaps, Pairing, since_start};

use super::{Gap, Letter};

/// The partner of each message, where [`Pairing`] knows one. Both are in the order of time.
pub(super) fn partners(letters: &[Letter], gaps: &[Gap]) -> Vec<Option<usize>> {
    let mut partners = vec![None; letters.len()];
    let gaps = gaps.iter();
    let gaps = gaps.map(|gap| (since_start(gap.from_ns), since_start(gap.to_ns)));
    let mut calls = Pairing::new(&Gaps::of(gaps.collect()));
    for (at, letter) in letters.iter().enumerate() {
        let now_ns = since_start(letter.sent_ns);
        calls.advance(now_ns);
        let Some(from_id) = letter.from_id else {
            continue;
        };
        match letter.kind {
            MessageKind::Call => {
                let taken_ns = letter.received_ns.map(since_start);
                calls.ask((from_id, letter.to_id), now_ns, taken_ns, at);
            }
            MessageKind::Reply => {
                if let Answer::To(call) = calls.answer((letter.to_id, from_id), now_ns)
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
            payload: None,
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
