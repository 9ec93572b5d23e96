use super::{write_csv, write_json, write_table, write_table_within};
use crate::example;
use crate::table::Table;

fn text(table: &Table, write: impl Fn(&Table, &mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(table, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn answer(sql: &str) -> Table {
    example::finished().open().run(sql).unwrap()
}

const ODD: &str = "SELECT proc, name, proc / 8 AS part FROM processes ORDER BY proc";

#[test]
fn text_is_aligned_and_safe_to_print() {
    assert_eq!(
        text(&answer(ODD), write_table),
        "proc  name          part\n\
         ----  -----------  -----\n\
         \u{20}  0  my_server        0\n\
         \u{20}  1               0.125\n\
         \u{20}  2  a \"b\", c\\nd   0.25\n"
    );
    let odd = answer("SELECT '\u{1b}[31mred' AS \"a\tb\", [1, 2] AS l, 1e-9 AS tiny, 2e20 AS big");
    assert_eq!(
        text(&odd, write_table),
        "a\\tb           l           tiny       big\n\
         -------------  ------  --------  --------\n\
         \\u{1b}[31mred  [1, 2]  1.000e-9  2.000e20\n"
    );
}

#[test]
fn cells_are_cut_only_when_told_and_numbers_never() {
    let table = answer("SELECT 123456789 AS n, '日本語です' AS wide, 'short' AS s");
    assert_eq!(
        text(&table, |table, out| write_table_within(table, 6, out)),
        "        n  wide   s\n\
         ---------  -----  -----\n\
         123456789  日本…  short\n"
    );
    let whole = text(&table, write_table);
    assert!(whole.contains("日本語です"));
}

#[test]
fn json_is_exact() {
    let sql = "SELECT address, CAST(address AS TEXT) AS t FROM frames WHERE address > 0";
    assert_eq!(
        text(&answer(sql), write_json),
        "[\n{\"address\":18446744073709551614,\"t\":\"18446744073709551614\"}\n]\n"
    );
    let sql = "SELECT 9007199254740993 AS odd, -9223372036854775808 AS least, 0.1 + 0.2 AS f, \
               1 / 0 AS inf, frames AS \"a \"\"b\"\"\", NULL AS none FROM stacks WHERE stack = 1";
    let printed = text(&answer(sql), write_json);
    assert_eq!(
        printed,
        "[\n{\"odd\":9007199254740993,\"least\":-9223372036854775808,\
         \"f\":0.30000000000000004,\"inf\":null,\"a \\\"b\\\"\":[1,4,4],\"none\":null}\n]\n"
    );
    let read: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(read[0]["odd"].as_i64(), Some(9_007_199_254_740_993));
    let none = answer("SELECT * FROM samples WHERE ts_ns < 0");
    assert_eq!(text(&none, write_json), "[\n]\n");
}

#[test]
fn csv_quotes_what_must_be() {
    assert_eq!(
        text(&answer(ODD), write_csv),
        "proc,name,part\r\n\
         0,my_server,0.0\r\n\
         1,,0.125\r\n\
         2,\"a \"\"b\"\", c\nd\",0.25\r\n"
    );
    let sql = "SELECT '' AS empty, ' a' AS \"x,y\", frames, address FROM stacks \
               CROSS JOIN (SELECT address FROM frames WHERE address > 0) AS f WHERE stack = 2";
    assert_eq!(
        text(&answer(sql), write_csv),
        "empty,\"x,y\",frames,address\r\n\"\",\" a\",\"[2,0]\",18446744073709551614\r\n"
    );
}
