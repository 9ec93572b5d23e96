//! Tells rows to a sink.

use std::borrow::Cow;

use escope_model::{
    Collection, Cut, Dictionary, DistAction, DistEvent, Fate, Life, LifeEvent, Loss, Message,
    MessageKind, ModuleEvent, NativeCall, OffCpu, Payload, PortAction, PortEvent, ProcId, Run,
    Sample,
};
use escope_timeline::{Change, Mailboxes, lies_in_mailbox};
use rustc_hash::FxHashSet;

use super::plan::Plan;
use super::sink::{Arg, Flow, FlowEnd, FlowSort, Instant, Sink, Slice, Value};
use super::tracks::{Names, Track, TrackId};
use super::{NotWatched, Point, Row};
use crate::ExportError;

/// How much of an exit's reason is in its name; all that is known of it is in an argument.
const REASON_CHARS: usize = 60;

/// Flows of spawned processes are numbered from here: after all messages, and still exact in a
/// double, which is what JavaScript has.
const FIRST_SPAWN: u64 = 1 << 52;

/// Tells rows to a sink, each as it comes.
///
/// Rows of different tables may come in any order, those of one table in its own.
pub struct Teller<'a, S> {
    sink: S,
    plan: &'a Plan,
    names: Names<'a>,
    dictionary: &'a Dictionary,
    declared: FxHashSet<TrackId>,
    mail: Mailboxes<ProcId, i64>,
    /// How many processes were spawned, to number them.
    spawned: u64,
    /// What the message says that comes next.
    said: Option<Payload>,
}

