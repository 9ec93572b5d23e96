//! The messages between a few processes, as a sequence diagram.

use std::collections::HashMap;
use std::path::Path;

use escope_export::sequence::{Letter, Note, Participant, Script, Sequence};
use escope_model::{Dictionary, Fate, LifeEvent, Message, ProcId};
use escope_recording::{Recording, TimeRange};

use super::facts::{called, gaps, identity, span, subtitle};
use super::name;
use crate::args::{TimelineArgs, TimelineFormat};
use crate::failure::Failure;
use crate::load::node;
use crate::output;
use crate::payloads::{Payloads, shown};
use crate::say::say;

/// Participants at most.
const LANES_MAX: usize = 50;
/// Characters of what a message said, of which a label has a part.
const SAID_MAX: usize = 400;

/// Of what a picture is made.
struct Cast<'a> {
    recording: &'a Recording,
    dictionary: &'a Dictionary,
    range: TimeRange,
    lanes: HashMap<ProcId, usize>,
    participants: Vec<Participant>,
    /// How many processes each participant stands for.
    sizes: Vec<usize>,
    /// The line of all others, if they are drawn.
    others: Option<usize>,
    most: usize,
}

/// Draws the messages between the processes that are asked for.
pub(super) fn draw(
    recording: &Recording,
    dictionary: &Dictionary,
    range: TimeRange,
    args: &TimelineArgs,
) -> anyhow::Result<()> {
    let format = format(args)?;
    let (from_ns, to_ns) = span(recording, range)?;
    let mut cast = Cast {
        recording,
        dictionary,
        range: TimeRange {
            since_ns: Some(from_ns),
            until_ns: Some(to_ns),
        },
        lanes: HashMap::new(),
        participants: Vec::new(),
        sizes: Vec::new(),
        others: None,
        most: args.picture.messages,
    };
    cast.choose(args)?;
    let sequence = cast.told((from_ns, to_ns))?;
    let picture = &args.picture;
    let path = picture.svg.as_deref().or(picture.output.as_deref());
    output::picture(path, |mut out| {
        match format {
            TimelineFormat::Mermaid => sequence.write_mermaid(&mut out)?,
            _ => sequence.write_svg(&mut out)?,
        }
        Ok(())
    })
}

/// As which it is drawn: as asked for, else by the file's ending, else as text.
fn format(args: &TimelineArgs) -> anyhow::Result<TimelineFormat> {
    let picture = &args.picture;
    if picture.svg.is_some() {
        return Ok(TimelineFormat::Svg);
    }
    match args.format {
        Some(format @ (TimelineFormat::Svg | TimelineFormat::Mermaid)) => return Ok(format),
        Some(_) => {
            return Err(Failure::usage("a sequence is drawn as --format svg or mermaid").into());
        }
        None => {}
    }
    let ending = picture.output.as_deref().and_then(Path::extension);
    match ending.and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(TimelineFormat::Svg),
        _ => Ok(TimelineFormat::Mermaid),
    }
}

