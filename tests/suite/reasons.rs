//! Why processes end, as far as it is told: of each kind of reason, what the program gave or the VM
//! made of what went wrong.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::LifeEvent;
use escope_recording::{Recording, TimeRange};

use crate::support::{Workload, record_all, temp_dir};

/// What the program calls a reason, and what is told of it.
const REASONS: [(&str, &str); 21] = [
    ("word", "boom"),
    ("number", "7"),
    ("pair", "{shutdown, later}"),
    ("status", "{exit_status, 137}"),
    ("data", "{order, _}"),
    ("inner", "{{no, _}, 'call me'}"),
    ("only", "{only}"),
    ("three", "{a, b, _}"),
    ("text", "_"),
    ("map", "_"),
    ("rows", "{shutdown, _}"),
    ("pairs", "{shutdown, _}"),
    ("call", "{noproc, {gen_server, call, _}}"),
    ("badarg", "badarg in reasons:ends/1"),
    ("badmatch", "{badmatch, _} in reasons:match/2"),
    ("clause", "function_clause in reasons:clause/2"),
    ("undef", "undef in no_such_module:'no such function'/3"),
    ("far", "undef in no_such_module:f/_"),
    ("nocatch", "{nocatch, _} in reasons:ends/1"),
    ("guarded", "{case_clause, _} in reasons:guarded/1"),
    ("arith", "badarith in erlang:'+'/2"),
];

#[test]
fn a_reason_is_told_with_where_it_went_wrong() {
    live!();
    let folder = temp_dir();
    let path = folder.path("test.escope");
    let mut vm = Workload::start("reasons", &["+S", "2:2"], &[]);
    let (_, done, _) = record_all(&mut vm, &path, &["--events", "proc"]);
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, _) = recording.dictionary().unwrap();
    let mut seen = BTreeMap::<String, i64>::new();
    for life in recording.lifecycle(TimeRange::default()).unwrap() {
        let life = life.unwrap();
        let process = dictionary.process(life.proc).unwrap();
        let call = process.initial_call.as_ref().map(ToString::to_string);
        if life.event == LifeEvent::Exit && call.as_deref() == Some("reasons:ends/1") {
            *seen.entry(life.reason.unwrap()).or_default() += 1;
        }
    }
    let mut wanted = BTreeMap::<String, i64>::new();
    for (kind, text) in REASONS {
        *wanted.entry(text.to_owned()).or_default() += done.number(kind);
    }
    assert_eq!(seen, wanted);
}
