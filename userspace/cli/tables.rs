//! The report for people.

use std::io::Write;

use escope_profile::{Report, Top};
use escope_recording::Manifest;

use crate::printable::one_line;
use crate::section::Section;
use crate::summary::bytes;
use crate::time;

const NAME_WIDTH: usize = 56;

/// Prints every section that has something to say.
pub(crate) fn write(
    report: &Report,
    events: &[Section],
    manifest: &Manifest,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    head(report, manifest, out)?;
    processes(report, out)?;
    functions(report, out)?;
    modules(report, out)?;
    native(report, out)?;
    whole(report, out)?;
    for section in events {
        section.write(out)?;
    }
    tail(manifest, out)
}

fn processes(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let columns = ["CPU", "of work", "GC", "pids"];
    section(out, "process", &report.groups, &columns, |row| {
        let cells = vec![
            time::show(row.cpu_ns),
            percent(row.work_share),
            time::show(row.gc_ns),
            row.processes.to_string(),
        ];
        (row.name.clone(), cells)
    })
}

fn functions(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let title = "function (what it calls in C included)";
    let columns = ["self", "of work", "in C", "GC", "total"];
    section(out, title, &report.functions, &columns, |row| {
        let place = match (&row.file, row.line) {
            (Some(file), Some(line)) => format!("{}  {file}:{line}", row.name),
            _ => row.name.clone(),
        };
        let cells = vec![
            time::show(row.erlang_self_ns),
            percent(row.erlang_self_share),
            time::show(row.native_ns + row.kernel_ns),
            time::show(row.gc_ns),
            percent(row.total_share),
        ];
        (place, cells)
    })
}

fn modules(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let columns = ["self", "of work", "total"];
    section(out, "module", &report.modules, &columns, |row| {
        let cells = vec![
            time::show(row.erlang_self_ns),
            percent(row.erlang_self_share),
            percent(row.total_share),
        ];
        (row.module.clone(), cells)
    })
}

fn native(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    let title = "C, kernel and JIT helper function";
    let columns = ["self", "of work", "total"];
    section(out, title, &report.native, &columns, |row| {
        let name = match &row.object {
            Some(object) => format!("{}  [{object}]", row.name),
            None => row.name.clone(),
        };
        let cells = vec![
            time::show(row.self_ns),
            percent(row.self_share),
            percent(row.total_share),
        ];
        (name, cells)
    })
}

fn head(report: &Report, manifest: &Manifest, out: &mut dyn Write) -> anyhow::Result<()> {
    let target = &manifest.target;
    writeln!(
        out,
        "{} (pid {}, OTP {}): {} recorded at {} Hz, {} samples, {} of CPU, {} of it work",
        one_line(target.node.as_deref().unwrap_or("unnamed node")),
        target.pid,
        one_line(target.otp_release.as_deref().unwrap_or("?")),
        time::show(report.duration_ns),
        manifest.options.frequency_hz,
        report.total.samples,
        time::show(report.total.cpu_ns),
        time::show(report.work.cpu_ns),
    )?;
    if manifest.ended.is_none() {
        writeln!(
            out,
            "not finished: `escope-bpf check` tells what is missing"
        )?;
    }
    Ok(())
}

fn section<T>(
    out: &mut dyn Write,
    title: &str,
    top: &Top<T>,
    columns: &[&str],
    row: impl Fn(&T) -> (String, Vec<String>),
) -> anyhow::Result<()> {
    if top.rows.is_empty() {
        return Ok(());
    }
    let heads = columns.iter().map(|column| (*column).to_owned()).collect();
    writeln!(out)?;
    line(out, title, heads)?;
    for item in &top.rows {
        let (name, cells) = row(item);
        line(out, &name, cells)?;
    }
    if top.omitted > 0 {
        writeln!(out, "  and {} more: -n shows them", top.omitted)?;
    }
    Ok(())
}

pub(crate) fn line(out: &mut dyn Write, name: &str, cells: Vec<String>) -> anyhow::Result<()> {
    let name = one_line(name);
    let width = name.chars().count();
    match NAME_WIDTH.checked_sub(width) {
        Some(pad) => write!(out, "{name}{:pad$}", "")?,
        // On a line of its own, so that the columns stay where they are.
        None => write!(out, "{name}\n{:NAME_WIDTH$}", "")?,
    }
    for cell in cells {
        write!(out, " {cell:>10}")?;
    }
    Ok(writeln!(out)?)
}

/// Activities, schedulers and other threads: of all samples, not only of work.
fn whole(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out)?;
    line(out, "activity", vec!["CPU".into(), "of all".into()])?;
    for row in &report.activities {
        let cells = vec![time::show(row.cpu_ns), percent(row.share)];
        line(out, row.activity.as_str(), cells)?;
    }
    if !report.schedulers.is_empty() {
        writeln!(out)?;
        let heads = ["work", "busy wait", "idle", "utilised"];
        line(out, "scheduler", heads.map(str::to_owned).to_vec())?;
        for row in &report.schedulers {
            let cells = vec![
                time::show(row.work_ns),
                time::show(row.busy_wait_ns),
                time::show(row.idle_ns),
                row.utilisation.map_or_else(String::new, percent),
            ];
            line(out, &row.scheduler, cells)?;
        }
    }
    section(
        out,
        "other thread",
        &report.threads,
        &["CPU", "of all"],
        |row| {
            let name = format!("{}  ({})", row.name, row.kind);
            (name, vec![time::show(row.cpu_ns), percent(row.share)])
        },
    )?;
    if report.unattributed.samples > 0 || !report.truncated.is_empty() {
        writeln!(out)?;
        line(out, "incomplete", vec!["samples".into(), "of all".into()])?;
        for row in &report.truncated {
            let name = format!("stack cut: {}", row.reason.as_str());
            line(
                out,
                &name,
                vec![row.samples.to_string(), percent(row.share)],
            )?;
        }
        let none = &report.unattributed;
        if none.samples > 0 {
            let cells = vec![none.samples.to_string(), percent(none.share)];
            line(out, "no frame at all", cells)?;
        }
    }
    Ok(())
}

fn tail(manifest: &Manifest, out: &mut dyn Write) -> anyhow::Result<()> {
    let totals = &manifest.totals;
    writeln!(out)?;
    if manifest.ended.is_some() {
        let unwritten = manifest
            .losses
            .iter()
            .find(|loss| loss.place == "unwritten");
        writeln!(
            out,
            "lost: {} of {} samples; recorder: {} of CPU, at most {} of memory",
            totals.lost + unwritten.map_or(0, |loss| loss.count),
            totals.attempts,
            time::show(manifest.recorder.cpu_ns),
            bytes(manifest.recorder.peak_rss_bytes),
        )?;
    }
    if let Some(reason) = manifest.options.code_following.strip_prefix("polled: ") {
        writeln!(
            out,
            "  code loading was followed by reading the VM's list again and again ({}): code \
             replaced in between may have no name",
            one_line(reason),
        )?;
    }
    for loss in &manifest.losses {
        writeln!(
            out,
            "  {} x {}: {}; {}",
            loss.count,
            one_line(&loss.place),
            one_line(&loss.meaning),
            one_line(&loss.remedy),
        )?;
    }
    Ok(())
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
