//! Modules that were loaded and purged.

use std::cmp::Reverse;

use escope_timeline::report::ModuleOf;
use serde_json::json;

use super::events::Source;
use crate::section::{Row, Section};

pub(super) fn sections(source: &Source<'_>) -> Vec<Section> {
    if source.report.rows.modules == 0 {
        return Vec::new();
    }
    let modules = &source.report.modules;
    let mut items: Vec<(&str, &ModuleOf)> = modules.each().collect();
    items.sort_by_key(|(name, of)| (Reverse(of.loads + of.purges), *name));
    let title = source.title("module whose code came or went");
    let columns = &["loads", "purges", "last", "loaded by"];
    let mut section = Section::new("modules", title, columns, &items, source.limit, |item| {
        let (name, of) = item;
        let by = of.loaded_by.map(|proc| source.name(proc));
        let loaded_by = of.loaded_by.map(|proc| source.process(proc, json!({})));
        Row {
            name: (*name).to_owned(),
            cells: vec![
                of.loads.to_string(),
                of.purges.to_string(),
                format!("{:.6} s", of.last_ns as f64 / 1e9),
                by.unwrap_or_else(|| "-".to_owned()),
            ],
            value: json!({
                "module": name,
                "loads": of.loads,
                "purges": of.purges,
                "last_ns": of.last_ns,
                "loaded_by": loaded_by,
            }),
        }
    });
    let (loads, purges) = (modules.all.loads, modules.all.purges);
    section
        .notes
        .push(format!("{loads} loads and {purges} purges in all"));
    section.more.insert("loads".to_owned(), loads.into());
    section.more.insert("purges".to_owned(), purges.into());
    let others = "loads and purges of modules that are too many to be told apart";
    section.count("others", modules.others, others);
    vec![section]
}
