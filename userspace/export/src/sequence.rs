//! Sequence diagrams: who sent what to whom, as SVG or as Mermaid's text.
//!
//! Each participant has a line, time goes down. A message is an arrow from when it was
//! sent to when it was taken out of the mailbox; calls are paired with their replies
//! where only one can be meant (`pairs`).
//!
//! Invariants: what is told of a message is what its row says; a message whose fate is
//! not known is marked so; a gap is drawn where it is, and nothing is drawn over it.

mod bars;
mod draw;
mod label;
mod mermaid;
mod pairs;
mod scale;

use std::io::Write;

use escope_model::{Fate, LeftAs, MessageKind};

use crate::ExportError;
use crate::gantt::Gap;
use bars::Bars;
use scale::Scale;

/// Participants at most.
const PARTICIPANTS_MAX: usize = 100;

/// One line of the diagram: a process, or several that are shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// What stands above it.
    pub name: String,
    /// What more is known, a line each, for the tooltip.
    pub details: Vec<String>,
}

/// A message between two participants, nanoseconds since the recording's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The sender's line.
    pub from: usize,
    /// The receiver's line.
    pub to: usize,
    /// Who sent it, where a line stands for several. Never reused.
    pub from_id: Option<u64>,
    /// Who was to get it.
    pub to_id: u64,
    /// When it was sent.
    pub sent_ns: i64,
    /// When it was taken out of the mailbox.
    pub received_ns: Option<i64>,
    /// What it is.
    pub kind: MessageKind,
    /// Its first atom.
    pub tag: Option<String>,
    /// What it says, if that was recorded.
    pub payload: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What happened to a participant besides messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When, nanoseconds since the recording's start.
    pub at_ns: i64,
    /// Whose line.
    pub lane: usize,
    /// What, in a few words.
    pub text: String,
    /// Whether nothing follows on this line.
    pub is_end: bool,
}

/// All that is drawn, but for runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The headline.
    pub title: String,
    /// The line below it: facts about the recording.
    pub subtitle: String,
    /// Sentences at the foot: what was left out.
    pub remarks: Vec<String>,
    /// The lines, from the left.
    pub participants: Vec<Participant>,
    /// In the order of sending.
    pub letters: Vec<Letter>,
    /// In the order of time.
    pub notes: Vec<Note>,
    /// Where events are missing.
    pub gaps: Vec<Gap>,
}

/// A diagram.
#[derive(Debug)]
pub struct Sequence {
    script: Script,
    /// The reply of each call and the call of each reply, where that is known.
    partners: Vec<Option<usize>>,
    scale: Scale,
    bars: Vec<Bars>,
}

impl Sequence {
    /// A diagram without runs. What is about lines that are not there is dropped.
    #[must_use]
    pub fn new(mut script: Script) -> Sequence {
        script.participants.truncate(PARTICIPANTS_MAX);
        let lanes = script.participants.len();
        script
            .letters
            .retain(|letter| letter.from < lanes && letter.to < lanes);
        script.letters.sort_by_key(|letter| letter.sent_ns);
        script.notes.retain(|note| note.lane < lanes);
        script.notes.sort_by_key(|note| note.at_ns);
        script.gaps = joined(&script);
        let partners = pairs::partners(&script.letters, &script.gaps);
        let scale = Scale::new(&script);
        if let Some((from_ns, to_ns)) = scale.span() {
            script
                .gaps
                .retain(|gap| gap.from_ns < to_ns && gap.to_ns > from_ns);
            for gap in &mut script.gaps {
                gap.from_ns = gap.from_ns.max(from_ns);
                gap.to_ns = gap.to_ns.min(to_ns);
            }
        }
        Sequence {
            partners,
            scale,
            bars: (0..lanes).map(|_| Bars::default()).collect(),
            script,
        }
    }

    /// From the first to the last that is drawn; runs of that time can be told. `None`
    /// if there is nothing.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        self.scale.span()
    }

    /// A run of a line, in the order of time.
    pub fn run(&mut self, lane: usize, start_ns: i64, end_ns: i64, left_as: Option<LeftAs>) {
        if let Some(bars) = self.bars.get_mut(lane) {
            bars.run((start_ns, end_ns), left_as, &self.scale, &self.script.gaps);
        }
    }

    /// Draws it.
    ///
    /// # Errors
    /// [`ExportError::NoMessages`] when there is nothing to draw, else when `out` fails.
    pub fn write_svg(&self, out: &mut impl Write) -> Result<(), ExportError> {
        self.is_something()?;
        out.write_all(draw::picture(self).as_bytes())?;
        Ok(out.flush()?)
    }

    /// Writes it as text for Mermaid, 11 or later. There are no runs in it.
    ///
    /// # Errors
    /// [`ExportError::NoMessages`] when there is nothing to draw, else when `out` fails.
    pub fn write_mermaid(&self, out: &mut impl Write) -> Result<(), ExportError> {
        self.is_something()?;
        out.write_all(mermaid::text(self).as_bytes())?;
        Ok(out.flush()?)
    }

    fn is_something(&self) -> Result<(), ExportError> {
        match self.script.letters.is_empty() && self.script.notes.is_empty() {
            true => Err(ExportError::NoMessages),
            false => Ok(()),
        }
    }

    /// The number of a pair, from 1 in the order of calling, of a call or a reply.
    fn pair(&self, letter: usize) -> Option<usize> {
        let partner = (*self.partners.get(letter)?)?;
        let call = letter.min(partner);
        let paired = self.partners.iter().take(call).enumerate();
        let before = paired.filter(|(at, other)| other.is_some_and(|other| other > *at));
        Some(before.count() + 1)
    }
}

/// The gaps in order, those that overlap or have nothing between them as one.
fn joined(script: &Script) -> Vec<Gap> {
    let sent = script.letters.iter().map(|letter| letter.sent_ns);
    let taken = script.letters.iter().filter_map(|it| it.received_ns);
    let noted = script.notes.iter().map(|note| note.at_ns);
    let mut times: Vec<i64> = sent.chain(taken).chain(noted).collect();
    times.sort_unstable();
    let mut sorted: Vec<&Gap> = script
        .gaps
        .iter()
        .filter(|it| it.from_ns < it.to_ns)
        .collect();
    sorted.sort_by_key(|gap| gap.from_ns);
    let mut gaps: Vec<(Gap, usize)> = Vec::new();
    for gap in sorted {
        let next = |ns: i64| times.partition_point(|at_ns| *at_ns < ns);
        match gaps.last_mut() {
            Some((last, parts))
                if gap.from_ns <= last.to_ns || next(last.to_ns) == next(gap.from_ns) =>
            {
                *parts += usize::from(gap.from_ns > last.to_ns);
                last.to_ns = last.to_ns.max(gap.to_ns);
                if last.details.len() < 6 {
                    last.details.extend(gap.details.iter().cloned());
                }
            }
            _ => gaps.push((gap.clone(), 1)),
        }
    }
    let gaps = gaps.into_iter().map(|(mut gap, parts)| {
        if parts > 1 {
            let parts = format!("in {parts} parts; between them there was nothing to draw");
            gap.details.insert(0, parts);
        }
        gap
    });
    gaps.collect()
}

#[cfg(test)]
mod tests;
