use std::path::PathBuf;

use escope_recording::{Form, Manifest, Recording};
use polars::prelude::IntoLazy;
use polars::sql::SQLContext;

use super::{SourceKind, Sql};
use crate::error::QueryError;
use crate::example::{self, ODD_NAME};
use crate::named;
use crate::table::{Kind, Table};
use crate::value::Value;

fn int(value: i64) -> Value<'static> {
    Value::Integer(value)
}

fn text(value: &str) -> Value<'static> {
    Value::Text(value.to_owned().into())
}

fn rows(table: &Table) -> Vec<Vec<Value<'static>>> {
    let owned = |row: Vec<Value<'_>>| row.into_iter().map(Value::into_owned).collect();
    table.rows().map(owned).collect()
}

fn answer(sql: &str) -> Vec<Vec<Value<'static>>> {
    rows(&example::finished().open().run(sql).unwrap())
}

fn refusal(sql: &str) -> String {
    example::finished().open().run(sql).unwrap_err().to_string()
}

#[test]
fn the_view_cpu_has_every_sample_with_its_names() {
    let sql = "SELECT ts_ns, work, process, process_group, pid, leaf, leaf_kind, \
               erlang_function, erlang_module, cpu, time FROM cpu ORDER BY ts_ns";
    let answer = answer(sql);
    assert_eq!(answer.len(), 6);
    assert_eq!(
        answer[1],
        [
            int(200_000_000),
            Value::Boolean(true),
            text("My.Worker.init/1 <0.101.0>"),
            text("My.Worker.init/1"),
            text("<0.101.0>"),
            text("lists:reverse/2"),
            text("bif"),
            text("lists:reverse/2"),
            text("lists"),
            int(1),
            text("2026-01-02 03:04:05.200000000"),
        ]
    );
    assert_eq!(
        answer[2][5..8],
        [
            text("erts_garbage_collect"),
            text("native"),
            text("my_server:loop/1")
        ]
    );
    assert_eq!(answer[3][1], Value::Boolean(false));
    assert_eq!(answer[3][2], Value::Null);
    assert_eq!(answer[3][7], Value::Null);
    assert_eq!(answer[4][2], text("'a \"b\", c\nd'"));
    assert_eq!(answer[5][5], Value::Null, "an empty stack has no leaf");
}

#[test]
fn stacks_can_be_walked() {
    let by_view = answer("SELECT stack, name FROM stack_frames ORDER BY stack, depth");
    let by_unnest = answer(
        "SELECT u.stack, f.name FROM (SELECT stack, UNNEST(frames) AS frame FROM stacks) AS u \
         JOIN named_frames AS f ON u.frame = f.frame",
    );
    let by_cross_join = answer(
        "SELECT k.stack, f.name FROM stacks AS k CROSS JOIN UNNEST(k.frames) AS frame \
         JOIN named_frames AS f ON frame = f.frame",
    );
    assert_eq!(by_view.len(), 7);
    assert_eq!(by_view[2], [int(1), text("My.Worker.run/0")]);
    let sorted = |mut rows: Vec<Vec<Value<'static>>>| {
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    };
    assert_eq!(sorted(by_unnest), sorted(by_view.clone()));
    assert_eq!(sorted(by_cross_join), sorted(by_view));
}

#[test]
fn named_queries_answer_exactly() {
    let place = example::finished();
    let sql = place.open();
    for query in named::named() {
        let table = sql.run(&format!("@{}", query.name));
        assert!(!table.unwrap().is_empty(), "{}", query.name);
    }
    let ask = |name: &str| rows(&sql.run(name).unwrap());
    // The engine multiplies by 1e-9 instead of dividing by 1e9.
    let float = |value: f64| {
        Value::Float(if value == 0.06 {
            60_000_000.0 * 1e-9
        } else {
            value
        })
    };
    let odd = format!("'{ODD_NAME}'");
    assert_eq!(
        ask("@top_processes"),
        [
            [
                text("my_server"),
                text("<0.100.0>"),
                float(0.06),
                float(60.0)
            ],
            [text(&odd), text("<0.102.0>"), float(0.025), float(25.0)],
            [
                text("My.Worker.init/1 <0.101.0>"),
                text("<0.101.0>"),
                float(0.01),
                float(10.0)
            ],
            [text("[no process]"), Value::Null, float(0.005), float(5.0)],
        ]
    );
    assert_eq!(
        ask(" @top_inclusive\n"),
        [
            [text("my_server:loop/1"), float(0.085)],
            [text("My.Worker.run/0"), float(0.01)],
            [text("lists:reverse/2"), float(0.01)],
        ]
    );
    assert_eq!(
        ask("@timeline"),
        [
            [int(0), float(0.07), float(0.02), float(0.0), float(0.0)],
            [int(1), float(0.025), float(0.0), float(0.0), float(0.5)],
            [int(2), float(0.005), float(0.0), float(0.0), float(0.0)],
        ]
    );
    assert_eq!(ask("@losses")[0][1], Value::Unsigned(u64::MAX));
}

