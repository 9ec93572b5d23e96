mod refusals;

use std::path::PathBuf;

use escope_model::{Fate, Message, MessageKind, ProcId};
use escope_recording::{Form, Manifest, Recording};
use polars::prelude::IntoLazy;
use polars::sql::SQLContext;

use super::{SourceKind, Sql};
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
            [
                int(2),
                Value::Float(0.005),
                float(0.0),
                float(0.0),
                float(0.0)
            ],
        ]
    );
    assert_eq!(ask("@losses")[0][1], Value::Unsigned(u64::MAX));
}

#[test]
fn events_have_their_names() {
    let worker = "My.Worker.init/1 <0.101.0>";
    assert_eq!(
        answer("@left_in")[0],
        [
            text("my_server:loop/1"),
            text("a.erl"),
            int(7),
            text("waiting"),
            int(2),
            // The window has a quarter of the VM's reductions.
            Value::Float(8.0)
        ]
    );
    assert_eq!(
        answer("@top_senders"),
        [
            [
                text(worker),
                text("<0.101.0>"),
                int(2),
                int(1),
                int(1),
                // Of one of the two it is known how many words it has.
                int(4),
                int(1),
                Value::Float(8.0)
            ],
            [
                text("my_server"),
                text("<0.100.0>"),
                int(1),
                int(0),
                int(0),
                int(4),
                int(1),
                Value::Float(4.0)
            ],
        ]
    );
    let slow = answer("SELECT msg, sender, receiver, tag, lay_ns FROM named_messages ORDER BY msg");
    assert_eq!(
        slow[0],
        [
            Value::Unsigned(0),
            text(worker),
            text("my_server"),
            text("$gen_call"),
            int(1_500_000)
        ]
    );
    assert_eq!(
        slow[3][1..],
        [Value::Null, text("my_server"), Value::Null, Value::Null]
    );
    let lives =
        answer("SELECT event, process, other_process, reason FROM named_lifecycle ORDER BY ts_ns");
    assert_eq!(lives[0][1..3], [text(worker), text("my_server")]);
    assert_eq!(lives[1][2..], [Value::Null, text("killed")]);
    let gc = answer("SELECT process, took_ns, after_words FROM named_gc");
    assert_eq!(
        gc,
        [[text("my_server"), int(250_000), Value::Unsigned(600)]]
    );
    let off_cpu = answer(
        "SELECT process, why, took_ns, blocked_ns, preempted_ns FROM named_off_cpu ORDER BY start_ns",
    );
    assert_eq!(
        off_cpu,
        [
            [
                text("my_server"),
                text("blocked"),
                int(700),
                int(600),
                int(100)
            ],
            [Value::Null, text("preempted"), int(500), int(0), int(500)],
            [Value::Null, Value::Null, int(300), int(300), int(0)],
        ]
    );
    let calls = answer(
        "SELECT process, called, called_kind, returns_to, line, took_ns, cut \
         FROM named_native_calls ORDER BY start_ns",
    );
    let [called, kind, from] = ["lists:reverse/2", "bif", "my_server:loop/1"].map(text);
    let call = |process: &str, from: Value<'static>, line, took_ns, cut| {
        let (called, kind) = (called.clone(), kind.clone());
        vec![text(process), called, kind, from, line, took_ns, cut]
    };
    assert_eq!(
        calls,
        [
            call("my_server", from.clone(), int(7), int(2_000), Value::Null),
            call(worker, Value::Null, Value::Null, int(9_000), text("start")),
            call("my_server", from, int(7), Value::Null, Value::Null),
        ]
    );
    let most = answer("@native_calls");
    let [calls, in_all] = [int(2), Value::Float(8.0)];
    assert_eq!(most.len(), 1, "of one the begin was not seen");
    assert_eq!(most[0][0], called);
    assert_eq!(most[0][3..5], [calls, in_all]);
}

