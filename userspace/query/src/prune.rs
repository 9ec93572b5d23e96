//! Which row groups of a Parquet file a filter can be true for.
//!
//! Only what is simple is understood: comparisons of one signed 64-bit column with a
//! whole number, joined by AND. Everything else may be true anywhere. The filter itself
//! is applied afterwards in any case, so a row group too many costs time and nothing
//! else.

use std::collections::BTreeMap;
use std::ops::Range;

use polars::prelude::{Expr, Operator, PolarsError, PolarsResult};
use polars_io::prelude::FileMetadata;

/// The values that a column must have, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    min: i64,
    max: i64,
}

impl Bounds {
    const ALL: Bounds = Bounds {
        min: i64::MIN,
        max: i64::MAX,
    };

    fn narrow(&mut self, other: Bounds) {
        self.min = self.min.max(other.min);
        self.max = self.max.min(other.max);
    }
}

/// The bounds that `filter` sets, by column.
pub(crate) fn bounds(filter: &Expr) -> BTreeMap<String, Bounds> {
    let mut bounds = BTreeMap::new();
    collect(filter, &mut bounds);
    bounds
}

fn collect(filter: &Expr, bounds: &mut BTreeMap<String, Bounds>) {
    let Expr::BinaryExpr { left, op, right } = filter else {
        return;
    };
    if matches!(op, Operator::And | Operator::LogicalAnd) {
        collect(left, bounds);
        collect(right, bounds);
        return;
    }
    let compared = match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value)) => {
            value.extract_i64().ok().map(|value| (column, *op, value))
        }
        (Expr::Literal(value), Expr::Column(column)) => value
            .extract_i64()
            .ok()
            .map(|value| (column, turned(*op), value)),
        _ => None,
    };
    let Some((column, op, value)) = compared else {
        return;
    };
    if let Some(one) = bound(op, value) {
        bounds
            .entry(column.to_string())
            .or_insert(Bounds::ALL)
            .narrow(one);
    }
}

/// The comparison with its sides exchanged.
fn turned(op: Operator) -> Operator {
    match op {
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => other,
    }
}

fn bound(op: Operator, value: i64) -> Option<Bounds> {
    let (min, max) = match op {
        Operator::Eq => (value, value),
        Operator::Lt => (i64::MIN, value.saturating_sub(1)),
        Operator::LtEq => (i64::MIN, value),
        Operator::Gt => (value.saturating_add(1), i64::MAX),
        Operator::GtEq => (value, i64::MAX),
        _ => return None,
    };
    Some(Bounds { min, max })
}

/// The filter without the engine's own hints: a query for the first rows in some order
/// also filters by what it has found so far, which a scan may leave to the engine.
///
/// # Errors
/// If it holds anything else that the engine cannot express; to leave that out would
/// be a wrong answer.
pub(crate) fn without_hints(filter: &Expr) -> PolarsResult<Option<Expr>> {
    match filter {
        Expr::Display { fmt_str, .. } if fmt_str.starts_with("dynamic_pred: ") => Ok(None),
        Expr::BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::LogicalAnd),
            right,
        } => Ok(match (without_hints(left)?, without_hints(right)?) {
            (Some(left), Some(right)) => Some(Expr::BinaryExpr {
                left: left.into(),
                op: *op,
                right: right.into(),
            }),
            (one, other) => one.or(other),
        }),
        other => match other
            .into_iter()
            .any(|part| matches!(part, Expr::Display { .. }))
        {
            true => Err(PolarsError::ComputeError(
                "a part of WHERE cannot be applied to the table".into(),
            )),
            false => Ok(Some(other.clone())),
        },
    }
}

/// The rows from the first to the last row group that may hold a row within `bounds`.
pub(crate) fn rows(file: &FileMetadata, bounds: &BTreeMap<String, Bounds>) -> Range<usize> {
    let mut wanted: Option<Range<usize>> = None;
    let mut start = 0;
    for group in &file.row_groups {
        let end = start + group.num_rows();
        let possible = bounds.iter().all(|(column, bounds)| {
            let Some(chunk) = group
                .columns_under_root_iter(column)
                .and_then(|mut chunks| chunks.next())
            else {
                return true;
            };
            let statistics = chunk.statistics(&file.footer_buf).and_then(Result::ok);
            let statistics = statistics.as_ref().and_then(|all| all.as_int64());
            match statistics.map(|of| (of.min_value, of.max_value)) {
                Some((Some(min), Some(max))) => min <= bounds.max && max >= bounds.min,
                _ => true,
            }
        });
        if possible {
            wanted.get_or_insert(start..end).end = end;
        }
        start = end;
    }
    wanted.unwrap_or(0..0)
}

#[cfg(test)]
mod tests {
    use super::{Bounds, bounds};
    use polars::prelude::{Expr, col, lit};

    fn ts(filter: &Expr) -> Option<(i64, i64)> {
        let of = bounds(filter).get("ts_ns").copied();
        of.map(|Bounds { min, max }| (min, max))
    }

    #[test]
    fn comparisons_joined_by_and_set_bounds() {
        let filter = col("ts_ns")
            .gt_eq(lit(10_i64))
            .and(lit(20_i64).gt(col("ts_ns")))
            .and(col("activity").eq(lit("jit")));
        assert_eq!(ts(&filter), Some((10, 19)));
        assert_eq!(ts(&col("ts_ns").eq(lit(7_i64))), Some((7, 7)));
    }

    #[test]
    fn whatever_else_sets_none() {
        let early = || col("ts_ns").lt(lit(5_i64));
        assert_eq!(ts(&early().or(col("cpu").eq(lit(1_i64)))), None);
        assert_eq!(ts(&early().not()), None);
        assert_eq!(ts(&col("ts_ns").neq(lit(5_i64))), None);
        assert_eq!(ts(&col("ts_ns").lt(lit(5.5_f64))), None);
        assert_eq!(ts(&(col("ts_ns") + lit(1_i64)).lt(lit(5_i64))), None);
    }
}
