//! The VM's own answer is the oracle: what it makes of a term that was read from its memory and
//! written elsewhere is that term again. `ESCOPE_TERMS=10000` compares more of them.

use std::fs;
use std::path::Path;

use escope_beam::Vm;
use escope_beam::snapshot::{HeldOptions, Place, called, held};
use escope_beam::term::{Limits, Node, Term, TermReader};

use crate::support::{Facts, Workload, number, otp, unhex};

/// Random terms of each keeper and round.
const TERMS: u64 = 40;
/// Keepers of `rebuilt.erl`.
const KEEPERS: u64 = 5;
/// The largest term has a megabyte, or is a list of thousands.
const LIMITS: Limits = Limits {
    depth: usize::MAX,
    nodes: 2_000_000,
    bytes: 64 << 20,
};
/// How often one that ran meanwhile is read again.
const ATTEMPTS: usize = 20;

/// Kinds of answers.
const EXTERNAL: u8 = 0;
const ERLANG: u8 = 1;
const ELIXIR: u8 = 2;
/// A longer text is expected by nobody.
const TEXT_MAX: usize = 1 << 20;

#[test]
fn terms_that_are_written_elsewhere_are_the_same() {
    live!();
    let wanted = number("ESCOPE_TERMS", 600) as i64;
    let seed = number("ESCOPE_SEED", 1).to_string();
    let settings = [("TERMS", &*TERMS.to_string()), ("SEED", &*seed)];
    let mut vm = Workload::start("rebuilt", &[], &settings);
    let folder = otp::outside(vm.ready().text("folder"));
    let keepers: Vec<String> = vm
        .ready()
        .text("keepers")
        .split(',')
        .map(str::to_owned)
        .collect();
    assert_eq!(keepers.len() as u64, KEEPERS);
    vm.go();
    let target = Vm::attach(vm.pid()).unwrap();
    let (mut terms, mut texts, mut elixir, mut wrong) = (0, 0, 0, Vec::new());
    while terms < wanted {
        answer(&target, &keepers, &folder);
        let told = vm.count();
        terms += told.number("terms");
        texts += told.number("texts");
        elixir += told.number("elixir");
        if told.number("wrong") > 0 {
            wrong.push(complaint(&told));
        }
    }
    vm.stop();
    assert!(vm.quit().success());
    println!("{terms} terms, {texts} of them as text, {elixir} as Elixir's");
    assert!(wrong.is_empty(), "of {terms} terms: {wrong:#?}");
    assert!(terms >= wanted, "{terms} terms");
}

fn complaint(told: &Facts) -> String {
    format!(
        "{} wrong: {}",
        told.text("wrong"),
        unhex(told.text("first"))
    )
}

/// Reads what all keepers hold and writes their files.
fn answer(vm: &Vm, keepers: &[String], folder: &Path) {
    let node = TermReader::new(vm).this_node().unwrap();
    let called = called(vm).unwrap();
    for keeper in keepers {
        let named = |name: Option<&str>| name == Some(keeper);
        let (_, address, _) = called
            .iter()
            .find(|(_, _, process)| named(process.name.as_deref()))
            .unwrap_or_else(|| panic!("no {keeper}"));
        let pieces = pieces(vm, *address, &node);
        fs::write(folder.join(keeper), pieces).unwrap();
    }
}

/// All terms of a keeper as it expects them.
fn pieces(vm: &Vm, address: u64, node: &Node) -> Vec<u8> {
    for _ in 0..ATTEMPTS {
        let mut found = Vec::new();
        let options = HeldOptions {
            messages: usize::MAX,
            limits: LIMITS,
        };
        let mut take = |place, term| found.push((place, term));
        let held = held(vm, address, options, &mut take).unwrap();
        assert!(!held.cut && !held.sensitive);
        if held.consistent {
            let mut out = Vec::new();
            for (place, term) in found {
                if let Some((index, term)) = kept(place, term.unwrap()) {
                    write(&mut out, index, &term, node);
                }
            }
            return out;
        }
    }
    panic!("it ran all the time");
}

/// A term and its index; `None` for what a keeper has for itself.
fn kept(place: Place, term: Term) -> Option<(u32, Term)> {
    let (key, term) = match place {
        Place::Dictionary(Term::Tuple(key)) => (key.items, term),
        Place::Message(_) => {
            let Term::Tuple(mut message) = term else {
                return None;
            };
            let term = message.items.pop()?;
            (message.items, term)
        }
        Place::Dictionary(_) => return None,
    };
    match &key[..] {
        [Term::Atom(tag), Term::Integer(index)] if &**tag == "kept" => {
            Some((u32::try_from(*index).unwrap(), term))
        }
        _ => None,
    }
}

fn write(out: &mut Vec<u8>, index: u32, term: &Term, node: &Node) {
    let mut piece = |kind: u8, bytes: &[u8]| {
        out.extend(index.to_be_bytes());
        out.push(kind);
        out.extend((bytes.len() as u32).to_be_bytes());
        out.extend(bytes);
    };
    // One that is not whole has no answer, which the keeper tells.
    match term.to_external(Some(node)) {
        Ok(bytes) => piece(EXTERNAL, &bytes),
        Err(error) => eprintln!("{index}: {error}: {}", term.text(200)),
    }
    piece(ERLANG, term.source(TEXT_MAX).as_bytes());
    piece(ELIXIR, term.elixir(TEXT_MAX).as_bytes());
}