/// As `report` counts them.
#[test]
fn signals_that_never_became_a_message_are_no_messages() {
    let message = |msg, kind, fate| Message {
        msg,
        from: Some(ProcId(0)),
        to: ProcId(1),
        kind,
        tag: None,
        sent_ns: 1000 + msg as i64,
        received_ns: (fate == Fate::Received).then_some(2000),
        fate,
        size_words: Some(10 + msg as u32),
    };
    let place = example::of_messages(&[
        message(0, MessageKind::Reply, Fate::Received),
        message(1, MessageKind::Down, Fate::Dropped),
        message(2, MessageKind::Message, Fate::Unknown),
        message(3, MessageKind::Reply, Fate::Unknown),
        message(4, MessageKind::Down, Fate::Unknown),
        message(5, MessageKind::Exit, Fate::Unknown),
    ]);
    let sql = place.open();
    let ask = |sql_text: &str| rows(&sql.run(sql_text).unwrap());
    let of_query = |name: &str, column: usize| ask(name)[0][column].clone();
    assert_eq!(of_query("@top_senders", 2), int(3));
    assert_eq!(of_query("@top_receivers", 2), int(3));
    assert_eq!(of_query("@large_messages", 4), int(12));
    let fates: Vec<_> = ask("@message_fates")
        .into_iter()
        .map(|row| row[..3].to_vec())
        .collect();
    assert_eq!(
        fates,
        [
            [text("down"), text("dropped"), int(1)],
            [text("message"), text("unknown"), int(1)],
            [text("reply"), text("received"), int(1)],
        ]
    );
    // The table has all of them.
    assert_eq!(ask("SELECT COUNT(*) FROM messages"), [[int(6)]]);
}

#[test]
fn columns_that_an_older_recording_lacks_are_null() {
    let place = example::finished();
    place.drop_column("runs", "woken_by");
    place.drop_column("messages", "size_words");
    let sql = place.open();
    let ask = |sql_text: &str| rows(&sql.run(sql_text).unwrap());
    assert_eq!(
        ask("SELECT COUNT(*), COUNT(woken_by), SUM(reductions) FROM named_runs"),
        [[int(3), int(0), int(300)]]
    );
    assert_eq!(
        ask("SELECT COUNT(*), COUNT(size_words) FROM named_messages"),
        [[int(4), int(0)]]
    );
    assert_eq!(ask("@top_runs").len(), 2);
    assert_eq!(ask("@large_messages").len(), 0);
}

#[test]
fn what_messages_said_is_told_with_the_messages() {
    let worker = "My.Worker.init/1 <0.101.0>";
    assert_eq!(
        answer(
            "SELECT msg, kind, sender, receiver, seen, text, masked FROM named_payloads \
             ORDER BY msg"
        ),
        [
            [
                Value::Unsigned(0),
                text("call"),
                text(worker),
                text("my_server"),
                text("cut"),
                text("{'$gen_call',...,***}"),
                int(1)
            ],
            [
                Value::Unsigned(2),
                text("cast"),
                text(worker),
                text("my_server"),
                text("sensitive"),
                Value::Null,
                int(0)
            ],
        ]
    );
}

#[test]
fn code_and_ports_have_their_names() {
    let worker = "My.Worker.init/1 <0.101.0>";
    let [module, pid] = ["Elixir.My.Worker", "<0.101.0>"].map(text);
    assert_eq!(
        answer("SELECT event, module, process, pid FROM named_modules ORDER BY ts_ns"),
        [
            [
                text("load"),
                module.clone(),
                text("my_server"),
                text("<0.100.0>")
            ],
            [text("purge"), module.clone(), Value::Null, Value::Null],
        ]
    );
    assert_eq!(
        answer("SELECT port_name, driver, owner_process, owner_pid, bytes_out FROM named_ports"),
        [
            [
                text("spawn cat #Port<0.5>"),
                text("spawn"),
                text(worker),
                pid,
                Value::Unsigned(512)
            ],
            [
                text("port 1"),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null
            ],
        ]
    );
    let events = answer(
        "SELECT event, port_name, process, bytes FROM named_port_events \
         WHERE event <> 'output' ORDER BY ts_ns",
    );
    let [cat, worker] = ["spawn cat #Port<0.5>", worker].map(text);
    assert_eq!(
        events,
        [
            [text("open"), cat.clone(), worker.clone(), Value::Null],
            [text("input"), cat.clone(), worker.clone(), Value::Null],
            [
                text("input"),
                text("port 1"),
                Value::Null,
                Value::Unsigned(70)
            ],
            [text("close"), cat.clone(), worker, Value::Null],
        ]
    );
    let loads = answer("@loads");
    assert_eq!(loads.len(), 1);
    assert_eq!(loads[0][..3], [module, int(1), int(1)]);
    let ports = answer("SELECT * FROM named_port_events WHERE bytes IS NULL");
    assert_eq!(ports.len(), 3);
    let ports = answer("@top_ports");
    assert_eq!(ports.len(), 2);
    assert_eq!(ports[0][0], cat);
    assert_eq!(ports[0][2..4], [int(2), Value::Unsigned(512)]);
    // One of which it is not known how many bytes, three of them in a quarter of the reductions.
    assert_eq!(ports[0][6..], [int(1), int(3), Value::Float(12.0)]);
    assert_eq!(ports[1][4..6], [int(1), Value::Unsigned(70)]);
}

