//! `query`: SQL over a recording.

use escope_query::{Sql, named, write_csv, write_json, write_table};
use escope_recording::Recording;

use crate::args::{QueryArgs, QueryFormat};
use crate::output::{self, Content};
use crate::say::say;

pub(crate) fn run(args: QueryArgs) -> anyhow::Result<()> {
    let (Some(path), Some(sql), false) = (&args.recording, &args.sql, args.list) else {
        return list();
    };
    let tables = Sql::open(&Recording::open(path)?)?;
    for problem in tables.problems() {
        say!("escope-bpf: warning: {problem}");
    }
    let answer = tables.run(sql)?;
    let content = match args.format {
        QueryFormat::Table => Content::Text,
        QueryFormat::Json => Content::Json,
        QueryFormat::Csv => Content::Data,
    };
    output::write_to(None, content, |mut out| {
        match args.format {
            QueryFormat::Table => write_table(&answer, &mut out)?,
            QueryFormat::Json => write_json(&answer, &mut out)?,
            QueryFormat::Csv => write_csv(&answer, &mut out)?,
        }
        Ok(())
    })
}

fn list() -> anyhow::Result<()> {
    output::write_to(None, Content::Text, |out| {
        for query in named() {
            writeln!(out, "@{:<20} {}", query.name, query.description)?;
        }
        Ok(())
    })
}