#[test]
fn every_example_of_the_documentation_runs() {
    let place = example::finished();
    let sql = place.open();
    let page = include_str!("../../../../docs/query.md");
    let examples: Vec<&str> = page
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 9);
    for example in examples {
        assert!(!sql.run(example).unwrap().is_empty(), "{example}");
    }
    for query in named::named() {
        assert!(
            page.contains(&format!("| `@{}` |", query.name)),
            "{}",
            query.name
        );
    }
    for source in sql.sources().unwrap() {
        for column in source.columns {
            assert!(
                page.contains(&format!("`{}`", column.name)),
                "{}",
                column.name
            );
        }
    }
}

#[test]
fn queries_answer_as_the_engine_does_over_data_in_memory() {
    let place = example::finished();
    let sql = place.open();
    let mut engine = SQLContext::new();
    for name in sql.tables.names() {
        let frame = sql.tables.get(&name).unwrap().collect().unwrap();
        engine.register(&name, frame.lazy());
    }
    for query in [
        "SELECT * FROM samples",
        "SELECT * FROM samples WHERE ts_ns > 250000000 AND activity <> 'gc'",
        "SELECT * FROM frames WHERE address > 5",
        "SELECT * FROM frames WHERE address < 5 ORDER BY function LIMIT 2",
        "SELECT ts_ns FROM samples WHERE MIN(truncated IS NULL)",
        "SELECT ts_ns FROM samples WHERE proc IS NULL OR proc = 2 ORDER BY weight_ns LIMIT 2",
        "SELECT ts_ns FROM samples WHERE activity IN ('gc', 'jit') ORDER BY ts_ns DESC LIMIT 2",
        "SELECT ts_ns FROM samples WHERE scheduler LIKE '%_1' AND weight_ns >= 25000000",
        "SELECT leaf FROM cpu WHERE process = 'my_server' AND ts_ns < 250000000",
        "SELECT s.ts_ns, p.pid FROM samples AS s LEFT JOIN processes AS p ON s.proc = p.proc \
         WHERE p.proc IS NULL ORDER BY s.ts_ns",
        "SELECT pid FROM processes WHERE proc NOT IN (SELECT proc FROM samples WHERE cpu = 0)",
        "SELECT activity, SUM(weight_ns) AS w FROM samples WHERE ts_ns BETWEEN 1 AND 2000000000 \
         GROUP BY activity HAVING SUM(weight_ns) > 10000000 ORDER BY w",
    ] {
        let expected = engine.execute(query).unwrap().collect().unwrap();
        let expected = rows(&Table::new(expected).unwrap());
        assert_eq!(rows(&sql.run(query).unwrap()), expected, "{query}");
    }
}

#[test]
#[ignore]
fn big() {
    use escope_model::*;
    use std::time::Instant;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.escope");
    let mut w =
        escope_recording::Writer::create(&path, Manifest::default(), Default::default()).unwrap();
    for n in 0..20_000u32 {
        w.frame(
            FrameId(n),
            &Frame {
                kind: if n % 3 == 0 {
                    FrameKind::Native
                } else {
                    FrameKind::Erlang
                },
                module: (n % 3 > 0).then(|| "lists".into()),
                arity: (n % 3 > 0).then_some(2),
                ..Frame::marker(&format!("f{n}"))
            },
        );
    }
    let mut x = 1u64;
    let mut rnd = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u32
    };
    for n in 0..100_000u32 {
        let f: Vec<FrameId> = (0..40).map(|_| FrameId(rnd() % 20_000)).collect();
        w.stack(StackId(n), &f);
    }
    for n in 0..50_000u32 {
        w.process(&ProcessInfo {
            proc: ProcId(n),
            pid: format!("<0.{n}.0>"),
            name: None,
            label: None,
            initial_call: Some(Mfa {
                module: "m".into(),
                function: "init".into(),
                arity: 1,
            }),
            parent: None,
        });
    }
    for n in 0..3_000_000u32 {
        w.sample(&Sample {
            ts_ns: i64::from(n) * 1_200_000,
            cpu: n % 8,
            tid: n % 8,
            scheduler: None,
            proc: Some(ProcId(rnd() % 50_000)),
            stack: StackId(rnd() % 100_000),
            activity: Activity::Jit,
            weight_ns: 10_000_000,
            truncated: None,
        });
        if n % 100_000 == 0 {
            w.flush().unwrap();
        }
    }
    let t = Instant::now();
    w.finish(Manifest::default()).unwrap();
    println!("finish {:?}", t.elapsed());
    let sql = Sql::open(&Recording::open(&path).unwrap()).unwrap();
    for q in [
        "SELECT COUNT(*) FROM samples",
        "SELECT COUNT(*), SUM(weight_ns) FROM samples WHERE ts_ns BETWEEN 1000000000000 AND 1060000000000",
        "SELECT SUM(weight_ns) FROM samples",
        "@by_activity",
        "@top_processes",
        "@top_functions",
        "@top_functions",
        "@timeline",
        "@top_inclusive",
        "SELECT * FROM cpu ORDER BY ts_ns LIMIT 5",
    ] {
        let t = Instant::now();
        let rows = sql.run(q).unwrap().len();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let hwm = status
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .unwrap()
            .to_owned();
        println!("{q}: {rows} rows {:?} {hwm}", t.elapsed());
    }
    let t = Instant::now();
    let table = sql.run("SELECT * FROM cpu LIMIT 300000").unwrap();
    println!("run {:?}", t.elapsed());
    let t = Instant::now();
    crate::write_json(&table, &mut std::io::sink()).unwrap();
    println!("json 300k {:?}", t.elapsed());
    let t = Instant::now();
    crate::write_table(&table, &mut std::io::sink()).unwrap();
    println!("table 300k {:?}", t.elapsed());
}