#[test]
fn signals_to_other_nodes_are_summed_by_node() {
    let nodes = answer("@top_nodes");
    assert_eq!(nodes.len(), 1);
    let (sent, received) = (Value::Unsigned(115), Value::Unsigned(65_548));
    let fields = [int(2), int(1), sent, int(1), int(1), received];
    assert_eq!(nodes[0][0], text("other@host"));
    assert_eq!(nodes[0][1..7], fields);
    // One was suspended; three signals, in a quarter of the reductions.
    assert_eq!(nodes[0][7..], [int(1), int(3), Value::Float(12.0)]);
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
fn counts_of_events_are_told_with_what_they_stand_for() {
    let place = example::finished();
    let sql = place.open();
    let ask = |name: &str| rows(&sql.run(name).unwrap());
    let scaled = Value::Float(4.0);
    assert_eq!(
        ask("SELECT windows, watched_ns, watched_reductions, vm_reductions, scale FROM watched"),
        [[int(1), int(11_000_000), int(300), int(1200), scaled.clone()]]
    );
    // By process, and not by name; the one without a process is no sender.
    assert_eq!(
        ask("@top_senders"),
        [
            [
                text("My.Worker.init/1 <0.101.0>"),
                text("<0.101.0>"),
                int(2),
                int(1),
                int(1),
                // Of one of the two it is known how many words it has.
                int(4),
                int(1),
                Value::Float(8.0),
            ],
            [
                text("my_server"),
                text("<0.100.0>"),
                int(1),
                int(0),
                int(0),
                int(4),
                int(1),
                scaled.clone(),
            ],
        ]
    );
    assert_eq!(
        ask("@spawns"),
        [[
            text("my_server"),
            text("<0.100.0>"),
            text("My.Worker.init/1"),
            int(1),
            scaled,
        ]]
    );
    // One that was cut short does not know it.
    let (place, _writer) = example::growing(&example::samples());
    let scale = rows(&place.open().run("SELECT scale FROM watched").unwrap());
    assert_eq!(scale, [[Value::Null]]);
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
            "checkpoints",
            "code",
            "dist",
            "frames",
            "gc",
            "lifecycle",
            "losses",
            "messages",
            "modules",
            "native_calls",
            "off_cpu",
            "payloads",
            "port_events",
            "ports",
            "processes",
            "runs",
            "samples",
            "series",
            "stacks",
            "states",
            "threads",
            "windows",
            "cpu",
            "named_dist",
            "named_frames",
            "named_gc",
            "named_lifecycle",
            "named_messages",
            "named_modules",
            "named_native_calls",
            "named_off_cpu",
            "named_payloads",
            "named_port_events",
            "named_ports",
            "named_processes",
            "named_runs",
            "stack_frames",
            "watched",
        ]
    );
    assert_eq!(sources[21].kind, SourceKind::Recorded);
    assert_eq!(sources[22].kind, SourceKind::Derived);
    let stacks = &sources[18].columns;
    assert_eq!(stacks[1].name, "frames");
    assert_eq!(stacks[1].kind, Kind::List(Kind::Integer.into()));
    assert_eq!(stacks[1].kind.to_string(), "list of integer");
    assert_eq!(sources[3].columns[8].kind, Kind::Unsigned);
    assert_eq!(sources[22].columns.last().unwrap().kind, Kind::Timestamp);
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
    writer.finish(&mut Manifest::default()).unwrap();
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