impl<'a, S: Sink> Teller<'a, S> {
    /// The plan must have seen the rows that will come. What it has not seen, as of a recording
    /// that still grows, comes last.
    pub fn new(plan: &'a Plan, dictionary: &'a Dictionary, sink: S) -> Teller<'a, S> {
        Teller {
            sink,
            plan,
            names: Names::new(dictionary, plan),
            dictionary,
            declared: FxHashSet::default(),
            mail: Mailboxes::default(),
            spawned: 0,
            said: None,
        }
    }

    /// Tells a row.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn tell(&mut self, row: &Row<'_>) -> Result<(), ExportError> {
        match *row {
            Row::Run(run) => self.run(run),
            Row::Collection(collection) => self.collection(collection),
            Row::OffCpu(off_cpu) => self.off_cpu(off_cpu),
            Row::NativeCall(call) => self.native_call(call),
            Row::Message(message) => self.message(message),
            Row::Payload(payload) => {
                self.said = Some(payload.clone());
                Ok(())
            }
            Row::Life(life) => self.life(life),
            Row::Module(event) => self.module(event),
            Row::Port(event) => self.port(event),
            Row::Dist(event) => self.dist(event),
            Row::Sample(sample) => self.sample(sample),
            Row::Point(point) => self.point(point),
            Row::Loss(loss) => self.loss(loss),
            Row::NotWatched(gap) => self.not_watched(gap),
        }
    }

    /// Nothing comes any more. Gives the sink back.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(mut self) -> Result<S, ExportError> {
        while let Some(change) = self.mail.leave(None) {
            self.mailbox(&change)?;
        }
        self.sink.finish()?;
        Ok(self.sink)
    }

    /// Declares a track, and those above it.
    fn need(&mut self, id: TrackId) -> Result<TrackId, ExportError> {
        if !self.declared.insert(id) {
            return Ok(id);
        }
        let parent = id.parent().map(|parent| self.need(parent)).transpose()?;
        self.sink.track(&Track {
            id,
            parent,
            name: &self.names.track(id),
            kind: id.kind(),
            rank: self.names.rank(id),
            about: Names::about(id),
        })?;
        Ok(id)
    }

    fn run(&mut self, run: &Run) -> Result<(), ExportError> {
        let tracks = [
            self.need(TrackId::Scheduler(run.scheduler))?,
            self.need(TrackId::Process(run.proc))?,
        ];
        let scheduler = run.scheduler.to_string();
        let names = [self.names.process(run.proc), &scheduler];
        let left_as = run.left_as.map(|left| Value::Text(left.as_str()));
        let args = collect([
            ("pid", self.names.pid(run.proc).map(Value::Text)),
            (
                "reductions",
                run.reductions.map(|it| Value::Number(it.into())),
            ),
            ("woken_by", run.woken_by.map(|by| Value::Text(by.as_str()))),
            ("left_as", left_as),
            (
                "at",
                run.at.and_then(|at| self.names.place(at)).map(Value::Text),
            ),
            ("cut", cut_arg(run.cut)),
        ]);
        // The track of a process says whose it is.
        let of_process = args.get(1..).filter(|_| self.names.pid(run.proc).is_some());
        let args = [args.as_slice(), of_process.unwrap_or(&args)];
        for ((track, name), args) in tracks.into_iter().zip(names).zip(args) {
            self.sink.slice(&Slice {
                track,
                start_ns: run.start_ns,
                end_ns: run.end_ns.max(run.start_ns),
                category: "run",
                name: &marked(name, run.cut),
                args,
            })?;
        }
        Ok(())
    }

    fn collection(&mut self, collection: &Collection) -> Result<(), ExportError> {
        let track = self.need(TrackId::Collections(collection.proc))?;
        self.sink.slice(&Slice {
            track,
            start_ns: collection.start_ns,
            end_ns: collection.end_ns.max(collection.start_ns),
            category: "gc",
            name: &marked("garbage collection", collection.cut),
            args: &collect([
                ("before_words", collection.before_words.map(Value::Number)),
                ("after_words", collection.after_words.map(Value::Number)),
                (
                    "kind",
                    collection.kind.map(|kind| Value::Text(kind.as_str())),
                ),
                ("cut", cut_arg(collection.cut)),
            ]),
        })
    }

    /// A time without a CPU may have two parts: blocked first, and then ready.
    fn off_cpu(&mut self, off_cpu: &OffCpu) -> Result<(), ExportError> {
        let track = self.need(TrackId::OffCpu(off_cpu.scheduler))?;
        let end_ns = off_cpu.end_ns.max(off_cpu.start_ns);
        let ready_ns = off_cpu.ready_from_ns();
        let waits = match off_cpu.proc {
            Some(_) => "blocked",
            None => "asleep",
        };
        let process = off_cpu.proc.map(|proc| self.names.process_in_full(proc));
        let args = collect([
            ("process", process.map(Value::Text)),
            ("why", off_cpu.why.map(|why| Value::Text(why.as_str()))),
            ("cut", cut_arg(off_cpu.cut)),
        ]);
        for (start_ns, end_ns, name) in [
            (off_cpu.start_ns, ready_ns, waits),
            (ready_ns, end_ns, "preempted"),
        ] {
            if start_ns < end_ns {
                self.sink.slice(&Slice {
                    track,
                    start_ns,
                    end_ns,
                    category: "off_cpu",
                    name: &marked(name, off_cpu.cut),
                    args: &args,
                })?;
            }
        }
        Ok(())
    }

    /// A slice where it is known how long it took, else an instant.
    fn native_call(&mut self, call: &NativeCall) -> Result<(), ExportError> {
        let track = self.need(TrackId::NativeCalls(call.proc))?;
        let name = self.names.function(call.function);
        let name = marked(name.unwrap_or("unknown function"), call.cut);
        let caller = call.caller.and_then(|caller| self.names.place(caller));
        let args = collect([
            ("caller", caller.map(Value::Text)),
            ("cut", cut_arg(call.cut)),
        ]);
        let category = "native_call";
        match call.end_ns {
            Some(end_ns) => self.sink.slice(&Slice {
                track,
                start_ns: call.start_ns,
                end_ns: end_ns.max(call.start_ns),
                category,
                name: &name,
                args: &args,
            }),
            None => self.sink.instant(&Instant {
                track,
                ts_ns: call.start_ns,
                category,
                name: &name,
                args: &args,
                flow: None,
                stack: None,
            }),
        }
    }

    fn message(&mut self, message: &Message) -> Result<(), ExportError> {
        while let Some(change) = self.mail.leave(Some(message.sent_ns)) {
            self.mailbox(&change)?;
        }
        if lies_in_mailbox(message) {
            // One that was dropped leaves when its process ends, if that was seen.
            let exited_ns = || self.plan.exited_ns(message.to);
            let dropped_ns = (message.fate == Fate::Dropped).then(exited_ns).flatten();
            let leaves_ns = message.received_ns.or(dropped_ns);
            if let Some(change) = self.mail.put(message.to, message.sent_ns, leaves_ns) {
                self.mailbox(&change)?;
            }
        }
        let sender = message
            .from
            .map_or(TrackId::OutsideMessages, TrackId::Process);
        let (sender, receiver) = (self.need(sender)?, TrackId::Process(message.to));
        // Also of one that never took it, so that it is among the processes.
        self.need(receiver)?;
        let from = message
            .from
            .map_or("outside", |from| self.names.process_in_full(from));
        let what = match (message.kind, message.tag.as_deref()) {
            (MessageKind::Message, Some(tag)) => tag,
            (kind, _) => kind.as_str(),
        };
        let kind = ("kind", Some(Value::Text(message.kind.as_str())));
        let tag = ("tag", message.tag.as_deref().map(Value::Text));
        let number = ("msg", Some(Value::Number(message.msg)));
        let size_words = message.size_words.map(|words| Value::Number(words.into()));
        let size_words = ("size_words", size_words);
        let said = self.said.take().filter(|said| said.msg == message.msg);
        let text = said.as_ref().and_then(|said| said.text.as_deref());
        let payload = ("payload", text.map(Value::Text));
        let seen = said.as_ref().map(|said| Value::Text(said.seen.as_str()));
        let seen = ("payload_seen", seen);
        // Numbers of flows begin with 1.
        let flow = |end| Flow {
            sort: FlowSort::Message,
            id: message.msg.wrapping_add(1),
            end,
        };
        let received = message.received_ns;
        let fate = match received {
            Some(_) => Fate::Received,
            None => message.fate,
        };
        self.sink.instant(&Instant {
            track: sender,
            ts_ns: message.sent_ns,
            category: "message",
            name: &format!("send {what}"),
            args: &collect([
                kind,
                tag,
                payload,
                seen,
                (
                    "to",
                    Some(Value::Text(self.names.process_in_full(message.to))),
                ),
                ("fate", Some(Value::Text(fate.as_str()))),
                size_words,
                number,
            ]),
            flow: received.map(|_| flow(FlowEnd::Out)),
            stack: None,
        })?;
        let Some(received_ns) = received else {
            return Ok(());
        };
        let lain_ns = received_ns.saturating_sub(message.sent_ns);
        let lain_ns = u64::try_from(lain_ns).unwrap_or(0);
        self.sink.instant(&Instant {
            track: receiver,
            ts_ns: received_ns,
            category: "message",
            name: &format!("receive {what}"),
            args: &collect([
                kind,
                tag,
                payload,
                seen,
                ("from", Some(Value::Text(from))),
                ("in_mailbox_ns", Some(Value::Number(lain_ns))),
                size_words,
                number,
            ]),
            flow: Some(flow(FlowEnd::In)),
            stack: None,
        })
    }

    fn mailbox(&mut self, change: &Change<ProcId, i64>) -> Result<(), ExportError> {
        let track = self.need(TrackId::Mailbox(change.who))?;
        self.sink.counter(track, change.at_ns, change.length as f64)
    }

    fn life(&mut self, life: &Life) -> Result<(), ExportError> {
        let flow = match (life.event, life.other) {
            (LifeEvent::Spawn, Some(parent)) => Some(self.spawn(life, parent)?),
            _ => None,
        };
        let track = self.need(TrackId::Process(life.proc))?;
        let event = life.event.as_str();
        let name = match (life.event, &life.name, &life.reason) {
            (LifeEvent::Spawn, ..) => Cow::from("spawned"),
            (LifeEvent::Exit, _, Some(reason)) => Cow::from(format!("exit: {}", short(reason))),
            (LifeEvent::Register | LifeEvent::Unregister, Some(name), _) => {
                Cow::from(format!("{event} {name}"))
            }
            _ => Cow::from(event),
        };
        // Who spawned it, or whom the link or monitor is about.
        let other = life.other.map(|other| self.names.process_in_full(other));
        let other_is = match life.event {
            LifeEvent::Spawn => "parent",
            _ => "other",
        };
        self.sink.instant(&Instant {
            track,
            ts_ns: life.ts_ns,
            category: "life",
            name: &name,
            args: &collect([
                ("event", Some(Value::Text(event))),
                (other_is, other.map(Value::Text)),
                ("name", life.name.as_deref().map(Value::Text)),
                ("reason", life.reason.as_deref().map(Value::Unique)),
            ]),
            flow,
            stack: None,
        })
    }

    /// What a parent did. Returns the end that is at its child.
    fn spawn(&mut self, life: &Life, parent: ProcId) -> Result<Flow, ExportError> {
        let track = self.need(TrackId::Process(parent))?;
        let id = FIRST_SPAWN + self.spawned;
        self.spawned += 1;
        let child = self.names.process_in_full(life.proc);
        self.sink.instant(&Instant {
            track,
            ts_ns: life.ts_ns,
            category: "spawn",
            name: "spawn",
            args: &[("child", Value::Text(child))],
            flow: Some(Flow {
                sort: FlowSort::Spawn,
                id,
                end: FlowEnd::Out,
            }),
            stack: None,
        })?;
        Ok(Flow {
            sort: FlowSort::Spawn,
            id,
            end: FlowEnd::In,
        })
    }

    fn module(&mut self, event: &ModuleEvent) -> Result<(), ExportError> {
        let track = self.need(event.proc.map_or(TrackId::OutsideCode, TrackId::Process))?;
        let action = event.event.as_str();
        self.sink.instant(&Instant {
            track,
            ts_ns: event.ts_ns,
            category: "code",
            name: &format!("{action} {}", event.module),
            args: &[
                ("event", Value::Text(action)),
                ("module", Value::Text(&event.module)),
            ],
            flow: None,
            stack: None,
        })
    }

    fn port(&mut self, event: &PortEvent) -> Result<(), ExportError> {
        let track = self.need(event.proc.map_or(TrackId::OutsidePorts, TrackId::Process))?;
        let port = self.dictionary.port(event.port);
        let called = port.map_or_else(
            || format!("port {}", event.port.0),
            escope_model::PortInfo::display_name,
        );
        let what = match event.event {
            PortAction::Open => "open",
            PortAction::Close => "close",
            PortAction::Output => "output to",
            PortAction::Input => "input from",
        };
        self.sink.instant(&Instant {
            track,
            ts_ns: event.ts_ns,
            category: "port",
            name: &format!("{what} {called}"),
            args: &collect([
                ("event", Some(Value::Text(event.event.as_str()))),
                ("port", Some(Value::Number(event.port.0.into()))),
                ("bytes", event.bytes.map(Value::Number)),
            ]),
            flow: None,
            stack: None,
        })
    }

    fn dist(&mut self, event: &DistEvent) -> Result<(), ExportError> {
        let track = self.need(event.proc.map_or(TrackId::OutsideNodes, TrackId::Process))?;
        let node = event.node.as_deref();
        let of_node = node.unwrap_or("an unknown node");
        let op = event.op.map_or("signal", |op| op.as_str());
        let name = match event.event {
            DistAction::Sent => format!("{op} to {of_node}"),
            DistAction::Received => format!("{op} from {of_node}"),
            DistAction::Fragment => format!("part of a signal from {of_node}"),
            DistAction::Suspended => format!("suspended for {of_node}"),
        };
        self.sink.instant(&Instant {
            track,
            ts_ns: event.ts_ns,
            category: "dist",
            name: &name,
            args: &collect([
                ("event", Some(Value::Text(event.event.as_str()))),
                ("node", node.map(Value::Text)),
                ("op", event.op.map(|op| Value::Text(op.as_str()))),
                ("bytes", event.bytes.map(Value::Number)),
            ]),
            flow: None,
            stack: None,
        })
    }

    fn sample(&mut self, sample: &Sample) -> Result<(), ExportError> {
        let track = self.need(match sample.proc {
            Some(proc) => TrackId::Samples(proc),
            None => TrackId::OutsideSamples(sample.tid),
        })?;
        let leaf = self.dictionary.stack(sample.stack).first();
        let leaf = leaf.and_then(|&leaf| self.names.function(leaf));
        let scheduler = sample.scheduler.map(|scheduler| scheduler.to_string());
        self.sink.instant(&Instant {
            track,
            ts_ns: sample.ts_ns,
            category: "sample",
            name: leaf.unwrap_or("no stack"),
            args: &collect([
                ("activity", Some(Value::Text(sample.activity.as_str()))),
                ("weight_ns", Some(Value::Number(sample.weight_ns))),
                ("cpu", Some(Value::Number(sample.cpu.into()))),
                ("scheduler", scheduler.as_deref().map(Value::Text)),
                (
                    "truncated",
                    sample.truncated.map(|it| Value::Text(it.as_str())),
                ),
            ]),
            flow: None,
            stack: Some(sample.stack),
        })
    }

    fn point(&mut self, point: Point<'_>) -> Result<(), ExportError> {
        let metric = self.names.metric(point.metric);
        let track = match point.proc {
            Some(proc) => TrackId::Metric(proc, metric),
            None => TrackId::VmMetric(metric),
        };
        let track = self.need(track)?;
        self.sink.counter(track, point.ts_ns, point.value)
    }

    fn not_watched(&mut self, gap: NotWatched) -> Result<(), ExportError> {
        let track = self.need(TrackId::NotWatched)?;
        self.sink.slice(&Slice {
            track,
            start_ns: gap.from_ns,
            end_ns: gap.to_ns.max(gap.from_ns),
            category: "not_watched",
            name: "not watched",
            args: &[],
        })
    }

    fn loss(&mut self, loss: &Loss) -> Result<(), ExportError> {
        let place = self.names.lost_at(&loss.place);
        let track = self.need(TrackId::Loss(place))?;
        self.sink.slice(&Slice {
            track,
            start_ns: loss.from_ns,
            end_ns: loss.to_ns.max(loss.from_ns),
            category: "loss",
            name: &loss.place,
            args: &collect([
                ("count", Some(Value::Number(loss.count))),
                ("meaning", Some(Value::Text(&loss.meaning))),
                ("remedy", Some(Value::Text(&loss.remedy))),
            ]),
        })
    }
}

/// Those that are known.
fn collect<'a, const N: usize>(args: [(&'static str, Option<Value<'a>>); N]) -> Vec<Arg<'a>> {
    let known = args.into_iter().map(|(name, value)| Some((name, value?)));
    known.flatten().collect()
}

fn cut_arg(cut: Option<Cut>) -> Option<Value<'static>> {
    cut.map(|cut| Value::Text(cut.as_str()))
}

/// A name that tells which ends were not seen.
fn marked(name: &str, cut: Option<Cut>) -> Cow<'_, str> {
    let unseen = match cut {
        None => return Cow::from(name),
        Some(Cut::Start) => "start not seen",
        Some(Cut::End) => "end not seen",
        Some(Cut::Both) => "neither end seen",
    };
    Cow::from(format!("{name} ({unseen})"))
}

fn short(reason: &str) -> Cow<'_, str> {
    match reason.char_indices().nth(REASON_CHARS) {
        Some((end, _)) => Cow::from(format!("{}\u{2026}", reason.get(..end).unwrap_or(reason))),
        None => Cow::from(reason),
    }
}
