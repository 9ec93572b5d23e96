//! What a query is, before it runs: one `SELECT`, and the tables it names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, SetExpr, Statement, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

use crate::dialect;
use crate::error::QueryError;

/// A query that may run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Select {
    /// Its text, as the engine takes it.
    pub(crate) sql: String,
    /// Tables it reads; names that `WITH` introduces are not among them.
    pub(crate) tables: BTreeSet<String>,
}

impl Select {
    /// Parses `sql` with the dialect of the engine. `is_table` tells which names are
    /// tables: the engine would silently prefer those to names of `WITH`.
    pub(crate) fn parse(sql: &str, is_table: impl Fn(&str) -> bool) -> Result<Select, QueryError> {
        let syntax = |e: sqlparser::parser::ParserError| QueryError::Syntax {
            what: one_line(e.to_string().trim_start_matches("sql parser error: ")),
        };
        let mut statements = Parser::new(&GenericDialect)
            .with_options(ParserOptions {
                trailing_commas: true,
                ..ParserOptions::default()
            })
            .try_with_sql(sql)
            .and_then(|mut parser| parser.parse_statements())
            .map_err(syntax)?;
        let statement = match statements.as_mut_slice() {
            [] => return Err(QueryError::Empty),
            [statement] => statement,
            several => {
                let count = several.len();
                return Err(QueryError::Several { count });
            }
        };
        let Statement::Query(_) = statement else {
            return Err(not_select(&statement.to_string()));
        };
        let mut names = Names::default();
        if let ControlFlow::Break(refused) = statement.visit(&mut names) {
            return Err(not_select(&refused));
        }
        if let Some(name) = names.with.iter().find(|name| is_table(name)) {
            return Err(QueryError::HidesTable { name: name.clone() });
        }
        Ok(Select {
            sql: match dialect::adapt(statement) {
                Ok(true) => statement.to_string(),
                Ok(false) => sql.to_owned(),
                Err(what) => return Err(QueryError::Refused { what }),
            },
            tables: names.relations.difference(&names.with).cloned().collect(),
        })
    }
}

fn not_select(statement: &str) -> QueryError {
    let word = statement.split_whitespace().next().unwrap_or("this");
    QueryError::NotSelect {
        statement: word.to_uppercase(),
    }
}

/// The names that a statement reads and introduces.
#[derive(Default)]
struct Names {
    relations: BTreeSet<String>,
    with: BTreeSet<String>,
}

impl Visitor for Names {
    /// A statement inside the query that is no `SELECT`.
    type Break = Box<str>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Box<str>> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.with.insert(table.alias.name.value.clone());
        }
        match &*query.body {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                ControlFlow::Break(query.body.to_string().into())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Box<str>> {
        // As the engine does: the first part counts, unquoted.
        if let Some(ident) = relation.0.first().and_then(|part| part.as_ident()) {
            self.relations.insert(ident.value.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Makes one sentence of a message of several lines.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::Select;
    use crate::error::QueryError;

    fn parse(sql: &str) -> Result<Vec<String>, QueryError> {
        let select = Select::parse(sql, |name| name == "samples")?;
        Ok(select.tables.into_iter().collect())
    }

    #[test]
    fn the_tables_of_a_query_are_found_wherever_they_are() {
        let sql = "WITH a AS (SELECT * FROM samples) SELECT * FROM a JOIN \"frames\" f USING (x) \
                   WHERE y IN (SELECT y FROM stacks) UNION ALL SELECT * FROM processes";
        let tables = parse(sql).unwrap();
        assert_eq!(tables, ["frames", "processes", "samples", "stacks"]);
        assert_eq!(parse("SELECT 1").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn nothing_but_one_select_passes() {
        let refused = |sql: &str| parse(sql).unwrap_err().to_string();
        for (sql, word) in [
            ("CREATE TABLE x AS SELECT 1", "CREATE"),
            ("DROP TABLE samples", "DROP"),
            ("delete from samples", "DELETE"),
            ("TRUNCATE TABLE samples", "TRUNCATE"),
            ("COPY samples TO '/tmp/x'", "COPY"),
            ("INSERT INTO samples VALUES (1)", "INSERT"),
            ("UPDATE samples SET cpu = 1", "UPDATE"),
            ("EXPLAIN SELECT 1", "EXPLAIN"),
            ("SHOW TABLES", "SHOW"),
            ("SET x = 1", "SET"),
            ("WITH a AS (SELECT 1) DELETE FROM samples", "WITH"),
        ] {
            let message = refused(sql);
            let expected = format!("{word} is refused: a query only reads, use SELECT");
            assert!(
                message == expected || message.contains("DELETE is refused"),
                "{sql}: {message}"
            );
        }
        assert_eq!(
            refused("SELECT 1; SELECT 2"),
            "2 statements were given: ask one SELECT at a time"
        );
        assert!(matches!(parse(" ; ").unwrap_err(), QueryError::Empty));
        assert!(matches!(parse("-- none").unwrap_err(), QueryError::Empty));
    }

    #[test]
    fn wrong_sql_is_told_with_its_place() {
        let message = parse("SELECT * FROM samples WHERE )")
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("this is not valid SQL: "), "{message}");
        assert!(message.contains("Line: 1"), "{message}");
        let message = parse("SELECT 'open").unwrap_err().to_string();
        assert!(message.contains("string literal"), "{message}");
    }

    #[test]
    fn a_with_name_may_not_hide_a_table() {
        let message = parse("WITH samples AS (SELECT 1 AS a) SELECT * FROM samples")
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "WITH samples has the name of a table: choose another name"
        );
    }
}
