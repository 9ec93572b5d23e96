use crate::error::QueryError;
use crate::example;

fn refusal(sql: &str) -> String {
    example::finished().open().run(sql).unwrap_err().to_string()
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    assert_eq!(
        refusal("SELECT * FROM sample"),
        "there is no table sample: the tables are checkpoints, code, cpu, dist, frames, gc, lifecycle, losses, \
         messages, modules, named_dist, named_frames, named_gc, named_lifecycle, named_messages, \
         named_modules, named_native_calls, named_off_cpu, named_payloads, named_port_events, \
         named_ports, named_processes, named_runs, native_calls, off_cpu, payloads, port_events, \
         ports, processes, runs, samples, series, stack_frames, stacks, states, \
         threads, watched, windows"
    );
    assert_eq!(
        refusal("SELECT s.pids FROM stacks AS s"),
        "there is no column pids: the columns are stack, frames"
    );
    assert_eq!(
        refusal("SELECT stack FROM stacks WHERE pids = 1"),
        "there is no column pids: the columns are stack, frames"
    );
    assert!(refusal("@tops").starts_with("there is no named query @tops: the names are top_"));
    for outside in [
        "read_parquet('/etc/passwd')",
        "'/tmp/a.parquet'",
        "read_csv('a')",
    ] {
        let message = refusal(&format!("SELECT * FROM {outside}"));
        assert!(message.starts_with("there is no table "), "{message}");
    }
}

#[test]
fn what_the_engine_lacks_is_told_in_a_sentence() {
    for (sql, expected) in [
        (
            "SELECT nosuch(ts_ns) FROM samples",
            "unsupported function 'nosuch'",
        ),
        (
            "SELECT ts_ns AS a, cpu AS a FROM samples",
            "two columns are called a",
        ),
        (
            "SELECT ts_ns FROM samples GROUP BY cpu",
            "should participate in the GROUP BY",
        ),
        (
            "WITH RECURSIVE a AS (SELECT 1 AS n) SELECT * FROM a",
            "recursive CTEs are not supported",
        ),
        (
            "SELECT STRUCT(1 AS a) AS s",
            "expression Struct (in SQL that the engine lacks)",
        ),
        (
            "SELECT proc FROM samples WHERE activity = 5",
            "cannot compare string",
        ),
        (
            "SELECT cpu FROM samples GROUP BY cpu ORDER BY tid",
            "column tid cannot be named there",
        ),
    ] {
        let message = refusal(sql);
        let sentence = message.starts_with("the query cannot be answered: ")
            && message.ends_with("; docs/query.md says what SQL there is")
            && !message.contains('\n');
        assert!(sentence && message.contains(expected), "{message}");
    }
    assert!(matches!(
        example::finished().open().run("DROP TABLE samples"),
        Err(QueryError::NotSelect { .. })
    ));
}

#[test]
fn a_panic_of_the_engine_is_an_error() {
    let message = refusal("SELECT CAST(ts_ns AS DATE) AS d FROM samples LIMIT 1");
    assert_eq!(
        message,
        "the SQL engine failed on this query: out-of-range date; please report it, and try to \
         rephrase it"
    );
}

#[test]
fn damaged_files_concern_only_the_queries_that_need_them() {
    let place = example::finished();
    let file = place.path.join("samples.parquet");
    let bytes = std::fs::read(&file).unwrap();
    let mut hole = bytes.clone();
    hole[8..200].fill(0xa5);
    for damaged in [&bytes[..bytes.len() / 2], b"", &hole[..]] {
        std::fs::write(&file, damaged).unwrap();
        let sql = place.open();
        let message = sql
            .run("SELECT SUM(ts_ns) AS s FROM cpu")
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("table samples cannot be read: "),
            "{message}"
        );
        assert_eq!(sql.run("SELECT pid FROM processes").unwrap().len(), 3);
    }
    std::fs::remove_file(&file).unwrap();
    let message = place
        .open()
        .run("SELECT * FROM samples")
        .unwrap_err()
        .to_string();
    assert!(message.contains("No such file"), "{message}");
}
