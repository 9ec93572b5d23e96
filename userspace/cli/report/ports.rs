//! Ports: what they and processes gave each other, by port and by driver.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use escope_model::PortId;
use escope_timeline::report::{Given, PortOf};
use serde_json::{Value, json};

use super::events::Source;
use crate::coverage::port;
use crate::section::{Row, Section};

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.ports == 0 {
        return Vec::new();
    }
    vec![drivers(source), ports(source)]
}

const COLUMNS: &[&str] = &["opened", "closed", "outputs", "bytes", "inputs", "bytes"];

fn cells(of: &PortOf) -> Vec<String> {
    let bytes = |given: &Given| match given.unknown {
        0 => given.bytes.to_string(),
        // Of some it is not known.
        _ => format!("{}+", given.bytes),
    };
    vec![
        of.opened.to_string(),
        of.closed.to_string(),
        of.out.times.to_string(),
        bytes(&of.out),
        of.into.times.to_string(),
        bytes(&of.into),
    ]
}

fn given(of: &Given) -> Value {
    json!({ "times": of.times, "bytes": of.bytes, "unknown": of.unknown })
}

fn drivers(source: &Source<'_>) -> Section {
    let mut drivers: BTreeMap<Option<&str>, PortOf> = BTreeMap::new();
    for (port, of) in source.report.ports.each() {
        let known = source.dictionary.port(port);
        let driver = known.and_then(|port| port.driver.as_deref());
        let sum = drivers.entry(driver).or_default();
        sum.opened += of.opened;
        sum.closed += of.closed;
        for (sum, more) in [(&mut sum.out, of.out), (&mut sum.into, of.into)] {
            sum.times += more.times;
            sum.bytes = sum.bytes.saturating_add(more.bytes);
            sum.unknown += more.unknown;
        }
    }
    let mut items: Vec<(Option<&str>, PortOf)> = drivers.into_iter().collect();
    items.sort_by_key(|(_, of)| Reverse(of.out.times + of.into.times));
    let title = source.title("driver of ports");
    let mut section = Section::new("drivers", title, COLUMNS, &items, source.limit, |item| {
        let (driver, of) = item;
        Row {
            name: driver.unwrap_or("unknown").to_owned(),
            cells: cells(of),
            value: json!({
                "driver": driver,
                "opened": of.opened,
                "closed": of.closed,
                "outputs": given(&of.out),
                "inputs": given(&of.into),
            }),
        }
    });
    let unknown = source.report.ports.all.out.unknown;
    let what =
        "outputs of which it is not known how many bytes they were: data of more than 64 parts";
    section.count("outputs_unknown", unknown, what);
    let unknown = source.report.ports.all.into.unknown;
    let what =
        "inputs of which it is not known how many bytes they were: terms of more than 32 parts";
    section.count("inputs_unknown", unknown, what);
    section
}

fn ports(source: &Source<'_>) -> Section {
    let mut items: Vec<(PortId, &PortOf)> = source.report.ports.each().collect();
    items.sort_by_key(|(port, of)| {
        (
            Reverse((of.out.bytes.max(of.into.bytes), of.out.times)),
            *port,
        )
    });
    let title = source.title("port");
    Section::new("ports", title, COLUMNS, &items, source.limit, |item| {
        let (number, of) = item;
        let known = source.dictionary.port(*number);
        let owner = known.and_then(|port| port.owner);
        let name = port(source.dictionary, *number);
        let name = match owner {
            Some(owner) => format!("{name} of {}", source.name(owner)),
            None => name,
        };
        Row {
            name,
            cells: cells(of),
            value: json!({
                "port": number.0,
                "id": known.and_then(|port| port.id.as_ref()),
                "driver": known.and_then(|port| port.driver.as_ref()),
                "name": known.and_then(|port| port.name.as_ref()),
                "owner": owner.map(|owner| source.process(owner, json!({}))),
                "opened_ns": known.and_then(|port| port.opened_ns),
                "closed_ns": known.and_then(|port| port.closed_ns),
                "vm_bytes_in": known.and_then(|port| port.bytes_in),
                "vm_bytes_out": known.and_then(|port| port.bytes_out),
                "outputs": given(&of.out),
                "inputs": given(&of.into),
            }),
        }
    })
}