impl Cast<'_> {
    fn choose(&mut self, args: &TimelineArgs) -> anyhow::Result<()> {
        let names: Vec<&str> = args
            .picture
            .sequence
            .iter()
            .map(|name| name.trim())
            .collect();
        if names.len() > LANES_MAX {
            let most = format!("a sequence has {LANES_MAX} participants at most: name fewer");
            return Err(Failure::usage(most).into());
        }
        for wanted in names {
            let mut these = called(self.dictionary, wanted)?;
            these.retain(|proc| !self.lanes.contains_key(proc));
            let lane = self.participants.len();
            let participant = match these.as_slice() {
                [] => continue,
                [one] => Participant {
                    name: name(self.dictionary, *one),
                    details: identity(self.dictionary, *one),
                },
                several => Participant {
                    name: format!("{wanted}: {} processes", several.len()),
                    details: several
                        .iter()
                        .take(10)
                        .map(|proc| name(self.dictionary, *proc))
                        .collect(),
                },
            };
            self.participants.push(participant);
            self.sizes.push(these.len());
            self.lanes
                .extend(these.into_iter().map(|proc| (proc, lane)));
        }
        if args.picture.others {
            self.others = Some(self.participants.len());
            self.participants.push(Participant {
                name: "others".to_owned(),
                details: vec!["all other processes, ports, timers and nodes".to_owned()],
            });
            self.sizes.push(usize::MAX);
        }
        Ok(())
    }

    fn told(self, (from_ns, to_ns): (i64, i64)) -> anyhow::Result<Sequence> {
        let mut script = Script {
            title: format!("{}: messages", node(self.recording.manifest())),
            subtitle: subtitle(self.recording, (from_ns, to_ns)),
            participants: self.participants.clone(),
            ..Script::default()
        };
        let last_ns = self.tell_messages(&mut script, to_ns)?;
        self.tell_lives(&mut script, last_ns)?;
        let within = |from: i64, to: i64| from < last_ns && to > from_ns;
        let gaps = gaps(self.recording)?.into_iter();
        script.gaps = gaps.filter(|gap| within(gap.from_ns, gap.to_ns)).collect();
        let mut sequence = Sequence::new(script);
        if let Some((_, drawn_to_ns)) = sequence.span() {
            let up_to = TimeRange {
                since_ns: None,
                until_ns: Some(drawn_to_ns.saturating_add(1)),
            };
            for run in self.recording.runs(up_to)? {
                let run = run?;
                if let Some(lane) = self.lanes.get(&run.proc) {
                    sequence.run(*lane, run.start_ns, run.end_ns, run.left_as);
                }
            }
        }
        Ok(sequence)
    }

    /// Where a message begins and ends, if it is one between two lines.
    fn ends(&self, message: &Message) -> Option<(usize, usize)> {
        let from = message.from.and_then(|from| self.lanes.get(&from).copied());
        let to = self.lanes.get(&message.to).copied();
        if from.is_none() && to.is_none() {
            return None;
        }
        Some((from.or(self.others)?, to.or(self.others)?))
    }

    /// Until when everything is drawn.
    fn tell_messages(&self, script: &mut Script, to_ns: i64) -> anyhow::Result<i64> {
        let (mut hidden, mut more) = (0_u64, 0_u64);
        let mut last_ns = to_ns;
        let mut payloads = Payloads::of(self.recording, self.range)?;
        let mut rows = self.recording.messages(self.range)?;
        for message in &mut rows {
            let message = message?;
            let Some((from, to)) = self.ends(&message) else {
                let is_of = |proc: ProcId| self.lanes.contains_key(&proc);
                hidden += u64::from(is_of(message.to) || message.from.is_some_and(is_of));
                continue;
            };
            if script.letters.len() >= self.most {
                if more == 0 {
                    last_ns = message.sent_ns;
                }
                more += 1;
                continue;
            }
            let said = payloads.said(&message)?;
            script.letters.push(Letter {
                from,
                to,
                from_id: message.from.map(|from| u64::from(from.0)),
                to_id: u64::from(message.to.0),
                sent_ns: message.sent_ns,
                received_ns: message.received_ns,
                kind: message.kind,
                tag: message.tag,
                payload: said.map(|said| shown(&said, SAID_MAX)),
                fate: match (message.received_ns, message.fate) {
                    (Some(_), _) => Fate::Received,
                    (None, Fate::Received) => Fate::Unknown,
                    (None, fate) => fate,
                },
            });
        }
        for problem in rows.problems() {
            say!("escope-bpf: warning: {problem}");
        }
        if more > 0 {
            script.remarks.push(format!(
                "{more} later messages are not drawn: --messages draws more, --from and --to others"
            ));
        }
        if hidden > 0 {
            script.remarks.push(format!(
                "{hidden} messages from or to other processes are not drawn: --others"
            ));
        }
        Ok(last_ns)
    }

    fn tell_lives(&self, script: &mut Script, last_ns: i64) -> anyhow::Result<()> {
        let range = TimeRange {
            until_ns: Some(last_ns),
            ..self.range
        };
        let mut more = 0_u64;
        for life in self.recording.lifecycle(range)? {
            let life = life?;
            let Some(&lane) = self.lanes.get(&life.proc) else {
                continue;
            };
            let other = life.other.map(|other| name(self.dictionary, other));
            let is_one = self.sizes.get(lane) == Some(&1);
            let mut text = match life.event {
                LifeEvent::Spawn => format!("spawned by {}", other.as_deref().unwrap_or("?")),
                LifeEvent::Exit => format!("ended: {}", life.reason.as_deref().unwrap_or("?")),
                LifeEvent::Register => {
                    format!("registered as {}", life.name.as_deref().unwrap_or("?"))
                }
                _ => continue,
            };
            if script.notes.len() >= self.most {
                more += 1;
                continue;
            }
            if !is_one {
                let pid = self.dictionary.process(life.proc).map(|it| it.pid.as_str());
                text = format!("{} {text}", pid.unwrap_or("?"));
            }
            script.notes.push(Note {
                at_ns: life.ts_ns,
                lane,
                text,
                is_end: is_one && life.event == LifeEvent::Exit,
            });
        }
        if more > 0 {
            let text = format!("{more} later spawns, exits and registrations are not drawn");
            script.remarks.push(text);
        }
        Ok(())
    }
}
