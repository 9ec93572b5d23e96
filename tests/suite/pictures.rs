//! Pictures of timelines are read by others: Python's XML parser and Mermaid's own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use escope_model::{
    Fate, LeftAs, Life, LifeEvent, Loss, Message, MessageKind, ProcId, ProcessInfo, Run,
    SchedulerId, SchedulerKind,
};
use escope_recording::{Ended, EndedHow, Manifest, Writer, WriterOptions};

use crate::support::{Folder, escope, temp_dir};

/// What somebody may call a process.
const NAMES: [&str; 6] = [
    "shop",
    "end",
    "a;b#c:d --> \"e\" %%{init}%% \n Note over p0: x",
    "</title><script>alert(1)</script>",
    "\u{1b}[2J\u{202e}#quot;&amp;",
    "Zürich participant {} @ + - ;",
];
const ROUNDS: i64 = 30;
const ROUND_NS: i64 = 1_000_000;

/// A recording in which each process calls the next, round after round.
fn recording(folder: &Folder) -> String {
    let path = folder.path("pictures.escope");
    let mut manifest = Manifest::default();
    manifest.target.node = Some(NAMES[2].to_owned());
    let options = WriterOptions::default();
    let mut writer = Writer::create(Path::new(&path), manifest.clone(), options).unwrap();
    let procs = NAMES.len() as u32;
    for (number, name) in (0..).zip(NAMES) {
        writer.process(&ProcessInfo {
            proc: ProcId(number),
            pid: format!("<0.{}.0>", 100 + number),
            name: Some(name.to_owned()),
            label: None,
            initial_call: None,
            parent: None,
        });
    }
    let mut msg = 0;
    for round in 0..ROUNDS {
        let start_ns = round * ROUND_NS;
        let from = ProcId(round as u32 % procs);
        let to = ProcId((round as u32 + 1) % procs);
        writer.run(&Run {
            proc: from,
            scheduler: SchedulerId {
                kind: SchedulerKind::Normal,
                number: 1,
            },
            start_ns,
            end_ns: start_ns + ROUND_NS / 2,
            woken_by: None,
            reductions: Some(100),
            left_as: Some(LeftAs::Waiting),
            at: None,
            cut: None,
        });
        for (kind, from, to, at_ns) in [
            (MessageKind::Call, from, to, start_ns + 1000),
            (MessageKind::Reply, to, from, start_ns + 500_000),
        ] {
            writer.message(&Message {
                msg,
                from: Some(from),
                to,
                kind,
                tag: Some(NAMES[msg as usize % NAMES.len()].to_owned()),
                sent_ns: at_ns,
                received_ns: Some(at_ns + 300_000),
                fate: Fate::Received,
                size_words: None,
            });
            msg += 1;
        }
    }
    writer.life(&Life {
        ts_ns: 10_500_000,
        proc: ProcId(3),
        event: LifeEvent::Exit,
        other: None,
        name: None,
        reason: Some(NAMES[2].to_owned()),
    });
    writer.loss(&Loss {
        from_ns: 20_600_000,
        to_ns: 20_900_000,
        place: "event_ring_full".to_owned(),
        count: 17,
        meaning: NAMES[3].to_owned(),
        remedy: String::new(),
    });
    manifest.ended = Some(Ended {
        how: EndedHow::Duration,
        at_ns: ROUNDS * ROUND_NS,
        note: None,
    });
    writer.finish(&mut manifest).unwrap();
    path
}

/// All as `0`, `1`, ... are named: by pid.
fn everybody() -> String {
    let pids = (100..100 + NAMES.len()).map(|number| format!("<0.{number}.0>"));
    pids.collect::<Vec<_>>().join(",")
}

