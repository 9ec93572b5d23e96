//! Where the engine's SQL would surprise, the query is changed before it runs.
//!
//! * `1e9` and whole numbers above the signed 64-bit ones, such as addresses, are
//!   written so that the engine can read them.
//! * Counts and lengths become signed 64-bit numbers. The engine has them unsigned
//!   with 32 bits, where `COUNT(*) - 10` of three rows is 4294967289.
//! * `ORDER BY SUM(a)` becomes `ORDER BY b` where the answer has `SUM(a) AS b`; the
//!   engine would sum up the answer.
//!
//! What would give a wrong answer is refused: `OVER` beside `GROUP BY`, which in the
//! engine sees the rows of one group instead of the groups.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, Expr, Function, GroupByExpr, OrderBy, OrderByKind, Query, SelectItem,
    SetExpr, Statement, UnaryOperator, Value, Visit, VisitMut, VisitorMut, visit_expressions,
};

/// Functions whose numbers the engine has unsigned.
const COUNTS: [&str; 11] = [
    "array_length",
    "bit_length",
    "char_length",
    "character_length",
    "count",
    "dense_rank",
    "length",
    "octet_length",
    "rank",
    "row_number",
    "strpos",
];

/// Functions that make one number of many rows.
const AGGREGATES: [&str; 22] = [
    "array_agg",
    "avg",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "first",
    "last",
    "max",
    "median",
    "min",
    "quantile_cont",
    "quantile_disc",
    "stddev",
    "stddev_samp",
    "stdev",
    "string_agg",
    "sum",
    "total",
    "var",
    "variance",
];

/// Changes what must be; whether anything was. The error says what the engine would
/// answer wrongly.
pub(crate) fn adapt(statement: &mut Statement) -> Result<bool, String> {
    let mut adapter = Adapter { changed: false };
    match statement.visit(&mut adapter) {
        ControlFlow::Continue(()) => Ok(adapter.changed),
        ControlFlow::Break(refusal) => Err((*refusal).into()),
    }
}

struct Adapter {
    changed: bool,
}

impl VisitorMut for Adapter {
    type Break = Box<str>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Box<str>> {
        let SetExpr::Select(select) = &*query.body else {
            return ControlFlow::Continue(());
        };
        let grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(by, _) => !by.is_empty(),
        };
        if grouped && calls(&select.projection, |function| function.over.is_some()) {
            let what = "OVER would not see the groups of the GROUP BY beside it, put the \
                        GROUP BY into a WITH and use OVER on that";
            return ControlFlow::Break(what.into());
        }
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(order),
            ..
        }) = &mut query.order_by
        {
            for by in order {
                self.changed |= name_aggregate(&mut by.expr, &select.projection)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, part: &mut Expr) -> ControlFlow<Box<str>> {
        self.changed |= match part {
            Expr::Value(value) => match &mut value.value {
                Value::Number(text, _) => match number(text) {
                    Some(Number::Plain(plain)) => {
                        *text = plain;
                        true
                    }
                    Some(Number::Large) => {
                        let text = std::mem::take(text);
                        value.value = Value::SingleQuotedString(text);
                        cast(part, DataType::BigIntUnsigned(None))
                    }
                    None => false,
                },
                _ => false,
            },
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => match large(expr) {
                Some(text) => {
                    *part = Expr::value(Value::SingleQuotedString(format!("-{text}")));
                    cast(part, DataType::BigInt(None))
                }
                None => false,
            },
            Expr::Function(function) => {
                is_one_of(function, &COUNTS) && cast(part, DataType::BigInt(None))
            }
            _ => false,
        };
        ControlFlow::Continue(())
    }
}

/// Replaces an aggregate in ORDER BY by the name that the answer has for it: the engine
/// would aggregate over the answer.
fn name_aggregate(by: &mut Expr, answer: &[SelectItem]) -> ControlFlow<Box<str>, bool> {
    let aggregates =
        |function: &Function| function.over.is_none() && is_one_of(function, &AGGREGATES);
    if !calls(by, aggregates) {
        return ControlFlow::Continue(false);
    }
    let text = by.to_string();
    for item in answer {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && expr.to_string() == text
        {
            *by = Expr::Identifier(alias.clone());
            return ControlFlow::Continue(true);
        }
    }
    let what = format!("ORDER BY {text} must be a column of the answer, name it with AS there");
    ControlFlow::Break(what.into())
}

