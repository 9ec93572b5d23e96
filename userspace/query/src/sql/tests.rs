use crate::example;
#[test]
fn explore() {
    let place = example::finished();
    let sql = place.open();
    let list = std::fs::read_to_string("/tmp/escq/queries.txt").unwrap();
    for q in list.split("\n;\n") {
        println!("=== {q}");
        match sql.run(q.trim()) {
            Ok(t) => {
                println!(
                    "{}",
                    t.columns()
                        .iter()
                        .map(|c| format!("{}:{}", c.name, c.kind))
                        .collect::<Vec<_>>()
                        .join(", ")
                );
                let mut o = Vec::new();
                crate::write_table(&t, &mut o).unwrap();
                println!("{}", String::from_utf8(o).unwrap());
            }
            Err(e) => println!("ERR {e}"),
        }
    }
}
