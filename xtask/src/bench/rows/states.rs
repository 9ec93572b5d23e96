//! Whether states are those that a process has had, under load.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{EMPTY, warm_up};
use crate::bench::Bench;
use crate::bench::row::{Row, Unit};
use crate::bench::statistics::Estimate;
use crate::bench::verdict::Target;
use crate::bench::vm::{Load, Vm, Works};

/// The server of `tests/beam/states.erl` that is never at rest for long.
const SERVER: &str = "states_busy";

/// A state that is all of one number, read again and again while it changes: what is called exact is whole.
pub(super) fn right(bench: &Bench) -> Result<Vec<Row>> {
    let load = Load {
        schedulers: 2,
        settings: &[("BUSY", "1"), ("PAUSE", "2")],
        ..EMPTY
    };
    let mut vm = Vm::start_test(&bench.programs, "states", load)?;
    ensure!(vm.tell("go")?.starts_with("running"), "states does not run");
    warm_up(bench, 1)?;
    let reads = if bench.quick { 25 } else { 150 };
    let (mut exact, mut right, mut numbers) = (0, 0, Vec::new());
    for _ in 0..reads {
        let told = bench.state(vm.pid(), SERVER)?;
        let Some(text) = told["parts"][0]["term"].as_str() else {
            continue;
        };
        // As of before a callback it was another's.
        if told["as_of"] != "now" {
            continue;
        }
        exact += 1;
        let number = text
            .split(',')
            .nth(1)
            .and_then(|number| number.parse().ok());
        right += u32::from(number.is_some_and(|number| text == of_number(number)));
        numbers.extend(number);
    }
    numbers.dedup();
    ensure!(numbers.len() > 1, "the state never changed");
    let share = Estimate::once(f64::from(right) / f64::from(exact.max(1)));
    let question =
        "states called exact that are whole, of a gen_server that changes its state all the time";
    let row = Row::new(
        "truth-states",
        question,
        (share, Unit::Share),
        Target::AtLeast(1.0),
    );
    Ok(vec![
        row.noting(format!(
            "{exact} of {reads} reads were exact, of {} states",
            numbers.len()
        ))
        .from(json!({ "reads": reads, "exact": exact, "right": right })),
    ])
}

/// The state with this number, as `states.erl` makes it and `~0tp` prints it.
fn of_number(number: i64) -> String {
    let list: Vec<String> = (1..=60).map(|more| (number + more).to_string()).collect();
    let bytes: Vec<String> = number.to_be_bytes().iter().map(u8::to_string).collect();
    let (list, bytes) = (list.join(","), bytes.join(","));
    format!(
        "{{busy,{number},[{list}],{{{number},#{{1 => {number},2 => {number}}}}},<<{bytes}>>,{number}}}"
    )
}

impl Bench {
    /// What `state` tells of a process.
    fn state(&self, pid: u32, process: &str) -> Result<Value> {
        let output = Command::new(&self.escope)
            .args([
                "state",
                "-p",
                &pid.to_string(),
                "--process",
                process,
                "--json",
                "--width",
                "0",
            ])
            .stderr(Stdio::null())
            .output()
            .context("cannot run the profiler")?;
        let all: Value = serde_json::from_slice(&output.stdout).context("state tells no JSON")?;
        Ok(all[0].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::of_number;

    #[test]
    fn a_state_is_all_of_one_number() {
        let text = of_number(7);
        assert!(text.starts_with("{busy,7,[8,9,"), "{text}");
        assert!(
            text.ends_with(",67],{7,#{1 => 7,2 => 7}},<<0,0,0,0,0,0,0,7>>,7}"),
            "{text}"
        );
    }
}
