//! A sample is put on the process that ran: `id_K` runs `id_code:run_K/1` and no other.

use std::collections::BTreeSet;
use std::path::Path;

use escope_model::{Activity, Dictionary, Sample};
use escope_recording::Recording;

use crate::support::{Workload, recorded, temp_dir};

#[test]
fn every_stack_is_on_its_own_process() {
    live!();
    let folder = temp_dir();
    let mut vm = Workload::start("identity", &[], &[("PROCESSES", "200")]);
    vm.go();
    let path = recorded(&vm, 10, 999, &folder);
    vm.stop();
    assert!(vm.quit().success());

    let recording = Recording::open(Path::new(&path)).unwrap();
    let (dictionary, problems) = recording.dictionary().unwrap();
    assert_eq!(problems, []);
    let (mut right, mut bare) = (0, 0);
    let (mut wrong, mut doubled) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for sample in recording.samples().unwrap() {
        let sample = sample.unwrap();
        let process = numbered_process(&sample, &dictionary);
        let runs = runs(&sample, &dictionary);
        match (process, runs.as_slice()) {
            (Some(k), [run]) if *run == k => {
                right += 1;
                seen.insert(k);
            }
            (None, []) => {}
            // A stack that is cut short may lack the function, but hold no other.
            (Some(_), []) => {
                let is_whole = sample.truncated.is_none() && sample.activity == Activity::Jit;
                bare += u32::from(is_whole);
            }
            (Some(k), runs) if runs.iter().all(|run| *run == k) => {
                doubled.push((sample.activity, names(&sample, &dictionary)));
            }
            _ => wrong.push(format!("process {process:?} has {runs:?}: {sample:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        wrong.first()
    );
    assert!(
        doubled.is_empty(),
        "{} stacks hold it more than once: {:#?}",
        doubled.len(),
        doubled.first()
    );
    assert!(right > 1000, "only {right} samples");
    assert!(seen.len() > 150, "only {} processes", seen.len());
    assert!(
        bare * 100 < right,
        "{bare} whole stacks lack it, {right} have it"
    );
}

/// K if the sample is on the process `id_K`.
fn numbered_process(sample: &Sample, dictionary: &Dictionary) -> Option<u32> {
    let process = dictionary.process(sample.proc?).unwrap();
    process.name.as_deref()?.strip_prefix("id_")?.parse().ok()
}

/// The K of every frame `id_code:run_K/1`.
fn runs(sample: &Sample, dictionary: &Dictionary) -> Vec<u32> {
    let stack = dictionary.stack(sample.stack).iter();
    stack
        .map(|&id| dictionary.frame(id).unwrap())
        .filter(|frame| frame.module.as_deref() == Some("id_code") && frame.arity == Some(1))
        .filter_map(|frame| frame.function.strip_prefix("run_")?.parse().ok())
        .collect()
}

/// The stack as people read it, leaf first.
fn names(sample: &Sample, dictionary: &Dictionary) -> Vec<String> {
    let stack = dictionary.stack(sample.stack).iter();
    stack
        .map(|&id| dictionary.frame(id).unwrap().name())
        .collect()
}