#[test]
fn numbers_do_not_wrap_around() {
    let sql = "SELECT COUNT(*) - 10 AS a, MIN(cpu) - 1 AS b, MIN(cpu - tid) AS c FROM samples";
    assert_eq!(answer(sql), [[int(-4), int(-1), int(-101)]]);
    let sql = "SELECT address FROM frames WHERE address = 18446744073709551614";
    assert_eq!(answer(sql), [[Value::Unsigned(u64::MAX - 1)]]);
}

#[test]
fn every_table_is_listed_with_its_columns() {
    let place = example::finished();
    let sources = place.open().sources().unwrap();
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "code",
            "frames",
            "losses",
            "processes",
            "samples",
            "series",
            "stacks",
            "threads",
            "cpu",
            "named_frames",
            "named_processes",
            "stack_frames",
        ]
    );
    assert_eq!(sources[7].kind, SourceKind::Recorded);
    assert_eq!(sources[8].kind, SourceKind::Derived);
    let stacks = &sources[6].columns;
    assert_eq!(stacks[1].name, "frames");
    assert_eq!(stacks[1].kind, Kind::List(Kind::Integer.into()));
    assert_eq!(stacks[1].kind.to_string(), "list of integer");
    assert_eq!(sources[1].columns[8].kind, Kind::Unsigned);
    assert_eq!(sources[8].columns.last().unwrap().kind, Kind::Timestamp);
}

#[test]
fn an_unfinished_recording_answers_from_a_copy_that_goes_away() {
    let (place, mut writer) = example::growing(&example::samples()[..4]);
    let count = "SELECT COUNT(*) AS n, SUM(weight_ns) AS w FROM cpu";
    let sql = place.open();
    let copy: PathBuf = sql._scratch.as_ref().unwrap().path().to_owned();
    assert_eq!(rows(&sql.run(count).unwrap()), [[int(4), int(570_000_000)]]);
    assert_eq!(sql.problems(), []);
    assert!(copy.join("samples.parquet").is_file());

    for sample in &example::samples()[4..] {
        writer.sample(sample);
    }
    writer.flush().unwrap();
    assert_eq!(rows(&sql.run(count).unwrap())[0][0], int(4), "as it was");
    assert_eq!(rows(&place.open().run(count).unwrap())[0][0], int(6));
    drop(sql);
    assert!(!copy.exists());

    let growing = Recording::open(&place.path).unwrap();
    writer.finish(Manifest::default()).unwrap();
    assert_eq!(growing.manifest().form, Form::Streams);
    let sql = Sql::open(&growing).unwrap();
    assert!(sql._scratch.is_none(), "it ended before the copy was made");
    assert_eq!(rows(&sql.run(count).unwrap())[0][0], int(6));
}

#[test]
fn what_an_unfinished_recording_lost_is_told() {
    let (place, writer) = example::growing(&example::samples());
    drop(writer);
    let samples = place.path.join("samples.00000.arrows");
    let bytes = std::fs::read(&samples).unwrap();
    std::fs::write(&samples, &bytes[..bytes.len() - 100]).unwrap();
    let sql = place.open();
    let left = rows(&sql.run("SELECT COUNT(*) FROM samples").unwrap());
    assert_eq!(left, [[int(0)]]);
    assert_eq!(sql.problems().len(), 1);
    assert_eq!(sql.problems()[0].place, "samples.00000.arrows");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    assert_eq!(
        refusal("SELECT * FROM sample"),
        "there is no table sample: the tables are code, cpu, frames, losses, named_frames, \
         named_processes, processes, samples, series, stack_frames, stacks, threads"
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
