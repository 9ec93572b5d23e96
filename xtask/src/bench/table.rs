//! What was measured, and a page for people.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::row::Row;
use super::rows::BENCHES;
use super::verdict::{OTHERS_MAX, STOLEN_MAX};

/// What one bench answered, as it is in `target/bench/NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answers {
    pub(super) bench: String,
    pub(super) quick: bool,
    /// Whether the profiler was built for it, and so with all optimisations, or given.
    pub(super) is_release: bool,
    pub(super) took_s: u64,
    pub(super) machine: Machine,
    pub(super) rows: Vec<Row>,
}

/// Makes the page of all files in a folder, those of benches that are no more left out.
pub(super) fn write(folder: &Path, page: &Path) -> Result<()> {
    let mut all = Vec::new();
    for entry in BENCHES {
        let file = folder.join(format!("{}.json", entry.name));
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let answers: Answers = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is of an older form: run that bench again",
                file.display()
            )
        })?;
        all.push(answers);
    }
    if all.is_empty() {
        bail!(
            "nothing was measured yet: {} has no answers, run cargo xtask bench",
            folder.display()
        );
    }
    fs::write(page, text(&all)).with_context(|| format!("cannot write {}", page.display()))?;
    println!("written to {}", page.display());
    Ok(())
}

fn text(all: &[Answers]) -> String {
    let mut page = introduction();
    for (machine, of) in by_machine(all) {
        let _ = write!(page, "\n## {}\n\n", machine.words());
        page += "| bench | question | figure (95 %) | wanted | verdict | others |\n|---|---|---|---|---|---|\n";
        for answers in &of {
            for row in &answers.rows {
                page += &line(row);
            }
        }
        page += "\n";
        for answers in of {
            page += &remarks(answers);
        }
    }
    page
}

fn introduction() -> String {
    format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --table` of what `cargo xtask bench` measured; not to be edited.\n\n\
         * Costs are ratios of two things measured by turns in one run: windows in which nobody watches the VM, and windows\n  \
         in which somebody does, each against the two around it. The VM's CPU time is that of its scheduler threads, by the\n  \
         kernel's accounts, for a unit of work that the program itself counts.\n\
         * Where it says **by no yardstick** beside it, a second VM that nobody watches did the same work on the same CPUs at the\n  \
         same time, or clients gave a server its work: a unit is measured by what one costs those, as a machine that\n  \
         others use is slower for all of them.\n\
         * A figure is a median, and in brackets where it lies with 95 % confidence (bootstrap). Without\n  \
         brackets it was measured once, or is a sum.\n\
         * A target is **reached** if all of that interval has reached it, **missed** if none of it has. Else the machine was too\n  \
         noisy to judge. So it was if others used more than {:.0} % of it, or its host kept more than {:.0} %; and by as\n  \
         much as the VM's cost differs from window to window when nobody watches, the interval is widened before it is judged.\n",
        100.0 * OTHERS_MAX,
        100.0 * STOLEN_MAX,
    )
}

/// Machines in the order in which they come, whenever that was.
fn by_machine(all: &[Answers]) -> Vec<(Machine, Vec<&Answers>)> {
    let mut machines: Vec<(Machine, Vec<&Answers>)> = Vec::new();
    for answers in all {
        let machine = Machine {
            date: String::new(),
            ..answers.machine.clone()
        };
        match machines.iter_mut().find(|(known, _)| *known == machine) {
            Some((_, of)) => of.push(answers),
            None => machines.push((machine, vec![answers])),
        }
    }
    machines
}

fn line(row: &Row) -> String {
    let peers: Vec<String> = (row.peers.iter())
        .map(|(who, figure)| format!("{who}: {}", row.with_interval(*figure)))
        .collect();
    let cells = [
        row.name.clone(),
        row.question.clone(),
        row.shown(),
        row.wanted(),
        row.verdict.words(),
        peers.join("<br>"),
    ];
    format!(
        "| {} |\n",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}

/// When it was measured, how calm it was, and what else there is to say.
fn remarks(answers: &Answers) -> String {
    let quick = if answers.quick { ", `--quick`" } else { "" };
    let given = match answers.is_release {
        true => "",
        false => ", of a program that was given with `--escope`",
    };
    let mut text = format!(
        "* **{}**: {}, in {} s{quick}{given}.",
        answers.bench, answers.machine.date, answers.took_s
    );
    if let Some(calm) = answers.rows.iter().find_map(|row| row.calm) {
        if let Some(quiet) = calm.quiet {
            let _ = write!(
                text,
                " Alone, one window against those around it: {:.4}, quarters {:.4} apart.",
                quiet.median, quiet.spread
            );
        }
        let _ = write!(
            text,
            " Others used {:.1} % of the machine, its host kept {:.1} %.",
            100.0 * calm.others,
            100.0 * calm.stolen
        );
    }
    for row in &answers.rows {
        for note in &row.notes {
            let _ = write!(text, " {}: {note}.", row.name);
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::{Answers, text};
    use crate::bench::machine::Machine;
    use crate::bench::row::{Row, Unit};
    use crate::bench::statistics::Estimate;
    use crate::bench::verdict::Target;

    fn answers(kernel: &str, date: &str) -> Answers {
        let row = Row::new(
            "attach",
            "how long until it watches | records",
            (Estimate::once(12.0), Unit::Milliseconds),
            Target::AtMost(20.0),
        );
        Answers {
            bench: "attach".to_owned(),
            quick: true,
            is_release: true,
            took_s: 3,
            machine: Machine {
                kernel: kernel.to_owned(),
                date: date.to_owned(),
                ..Machine::default()
            },
            rows: vec![row.beside("perf", Estimate::once(30.0)).noting("in haste")],
        }
    }

    #[test]
    fn a_machine_has_one_table_whenever_it_was_measured() {
        let page = text(&[
            answers("6.1", "monday"),
            answers("6.1", "tuesday"),
            answers("6.2", ""),
        ]);
        assert_eq!(page.matches("\n## Linux 6.1").count(), 1);
        assert_eq!(page.matches("\n## Linux 6.2").count(), 1);
        let line = "| attach | how long until it watches \\| records | 12.0 ms | at most 20.0 ms | reached | perf: 30.0 ms |\n";
        assert_eq!(page.matches(line).count(), 3);
        assert!(page.contains("* **attach**: tuesday, in 3 s, `--quick`. attach: in haste.\n"));
    }

    #[test]
    fn answers_survive_their_file() {
        let answers = answers("6.1", "monday");
        let file = serde_json::to_string(&answers).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Answers>(&file).expect("the same"),
            answers
        );
    }
}
