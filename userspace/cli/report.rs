//! `report`: who spent the time, and what events add up to.

mod calls;
mod collections;
mod dist;
mod events;
mod lives;
mod mail;
mod modules;
pub(crate) mod natives;
mod ports;
mod schedulers;
mod sizes;

use escope_profile::{Limits, Report, ReportOptions};
use escope_recording::Manifest;
use serde_json::{Map, Value};

use crate::args::{ReportArgs, ReportFormat};
use crate::load::Loaded;
use crate::output::{self, Content};
use crate::section::Section;
use crate::tables;

pub(crate) fn run(args: ReportArgs) -> anyhow::Result<()> {
    let loaded = Loaded::open_any(&args.recording, &args.filter, true)?;
    let report = Report::build(
        &loaded.tally,
        &loaded.dictionary,
        ReportOptions {
            limits: Limits { rows: args.rows },
            duration_ns: Some(loaded.duration_ns),
        },
    );
    let events = events::sections(&args, &loaded)?;
    if events.is_empty() {
        loaded.require_samples(&args.filter)?;
    }
    match args.format {
        ReportFormat::Table => output::write_to(None, Content::Text, |out| {
            tables::write(&report, &events, &loaded.manifest, out)
        }),
        ReportFormat::Json => output::json(&json(&report, &events, &loaded.manifest)?),
    }
}

/// The report's tables, with what the recording says of itself beside them.
fn json(report: &Report, events: &[Section], manifest: &Manifest) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(report)?;
    let mut about = Map::new();
    for (name, part) in [
        ("target", serde_json::to_value(&manifest.target)?),
        ("options", serde_json::to_value(&manifest.options)?),
        ("totals", serde_json::to_value(&manifest.totals)?),
        ("recorder", serde_json::to_value(&manifest.recorder)?),
        ("losses", serde_json::to_value(&manifest.losses)?),
        ("ended", serde_json::to_value(&manifest.ended)?),
    ] {
        about.insert(name.to_owned(), part);
    }
    if let Some(object) = value.as_object_mut() {
        object.insert("recording".to_owned(), Value::Object(about));
        if !events.is_empty() {
            let sections = events.iter().map(|it| (it.key.to_owned(), it.json()));
            object.insert("events".to_owned(), sections.collect());
        }
    }
    Ok(value)
}
