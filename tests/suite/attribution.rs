//! On a mixed load almost every sample has a process, a whole stack, and hangs below the
//! Erlang function that caused it.

use std::collections::BTreeMap;
use std::path::Path;

use escope_model::{Activity, Dictionary, FrameKind, Sample, Truncation};
use escope_recording::Recording;

use crate::support::{Workload, recorded, temp_dir};

#[test]
fn a_mixed_load_is_attributed() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("mixed", &[], &[]);
    vm.go();
    let path = recorded(&vm, 15, 999, &folder);
    vm.stop();
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let totals = &recording.manifest().totals;
    let counter = |name: &str| totals.counters.get(name).copied().unwrap_or(0);
    assert_eq!(totals.attempts, totals.recorded + totals.lost);
    assert_eq!(totals.samples, totals.recorded);
    assert!(totals.samples > 5000, "only {} samples", totals.samples);

    // A process, or by evidence none: a scheduler that rests or does the emulator's own work.
    let explained = counter("with_process") + counter("without_process");
    assert_share("with a process", explained, counter("on_scheduler"));
    // Stacks that a collection was moving are counted apart.
    let outside_gc = totals.erlang_stacks - counter("erlang_in_gc");
    assert_share("whole stacks", totals.complete_stacks, outside_gc);

    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    let mut families = BTreeMap::new();
    let (mut native, mut below) = (0, 0);
    for sample in recording.samples().unwrap() {
        let sample = sample.unwrap();
        if let Some(family) = family(&sample, &dictionary) {
            let of = families.entry(family.clone()).or_insert((0, 0));
            of.0 += 1;
            of.1 += u32::from(runs(&sample, &dictionary, &family));
        }
        if sample.truncated == Some(Truncation::Gc) {
            assert_eq!(
                sample.activity,
                Activity::Gc,
                "cut by a collection: {sample:?}"
            );
        }
        if matches!(
            sample.activity,
            Activity::Bif | Activity::Nif | Activity::Dirty
        ) {
            native += 1;
            below += u64::from(hangs_below_erlang(&sample, &dictionary));
        }
    }
    assert!(native > 500, "only {native} samples in BIFs and NIFs");
    assert_share("BIFs and NIFs below their caller", below, native);
    for expected in [
        "bif_ets",
        "bif_terms",
        "bif_regex",
        "gc_churn",
        "deep_recursion",
    ] {
        assert!(families.contains_key(expected), "{expected} was never seen");
    }
    for (family, (samples, own)) in families {
        // A scheduled-out process is still on the scheduler for some instructions.
        assert!(
            f64::from(own) >= 0.97 * f64::from(samples),
            "of {samples} samples of mixed_{family} only {own} run mixed:{family}"
        );
    }
}

fn assert_share(what: &str, part: u64, whole: u64) {
    assert!(whole > 0, "{what}: nothing was seen");
    let share = part as f64 / whole as f64;
    assert!(share >= 0.99, "{what}: {part} of {whole}");
}

/// F if the sample is on the process `mixed_F`.
fn family(sample: &Sample, dictionary: &Dictionary) -> Option<String> {
    let name = dictionary.process(sample.proc?)?.name.as_deref()?;
    Some(name.strip_prefix("mixed_")?.to_owned())
}

/// Whether the stack has the family's function, or cannot be expected to.
fn runs(sample: &Sample, dictionary: &Dictionary, family: &str) -> bool {
    sample.truncated.is_some()
        || sample.activity == Activity::Gc
        || frames(sample, dictionary).any(|(kind, module, function)| {
            kind == FrameKind::Erlang
                && (module == "mixed" && function.contains(family) || module == "workload")
        })
}

/// Whether an Erlang function comes below every BIF and NIF of the stack.
fn hangs_below_erlang(sample: &Sample, dictionary: &Dictionary) -> bool {
    if sample.truncated.is_some() {
        return true;
    }
    let kinds: Vec<FrameKind> = frames(sample, dictionary).map(|(kind, ..)| kind).collect();
    let called = |kind: &FrameKind| matches!(kind, FrameKind::Bif | FrameKind::Nif);
    match kinds.iter().rposition(called) {
        Some(at) => kinds[at..].contains(&FrameKind::Erlang),
        None => false,
    }
}

fn frames<'a>(
    sample: &Sample,
    dictionary: &'a Dictionary,
) -> impl Iterator<Item = (FrameKind, &'a str, &'a str)> {
    dictionary.stack(sample.stack).iter().map(|&id| {
        let frame = dictionary.frame(id).unwrap();
        let module = frame.module.as_deref().unwrap_or("");
        (frame.kind, module, &*frame.function)
    })
}
