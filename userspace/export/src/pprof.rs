//! pprof: gzipped `profile.proto`, which most continuous profilers take.
//!
//! Stacks should be built with [`StackOptions::labels`](escope_profile::StackOptions)
//! and by line; without labels the profile has none but the group.

mod proto;

use std::io::Write;

use escope_profile::{Entry, FrameClass, Labels, StackFrame, Stacks};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use rustc_hash::FxHashMap;

use crate::ExportError;

/// What a pprof file says besides its samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PprofOptions {
    /// Realtime clock at the recording's start, nanoseconds since 1970; 0 for unknown.
    pub time_ns: i64,
    /// How long was recorded, nanoseconds; 0 for unknown.
    pub duration_ns: u64,
    /// CPU time between two samples, nanoseconds; 0 for unknown.
    pub period_ns: u64,
    /// Free text for the reader: what was recorded, what was lost.
    pub comments: Vec<String>,
}

/// Writes the profile, gzipped. Values of all its samples add up to
/// [`Stacks::total`].
///
/// # Errors
/// When `out` fails.
pub fn write(
    stacks: &Stacks,
    options: &PprofOptions,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let bytes = profile(stacks, options).encode_to_vec();
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&bytes)?;
    gzip.finish()?;
    Ok(())
}

fn profile(stacks: &Stacks, options: &PprofOptions) -> proto::Profile {
    let mut builder = Builder::new(stacks);
    let samples = stacks
        .entries()
        .iter()
        .map(|entry| builder.sample(entry))
        .collect();
    let strings = &mut builder.strings;
    let count = proto::ValueType {
        r#type: strings.index("samples"),
        unit: strings.index("count"),
    };
    let cpu = proto::ValueType {
        r#type: strings.index("cpu"),
        unit: strings.index("nanoseconds"),
    };
    let comment = options
        .comments
        .iter()
        .map(|comment| strings.index(comment))
        .collect();
    proto::Profile {
        sample_type: vec![count, cpu],
        sample: samples,
        mapping: builder.mappings,
        location: builder.locations,
        function: builder.functions,
        string_table: builder.strings.list,
        time_nanos: options.time_ns,
        duration_nanos: signed(options.duration_ns),
        period_type: Some(cpu),
        period: signed(options.period_ns),
        comment,
        default_sample_type: cpu.r#type,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Strings by their index; 0 is the empty one.
struct Strings {
    list: Vec<String>,
    indexes: FxHashMap<String, i64>,
}

impl Strings {
    fn new() -> Strings {
        let mut strings = Strings {
            list: Vec::new(),
            indexes: FxHashMap::default(),
        };
        strings.index("");
        strings
    }

    fn index(&mut self, text: &str) -> i64 {
        if let Some(&index) = self.indexes.get(text) {
            return index;
        }
        let index = self.list.len() as i64;
        self.list.push(text.to_owned());
        self.indexes.insert(text.to_owned(), index);
        index
    }
}

struct Builder<'a> {
    stacks: &'a Stacks,
    strings: Strings,
    mappings: Vec<proto::Mapping>,
    mapping_ids: FxHashMap<&'a str, u64>,
    functions: Vec<proto::Function>,
    function_ids: FxHashMap<(i64, i64), u64>,
    locations: Vec<proto::Location>,
    /// Frame to location.
    location_ids: FxHashMap<u32, u64>,
}

impl<'a> Builder<'a> {
    fn new(stacks: &'a Stacks) -> Builder<'a> {
        let mut builder = Builder {
            stacks,
            strings: Strings::new(),
            mappings: Vec::new(),
            mapping_ids: FxHashMap::default(),
            functions: Vec::new(),
            function_ids: FxHashMap::default(),
            locations: Vec::new(),
            location_ids: FxHashMap::default(),
        };
        // Readers take the first mapping for the program: the emulator, if it is there.
        let frames = stacks.frames().iter();
        let mut objects = frames.filter_map(|frame| frame.object.as_deref());
        if let Some(emulator) = objects.find(|object| object.starts_with("beam")) {
            builder.mapping(emulator);
        }
        builder
    }

    fn sample(&mut self, entry: &Entry) -> proto::Sample {
        let stacks = self.stacks;
        let ids = stacks.path(entry).iter().map(|&frame| self.location(frame));
        let mut location_id: Vec<u64> = ids.collect();
        if !stacks.is_reversed() {
            location_id.reverse();
        }
        let mut label = Vec::new();
        if let Some(labels) = stacks.labels(entry) {
            self.labels(labels, &mut label);
        }
        if let Some(group) = entry.group {
            self.text("group", &stacks.frames()[group as usize].name, &mut label);
        }
        proto::Sample {
            location_id,
            value: vec![signed(entry.weight.samples), signed(entry.weight.cpu_ns)],
            label,
        }
    }

    fn labels(&mut self, labels: &Labels, into: &mut Vec<proto::Label>) {
        let scheduler = labels.scheduler.map(|scheduler| scheduler.to_string());
        let texts = [
            ("process", labels.pid.as_deref()),
            ("name", labels.name.as_deref()),
            ("initial_call", labels.initial_call.as_deref()),
            ("scheduler", scheduler.as_deref()),
            ("activity", Some(labels.activity.as_str())),
            ("thread", Some(labels.thread.as_str())),
        ];
        for (key, text) in texts {
            self.text(key, text.unwrap_or_default(), into);
        }
        into.push(proto::Label {
            key: self.strings.index("tid"),
            str: 0,
            num: i64::from(labels.tid),
        });
    }

    /// Labels without text are not written: 0 would read as a number.
    fn text(&mut self, key: &str, text: &str, into: &mut Vec<proto::Label>) {
        if !text.is_empty() {
            into.push(proto::Label {
                key: self.strings.index(key),
                str: self.strings.index(text),
                num: 0,
            });
        }
    }

    fn location(&mut self, number: u32) -> u64 {
        if let Some(&id) = self.location_ids.get(&number) {
            return id;
        }
        let frame = &self.stacks.frames()[number as usize];
        let mapping_id = self.mapping(mapping_name(frame));
        let function_id = self.function(frame);
        if let Some(mapping) = self.mappings.get_mut(mapping_id as usize - 1) {
            mapping.has_filenames |= frame.file.is_some();
            mapping.has_line_numbers |= frame.lines.is_some();
        }
        let id = self.locations.len() as u64 + 1;
        self.locations.push(proto::Location {
            id,
            mapping_id,
            address: frame.address,
            line: vec![proto::Line {
                function_id,
                line: frame.lines.map_or(0, |(first, _)| i64::from(first)),
            }],
        });
        self.location_ids.insert(number, id);
        id
    }

    fn function(&mut self, frame: &StackFrame) -> u64 {
        let name = self.strings.index(&frame.name);
        let filename = self
            .strings
            .index(frame.file.as_deref().unwrap_or_default());
        let id = self.functions.len() as u64 + 1;
        let known = *self.function_ids.entry((name, filename)).or_insert(id);
        if known == id {
            self.functions.push(proto::Function {
                id,
                name,
                system_name: name,
                filename,
            });
        }
        known
    }

    fn mapping(&mut self, name: &'a str) -> u64 {
        let id = self.mappings.len() as u64 + 1;
        let known = *self.mapping_ids.entry(name).or_insert(id);
        if known == id {
            self.mappings.push(proto::Mapping {
                id,
                memory_start: 0,
                memory_limit: 0,
                filename: self.strings.index(name),
                has_functions: true,
                has_filenames: false,
                has_line_numbers: false,
            });
        }
        known
    }
}

/// The file that code was mapped from, or a word for where else it comes from.
fn mapping_name(frame: &StackFrame) -> &str {
    match (frame.class, frame.object.as_deref()) {
        (FrameClass::Kernel, _) => "[kernel]",
        (FrameClass::Erlang | FrameClass::Elixir, _) => "[erlang]",
        (FrameClass::Marker | FrameClass::Group, _) => "[missing]",
        (_, Some(object)) => object,
        (FrameClass::Bif | FrameClass::Nif | FrameClass::Helper, None) => "[erlang]",
        (FrameClass::Native | FrameClass::Gc, None) => "[native]",
    }
}

#[cfg(test)]
#[path = "pprof/tests.rs"]
mod tests;
