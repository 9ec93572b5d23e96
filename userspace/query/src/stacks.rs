//! What a stack is about, without walking it in SQL.

use std::collections::HashMap;

use polars::prelude::{Column, DataFrame, PolarsResult};

use crate::names::{number, text, word};

/// The ends of each stack: `stack`, the name and kind of its leaf, and the name and
/// module of the Erlang function that is nearest to the leaf.
///
/// Built-in and native functions that Erlang code calls count as Erlang functions.
pub(crate) fn ends(stacks: &DataFrame, named_frames: &DataFrame) -> PolarsResult<DataFrame> {
    let id = number(named_frames, "frame")?;
    let name = text(named_frames, "name")?;
    let kind = text(named_frames, "kind")?;
    let module = text(named_frames, "module")?;
    let rows: HashMap<i64, usize> = (0..named_frames.height())
        .filter_map(|row| Some((id.get(row)?, row)))
        .collect();
    let is_erlang = |row: &usize| matches!(word(kind, *row), Some("erlang" | "bif" | "nif"));

    let mut leaf = Vec::with_capacity(stacks.height());
    let mut erlang = Vec::with_capacity(stacks.height());
    each_stack(stacks, |frames| {
        let known = |frame: &i64| rows.get(frame).copied();
        leaf.push(frames.first().and_then(known));
        erlang.push(frames.iter().filter_map(known).find(is_erlang));
    })?;
    let column = |title: &str, of: &[Option<usize>], from| {
        let cells: Vec<Option<&str>> = of.iter().map(|row| word(from, (*row)?)).collect();
        Column::new(title.into(), cells)
    };
    DataFrame::new(
        stacks.height(),
        vec![
            stacks.column("stack")?.clone(),
            column("leaf", &leaf, name),
            column("leaf_kind", &leaf, kind),
            column("erlang_function", &erlang, name),
            column("erlang_module", &erlang, module),
        ],
    )
}

/// A row a frame of a stack: `stack`, `depth` from 0 at the leaf, `frame`.
pub(crate) fn spread(stacks: &DataFrame) -> PolarsResult<DataFrame> {
    let ids = number(stacks, "stack")?;
    let (mut stack, mut depth, mut frame) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = 0;
    each_stack(stacks, |frames| {
        for (above, &id) in (0_i64..).zip(frames) {
            stack.push(ids.get(row));
            depth.push(above);
            frame.push(id);
        }
        row += 1;
    })?;
    DataFrame::new(
        frame.len(),
        vec![
            Column::new("stack".into(), stack),
            Column::new("depth".into(), depth),
            Column::new("frame".into(), frame),
        ],
    )
}

/// Visits the frames of each stack, leaf first, in the order of the rows.
fn each_stack(stacks: &DataFrame, mut visit: impl FnMut(&[i64])) -> PolarsResult<()> {
    let lists = stacks.column("frames")?.list()?;
    let mut frames = Vec::new();
    for row in 0..lists.len() {
        frames.clear();
        if let Some(list) = lists.get_as_series(row) {
            frames.extend(list.i64()?.iter().flatten());
        }
        visit(&frames);
    }
    Ok(())
}
