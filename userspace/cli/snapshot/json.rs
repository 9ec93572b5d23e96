//! A snapshot for programs: an array with one object on each line.

use std::io::Write;

use escope_model::Mfa;
use escope_session::{ProcessSnapshot, StackFrame};
use serde::{Serialize, Serializer};

/// Rows are many, so each is written as it is, with nothing built in between.
pub(super) fn write(processes: &[ProcessSnapshot], out: &mut dyn Write) -> anyhow::Result<()> {
    out.write_all(b"[\n")?;
    let mut line = Vec::new();
    for (index, process) in processes.iter().enumerate() {
        line.clear();
        if index > 0 {
            line.extend(b",\n");
        }
        serde_json::to_writer(&mut line, &row(process))?;
        out.write_all(&line)?;
    }
    Ok(out.write_all(b"\n]\n")?)
}

/// The fields are promised in docs/commands.md.
#[derive(Serialize)]
struct Row<'a> {
    pid: &'a str,
    name: Option<&'a str>,
    label: Option<&'a str>,
    spawned_as: Option<Call<'a>>,
    initial_call: Option<Call<'a>>,
    current_function: Option<Call<'a>>,
    status: &'a str,
    mailbox: Option<u64>,
    mailbox_cut: bool,
    messages: Option<Vec<Message<'a>>>,
    message_queue_data: Option<&'a str>,
    reductions: u64,
    heap_words: u64,
    total_heap_words: u64,
    stack_words: u64,
    min_heap_words: u64,
    fullsweep_after: u16,
    memory_bytes: Option<u64>,
    parent: Option<&'a str>,
    group_leader: Option<&'a str>,
    links: Option<&'a [String]>,
    monitors: Option<Vec<Monitor<'a>>>,
    monitored_by: Option<&'a [String]>,
    relations_cut: bool,
    dictionary_keys: Option<&'a [String]>,
    dictionary_cut: bool,
    trap_exit: bool,
    sensitive: bool,
    stack: Frames<'a>,
    stack_cut: bool,
    consistent: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Monitor<'a> {
    kind: &'a str,
    item: &'a str,
}

#[derive(Serialize)]
struct Frame<'a> {
    function: Option<Call<'a>>,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// A function as it prints.
struct Call<'a>(&'a Mfa);

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct Frames<'a>(&'a [StackFrame]);

impl Serialize for Frames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|frame| Frame {
            function: frame.mfa.as_ref().map(Call),
            file: frame.location.as_ref().map(|(file, _)| &**file),
            line: frame.location.as_ref().map(|(_, line)| *line),
        }))
    }
}

fn row(process: &ProcessSnapshot) -> Row<'_> {
    let relations = process.relations.as_ref();
    Row {
        pid: &process.pid,
        name: process.name.as_deref(),
        label: process.label.as_deref(),
        spawned_as: process.spawned_as.as_ref().map(Call),
        initial_call: process.initial_call.as_ref().map(Call),
        current_function: process.current_function.as_ref().map(Call),
        status: process.status,
        mailbox: process.mailbox,
        mailbox_cut: process.mailbox_cut,
        messages: process.messages.as_ref().map(|messages| {
            let messages = messages.iter();
            let message = messages.map(|group| Message {
                text: &group.text,
                count: group.count,
            });
            message.collect()
        }),
        message_queue_data: process.message_queue_data,
        reductions: process.reductions,
        heap_words: process.heap_words,
        total_heap_words: process.total_heap_words,
        stack_words: process.stack_words,
        min_heap_words: process.min_heap_words,
        fullsweep_after: process.fullsweep_after,
        memory_bytes: process.memory_bytes,
        parent: process.parent.as_deref(),
        group_leader: process.group_leader.as_deref(),
        links: relations.map(|relations| &*relations.links),
        monitors: relations.map(|relations| {
            let monitors = relations.monitors.iter();
            let monitor = monitors.map(|monitor| Monitor {
                kind: monitor.kind,
                item: &monitor.item,
            });
            monitor.collect()
        }),
        monitored_by: relations.map(|relations| &*relations.monitored_by),
        relations_cut: relations.is_some_and(|relations| relations.cut),
        dictionary_keys: process.dictionary_keys.as_deref(),
        dictionary_cut: process.dictionary_cut,
        trap_exit: process.trap_exit,
        sensitive: process.sensitive,
        stack: Frames(&process.stack),
        stack_cut: process.stack_cut,
        consistent: process.consistent,
    }
}
