//! A frame for programs: all processes, or those that are asked for.

use escope_model::SchedulerId;
use escope_timeline::frame::{Alive, Doing, Known, Lying, ProcessFrame};
use serde_json::{Value, json};

use super::Told;
use crate::coverage::{name, place};
use crate::load;

impl Told<'_> {
    /// All of it; docs/commands.md says what the fields mean.
    pub(super) fn json(&self) -> Value {
        let counts = &self.counts;
        let schedulers = self.schedulers.iter().map(|id| self.scheduler(*id));
        let absent = self
            .absent
            .iter()
            .map(|absent| absent.json(self.dictionary));
        let processes = self.processes().map(|process| self.process(process));
        json!({
            "node": load::node(self.recording.manifest()),
            "at_ns": self.at_ns,
            "as_of_ns": self.frame.as_of_ns,
            "is_watched": self.missing.is_none(),
            "missing": self.missing.as_ref().map(|missing| json!({
                "from_ns": missing.span.0,
                "to_ns": missing.span.1.min(self.end_ns.unsigned_abs()),
                "lost": missing.lost.as_ref().map(|(count, _)| count),
                "meaning": missing.lost.as_ref().map(|(_, meaning)| meaning),
            })),
            "watched_since_ns": self.frame.watched_since_ns,
            "end_ns": self.end_ns,
            "event": self.event.as_ref().map(|event| event.json()),
            "covers": self.coverage.json(),
            "recorded": {
                "runs": self.recorded.runs,
                "messages": self.recorded.messages,
                "collections": self.recorded.collections,
            },
            "checkpoint": self.checkpoint.map(|checkpoint| json!({
                "from_ns": checkpoint.from_ns,
                "to_ns": checkpoint.to_ns,
                "age_ns": self.ago_ns(checkpoint.to_ns),
                "processes": checkpoint.processes,
                "is_complete": self.is_complete(),
            })),
            "counts": {
                "processes": counts.processes,
                "processes_unsure": counts.unsure,
                "by_doing": counts.by_doing,
                "collecting": counts.collecting,
                "mailboxes": counts.mailboxes,
                "messages": counts.messages,
                "messages_unsure": counts.messages_unsure,
                "messages_unseen": counts.messages_unseen,
                "by_checkpoint": counts.by_checkpoint,
                "states_omitted": self.states.omitted,
                "messages_omitted": self.frame.messages_omitted,
                "messages_astray": self.frame.astray,
            },
            "schedulers": schedulers.collect::<Vec<_>>(),
            "processes": processes.collect::<Vec<_>>(),
            "absent": absent.collect::<Vec<_>>(),
        })
    }

    fn scheduler(&self, id: SchedulerId) -> Value {
        let run = self.frame.runs.get(&id);
        let off_cpu = self.frame.off_cpu.get(&id);
        let sample = self.sampled.schedulers.get(&id);
        json!({
            "scheduler": id.to_string(),
            "proc": run.map(|run| run.proc.0),
            "name": run.map(|run| name(self.dictionary, run.proc)),
            "since_ns": run.map(|run| run.start_ns),
            "cut": run.and_then(|run| run.cut).map(|cut| cut.as_str()),
            "off_cpu": off_cpu.map(|off_cpu| json!({
                "since_ns": off_cpu.start_ns,
                "why": off_cpu.why.map(|why| why.as_str()),
                "is_ready": off_cpu.ready_from_ns() <= self.frame.as_of_ns,
            })),
            "sampled": sample.map(|sample| json!({
                "ts_ns": sample.ts_ns,
                "activity": sample.activity.as_str(),
                "proc": sample.proc.map(|proc| proc.0),
                "function": self.leaf(sample),
            })),
        })
    }

    fn process(&self, process: &ProcessFrame) -> Value {
        let info = self.dictionary.process(process.proc);
        let run = process.run.as_ref();
        let (known, known_ns) = match process.known {
            Known::Spawned(ns) => ("spawned", ns),
            Known::Before(ns) => ("seen_before", ns),
            Known::Later(ns) => ("seen_later", ns),
        };
        let (alive, alive_ns) = match process.alive {
            Alive::Sure => ("sure", None),
            Alive::LastSeen(ns) => ("last_seen", Some(ns)),
            Alive::Ending(ns) => ("ending", Some(ns)),
        };
        let (scheduler, why) = match process.doing {
            Doing::Running { scheduler, .. } => (Some(scheduler.to_string()), None),
            Doing::Unknown(why) => (None, Some(why.as_str())),
            _ => (None, None),
        };
        let mailbox = &process.mailbox;
        json!({
            "proc": process.proc.0,
            "pid": info.map(|info| &info.pid),
            "name": info.and_then(|info| info.name.as_ref()),
            "label": info.and_then(|info| info.label.as_ref()),
            "initial_call": info.and_then(|info| info.initial_call.as_ref()).map(ToString::to_string),
            "known": known,
            "known_ns": known_ns,
            "alive": alive,
            "alive_ns": alive_ns,
            "doing": process.doing.as_str(),
            "why": why,
            "since_ns": process.doing.since_ns(),
            "scheduler": scheduler,
            "next_run_ns": process.next_ns,
            "last_run": run.map(|run| json!({
                "start_ns": run.start_ns,
                "end_ns": run.end_ns,
                "left_as": run.left_as.map(|left| left.as_str()),
                "cut": run.cut.map(|cut| cut.as_str()),
            })),
            "place": self.place(process),
            "went_on_at": place(self.dictionary, process.went_on_at),
            "stack": self.stack(process),
            "is_by_checkpoint": process.is_by_checkpoint,
            "checkpoint": process.checkpoint.map(|row| json!({
                "from_ns": row.from_ns,
                "to_ns": row.to_ns,
                "age_ns": self.ago_ns(row.from_ns),
                "seen": row.seen.as_str(),
                "status": row.status.as_str(),
                "place": place(self.dictionary, row.at),
                "mailbox": row.mailbox,
                "mailbox_min": row.mailbox_min,
                "heap_words": row.heap_words,
                "reductions": row.reductions,
            })),
            "collecting_since_ns": process.collection.map(|it| it.start_ns),
            "call": process.call.map(|call| json!({
                "function": place(self.dictionary, Some(call.function)),
                "since_ns": call.start_ns,
            })),
            "mailbox": {
                "messages": mailbox.sure,
                "unsure": mailbox.unsure,
                "unseen": mailbox.unseen,
                "oldest_ns": mailbox.oldest_ns,
                "omitted": mailbox.omitted(),
                "first": mailbox.first.iter().map(|it| self.message(it)).collect::<Vec<_>>(),
            },
            "state": self.states.told.get(&process.proc).map(|stated| stated.json()),
        })
    }

    /// As a sample has seen it in the run that goes on.
    fn stack(&self, process: &ProcessFrame) -> Option<Value> {
        let sample = self.sampled.processes.get(&process.proc)?;
        let frames = self.dictionary.stack(sample.stack).iter();
        let frames = frames.map(|id| place(self.dictionary, Some(*id)));
        Some(json!({
            "ts_ns": sample.ts_ns,
            "activity": sample.activity.as_str(),
            "truncated": sample.truncated.map(|why| why.as_str()),
            "frames": frames.collect::<Vec<_>>(),
        }))
    }

    fn message(&self, lying: &Lying) -> Value {
        let message = &lying.message;
        let said = self.said.get(&message.msg);
        json!({
            "msg": message.msg,
            "from": message.from.map(|from| from.0),
            "kind": message.kind.as_str(),
            "tag": message.tag,
            "sent_ns": message.sent_ns,
            "age_ns": self.ago_ns(message.sent_ns),
            "is_sure": lying.is_sure,
            "size_words": message.size_words,
            "payload": said.map(|said| json!({
                "seen": said.seen.as_str(), "text": said.text, "masked": said.masked,
            })),
        })
    }
}
