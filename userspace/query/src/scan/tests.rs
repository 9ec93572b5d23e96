use escope_model::{Activity, ProcId, Sample, StackId};
use escope_recording::{Manifest, Recording, Table, Writer, WriterOptions};
use polars::prelude::{AnonymousScan, AnonymousScanArgs, Expr, SchemaRef, col, lit};

use super::ParquetTable;
use crate::prune;
use crate::value::Value;

/// Rows of a row group of the format.
const GROUP: u32 = 1 << 18;

fn sample(n: u32) -> Sample {
    Sample {
        ts_ns: i64::from(n) * 10,
        cpu: n % 2,
        tid: 1,
        scheduler: None,
        proc: Some(ProcId(n % 3)),
        stack: StackId(0),
        activity: Activity::Jit,
        weight_ns: 1,
        truncated: None,
    }
}

/// Three row groups of samples, the last with one row.
fn long() -> (tempfile::TempDir, Recording) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.escope");
    let mut writer = Writer::create(&path, Manifest::default(), WriterOptions::default()).unwrap();
    for n in 0..2 * GROUP + 1 {
        writer.sample(&sample(n));
        if n % 65_536 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.finish(&mut Manifest::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    (dir, recording)
}

fn samples(recording: &Recording) -> ParquetTable {
    let files = recording.tables().unwrap();
    let of = files.iter().find(|of| of.table == Table::Samples).unwrap();
    ParquetTable::new("samples", of.files[0].clone())
}

#[test]
fn a_filter_by_time_reads_only_the_row_groups_it_needs() {
    let (_dir, recording) = long();
    let table = samples(&recording);
    let rows = |filter: Expr| {
        let mut reader = table.reader().unwrap();
        prune::rows(reader.get_metadata().unwrap(), &prune::bounds(&filter))
    };
    let group = GROUP as usize;
    let at = |n: u32| lit(i64::from(n) * 10);
    assert_eq!(rows(col("ts_ns").lt(at(GROUP - 1))), 0..group);
    assert_eq!(rows(col("ts_ns").gt_eq(at(GROUP))), group..2 * group + 1);
    assert_eq!(
        rows(col("ts_ns").gt(at(2 * GROUP - 1))),
        2 * group..2 * group + 1
    );
    assert_eq!(
        rows(col("ts_ns").eq(at(2 * GROUP))),
        2 * group..2 * group + 1
    );
    assert_eq!(rows(col("ts_ns").lt(lit(0_i64))), 0..0);
    assert_eq!(rows(col("cpu").eq(lit(1_i64))), 0..2 * group + 1);

    let sql = crate::Sql::open(&recording).unwrap();
    let one = |query: &str| sql.run(query).unwrap().value(0, 0).into_owned();
    for (filter, count) in [
        ("ts_ns >= 2621440", GROUP + 1),
        ("ts_ns < 2621440", GROUP),
        ("ts_ns BETWEEN 2621430 AND 2621440", 2),
        ("ts_ns = 5242880", 1),
        ("5242880 <= ts_ns AND cpu = 1", 0),
        ("ts_ns < 0 OR ts_ns > 5242870", 1),
        ("NOT ts_ns < 5242870", 2),
        ("ts_ns < 100 AND proc = 0", 4),
        ("weight_ns > 1", 0),
    ] {
        let query = format!("SELECT COUNT(*) FROM samples WHERE {filter}");
        assert_eq!(one(&query), Value::Integer(count.into()), "{filter}");
    }
    let last = "SELECT ts_ns FROM samples WHERE cpu = 0 ORDER BY ts_ns DESC LIMIT 1";
    assert_eq!(one(last), Value::Integer(i64::from(2 * GROUP) * 10));
}

#[test]
fn a_scan_gives_the_columns_asked_for_and_at_most_so_many_rows() {
    let place = crate::example::finished();
    let table = samples(&Recording::open(&place.path).unwrap());
    let schema: SchemaRef = table.schema(None).unwrap();
    let asked = |n_rows, names: &[&str], predicate| AnonymousScanArgs {
        n_rows,
        with_columns: Some(names.iter().map(|name| (*name).into()).collect()),
        schema: schema.clone(),
        output_schema: None,
        predicate,
    };
    let frame = table
        .scan(asked(Some(2), &["stack", "ts_ns"], None))
        .unwrap();
    assert_eq!(frame.get_column_names(), ["stack", "ts_ns"]);
    assert_eq!(frame.height(), 2);
    assert_eq!(table.scan(asked(None, &[], None)).unwrap().height(), 6);

    let late = col("ts_ns").gt(lit(1_550_000_000_i64));
    let frame = table.scan(asked(None, &["cpu"], Some(late))).unwrap();
    assert_eq!(frame.get_column_names(), ["cpu"]);
    assert_eq!(frame.height(), 2);
}

#[test]
fn hints_of_the_engine_are_left_out_and_nothing_else() {
    let hint = |text: &str| Expr::Display {
        inputs: vec![col("ts_ns")],
        fmt_str: Box::new(text.into()),
    };
    let late = || col("ts_ns").gt(lit(5_i64));
    let without = |filter: &Expr| prune::without_hints(filter);
    let dynamic = hint("dynamic_pred: 7");
    assert_eq!(without(&dynamic).unwrap(), None);
    assert_eq!(without(&late().and(dynamic.clone())).unwrap(), Some(late()));
    assert_eq!(without(&late()).unwrap(), Some(late()));
    assert!(without(&late().or(dynamic)).is_err());
    assert!(without(&late().and(hint("other"))).is_err());
}