#[test]
fn a_chart_is_xml_and_has_every_run() {
    live!();
    let folder = temp_dir();
    let recording = recording(&folder);
    let path = folder.path("chart.svg");
    escope(&["timeline", &recording, "--svg", &path]).success();
    let script = "import sys, xml.etree.ElementTree as tree\n\
         root = tree.parse(sys.argv[1]).getroot()\n\
         assert root.tag == '{http://www.w3.org/2000/svg}svg', root.tag\n\
         kinds = {it.tag.split('}')[1] for it in root.iter()}\n\
         assert 'script' not in kinds, kinds\n\
         runs = [it for it in root.iter() if it.get('class') == 'bars runs']\n\
         print(sum(1 for group in runs for it in group if it.tag.endswith('rect')))\n\
         print(sum(1 for it in root.iter() if it.get('class') == 'gap'))\n";
    let told = run("python3", &["-c", script, &path], "");
    // Each run is on the scheduler's row and on its process's.
    assert_eq!(told, format!("{}\n1\n", 2 * ROUNDS));
}

#[test]
fn a_sequence_is_xml_and_mermaid() {
    live!();
    let folder = temp_dir();
    let recording = recording(&folder);
    let everybody = everybody();
    let sequence = ["timeline", &recording, "--sequence", &everybody];
    let path = folder.path("sequence.svg");
    escope(&[&sequence[..], &["-o", &path]].concat()).success();
    let script = "import sys, xml.etree.ElementTree as tree\n\
         root = tree.parse(sys.argv[1]).getroot()\n\
         assert not [it for it in root.iter() if it.tag.endswith('script')]\n\
         letters = [it for it in root.iter() if it.get('class') == 'letters']\n\
         print(sum(1 for it in letters[0] if it.tag.endswith('path')))\n";
    let told = run("python3", &["-c", script, &path], "");
    assert_eq!(told, format!("{}\n", 2 * ROUNDS));

    let text = escope(&sequence).success().stdout;
    let path = folder.path("sequence.mmd");
    escope(&[&sequence[..], &["-o", &path]].concat()).success();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let parsed: serde_json::Value = serde_json::from_str(&mermaid(&text)).unwrap();
    assert_eq!(parsed["messages"], 2 * ROUNDS, "{text}");
    assert_eq!(parsed["actors"].as_array().unwrap().len(), NAMES.len());
    assert_eq!(parsed["actors"][1], "end");
    let hostile = parsed["actors"][3].as_str().unwrap();
    assert!(
        hostile.contains("</title><script>alert(1)</script>"),
        "{hostile}"
    );
}

/// What Mermaid's own parser makes of a diagram.
fn mermaid(text: &str) -> String {
    let script = "const path = require('path');\n\
        const { JSDOM } = require('jsdom');\n\
        const { window } = new JSDOM('');\n\
        Object.assign(globalThis, { window, document: window.document });\n\
        const folder = path.dirname(path.dirname(require.resolve('mermaid/dist/mermaid.min.js')));\n\
        import(path.join(folder, 'dist/mermaid.esm.min.mjs')).then(async ({ default: mermaid }) => {\n\
        \x20 const text = require('fs').readFileSync(0, 'utf8');\n\
        \x20 await mermaid.parse(text);\n\
        \x20 const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);\n\
        \x20 const { LINETYPE } = db;\n\
        \x20 const notes = [LINETYPE.NOTE, LINETYPE.ACTIVE_START, LINETYPE.ACTIVE_END];\n\
        \x20 const messages = db.getMessages().filter((it) => !notes.includes(it.type)).length;\n\
        \x20 // How Mermaid keeps codes until it has drawn: encodeEntities and decodeEntities.\n\
        \x20 const plain = (text) => text.replace(/\\ufb02\\u00b0\\u00b0(\\d+)\\u00b6\\u00df/g,\n\
        \x20   (_, code) => String.fromCodePoint(code));\n\
        \x20 const actors = [...db.getActors().values()].map((it) => plain(it.description));\n\
        \x20 console.log(JSON.stringify({ messages, actors }));\n\
        }).catch((error) => { console.error(error.message); process.exit(1); });\n";
    run("node", &["-e", script], text)
}

fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
