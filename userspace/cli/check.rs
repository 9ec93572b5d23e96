//! `check`: is a recording whole?

use escope_recording::{Form, check};

use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::time;

pub(crate) fn run(args: CheckArgs) -> anyhow::Result<()> {
    let report = check(&args.recording)?;
    output::write_to(None, Content::Text, |out| {
        writeln!(out, "{}", one_line(&args.recording.to_string_lossy()))?;
        let form = match report.form {
            Form::Streams => "streams, not finished",
            Form::Parquet => "Parquet, finished",
        };
        writeln!(out, "  form          {form}")?;
        if let Some(covered) = report.covered_ns {
            writeln!(out, "  covers        {}", time::show(covered.max(0) as u64))?;
        }
        for (table, rows) in &report.rows {
            writeln!(out, "  {:<14}{rows} rows", table.name())?;
        }
        for problem in &report.problems {
            writeln!(out, "  problem       {}", one_line(&problem.to_string()))?;
        }
        Ok(())
    })?;
    match report.problems.len() {
        0 => Ok(()),
        count => Err(Failure::failed(format!(
            "{count} {} found; what is listed above can be read, and commands that need no more than that open it",
            if count == 1 {
                "problem was"
            } else {
                "problems were"
            }
        ))
        .into()),
    }
}