/// Whether a function that `wanted` picks is called in a part of a query.
fn calls(part: &impl Visit, wanted: impl Fn(&Function) -> bool) -> bool {
    let found = visit_expressions(part, |part| match part {
        Expr::Function(function) if wanted(function) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn is_one_of(function: &Function, names: &[&str]) -> bool {
    let name = function.name.to_string().to_lowercase();
    names.contains(&&*name)
}

/// A number that the engine cannot read as it is.
enum Number {
    /// To be written so.
    Plain(String),
    /// To be read from text.
    Large,
}

fn number(text: &str) -> Option<Number> {
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().ok()?;
        let short = format!("{value:.1}");
        // One decimal is enough for a whole number and not for others.
        return Some(Number::Plain(match short.parse() == Ok(value) {
            true => short,
            false => value.to_string(),
        }));
    }
    let large = text.parse::<i64>().is_err() && text.parse::<u64>().is_ok();
    large.then_some(Number::Large)
}

/// The digits of a number that was found to be large.
fn large(part: &Expr) -> Option<String> {
    match part {
        Expr::Cast {
            expr,
            data_type: DataType::BigIntUnsigned(None),
            ..
        } => match &**expr {
            Expr::Value(value) => value.value.clone().into_string(),
            _ => None,
        },
        _ => None,
    }
}

fn cast(part: &mut Expr, data_type: DataType) -> bool {
    let inner = std::mem::replace(part, Expr::value(Value::Null));
    *part = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(inner),
        data_type,
        array: false,
        format: None,
    };
    true
}

#[cfg(test)]
mod tests {
    use crate::statement::Select;

    fn adapted(sql: &str) -> String {
        Select::parse(sql, |_| false).unwrap().sql
    }

    #[test]
    fn numbers_are_written_so_that_the_engine_reads_them() {
        assert_eq!(adapted("SELECT a / 1e9,  b"), "SELECT a / 1000000000.0, b");
        assert_eq!(adapted("SELECT 25E-4"), "SELECT 0.0025");
        assert_eq!(
            adapted("SELECT 18446744073709551615"),
            "SELECT CAST('18446744073709551615' AS BIGINT UNSIGNED)"
        );
        assert_eq!(
            adapted("SELECT -9223372036854775808"),
            "SELECT CAST('-9223372036854775808' AS BIGINT)"
        );
    }

    #[test]
    fn counts_get_a_sign() {
        assert_eq!(
            adapted("SELECT Count(*) - 1 FROM a HAVING COUNT(b) > 2"),
            "SELECT CAST(Count(*) AS BIGINT) - 1 FROM a HAVING CAST(COUNT(b) AS BIGINT) > 2"
        );
    }

    #[test]
    fn an_order_by_aggregate_gets_its_name() {
        assert_eq!(
            adapted("SELECT a, SUM(b) AS s FROM c GROUP BY a ORDER BY SUM(b) DESC, a"),
            "SELECT a, SUM(b) AS s FROM c GROUP BY a ORDER BY s DESC, a"
        );
        let refused = |sql: &str| Select::parse(sql, |_| false).unwrap_err().to_string();
        let message = refused("SELECT a FROM c GROUP BY a ORDER BY MAX(b)");
        assert!(
            message.contains("ORDER BY MAX(b) must be a column"),
            "{message}"
        );
    }

    #[test]
    fn windows_beside_groups_are_refused() {
        let sql = "SELECT a, SUM(COUNT(*)) OVER () AS s FROM b GROUP BY a";
        let refused = |sql: &str| Select::parse(sql, |_| false).unwrap_err().to_string();
        assert!(refused(sql).contains("OVER would not see the groups"));
        assert!(refused(&format!("SELECT * FROM ({sql})")).contains("OVER would not"));
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let sql = "SELECT  '1e9', \"count\", 0.5, 9223372036854775807 -- so";
        assert_eq!(adapted(sql), sql);
    }
}
