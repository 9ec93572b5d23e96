//! Which samples count.
//!
//! Time and activity are decided for each sample as it passes. Questions that need
//! names (which process, which module) are put off until samples are summed by
//! stack and process, so that a name is looked at once, not once per sample.

use std::borrow::Cow;

use escope_model::{Activity, Dictionary, ProcId, Sample, StackId};
use rustc_hash::FxHashMap;

/// Which samples count. The default takes all that is work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Earliest time, nanoseconds since the recording's start.
    pub since_ns: Option<i64>,
    /// First time that is too late, nanoseconds since the recording's start.
    pub until_ns: Option<i64>,
    /// Exactly this registered name, label, pid `<0.N.S>`, initial call or group name.
    /// Several processes may match.
    pub process: Option<String>,
    /// Only stacks with a frame of this module; Elixir modules with or without `Elixir.`.
    pub module: Option<String>,
    /// Only these activities; empty for all.
    pub include: Vec<Activity>,
    /// Not these activities, whatever `include` says.
    pub exclude: Vec<Activity>,
    /// Whether idle and busy-waiting schedulers count. Naming either activity in
    /// `include` brings it in as well.
    pub include_idle: bool,
}

/// The part of a filter that is decided for each sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleFilter {
    since_ns: i64,
    until_ns: Option<i64>,
    activities: u32,
}

impl SampleFilter {
    pub(crate) fn new(filter: &Filter) -> SampleFilter {
        let mut activities = 0;
        for &activity in Activity::ALL {
            let named = filter.include.contains(&activity);
            let wanted = if filter.include.is_empty() {
                activity.is_work() || filter.include_idle
            } else {
                named
            };
            if wanted && !filter.exclude.contains(&activity) {
                activities |= bit(activity);
            }
        }
        SampleFilter {
            since_ns: filter.since_ns.unwrap_or(i64::MIN),
            until_ns: filter.until_ns,
            activities,
        }
    }

    pub(crate) fn accepts(&self, sample: &Sample) -> bool {
        sample.ts_ns >= self.since_ns
            && self.until_ns.is_none_or(|until| sample.ts_ns < until)
            && self.activities & bit(sample.activity) != 0
    }
}

fn bit(activity: Activity) -> u32 {
    1 << (activity as u32)
}

/// The part of a filter that needs names; answers are remembered by id.
pub(crate) struct NameFilter<'a> {
    dictionary: &'a Dictionary,
    process: Option<&'a str>,
    module: Option<[Cow<'a, str>; 2]>,
    processes: FxHashMap<ProcId, bool>,
    stacks: FxHashMap<StackId, bool>,
}

impl<'a> NameFilter<'a> {
    pub(crate) fn new(filter: &'a Filter, dictionary: &'a Dictionary) -> NameFilter<'a> {
        NameFilter {
            dictionary,
            process: filter.process.as_deref(),
            module: filter
                .module
                .as_deref()
                .map(|name| [name.into(), format!("Elixir.{name}").into()]),
            processes: FxHashMap::default(),
            stacks: FxHashMap::default(),
        }
    }

    pub(crate) fn accepts(&mut self, proc: Option<ProcId>, stack: StackId) -> bool {
        self.process_matches(proc) && self.module_matches(stack)
    }

    fn process_matches(&mut self, proc: Option<ProcId>) -> bool {
        let Some(wanted) = self.process else {
            return true;
        };
        let Some(proc) = proc else {
            return false;
        };
        let dictionary = self.dictionary;
        *self.processes.entry(proc).or_insert_with(|| {
            dictionary
                .process(proc)
                .is_some_and(|process| process.is_called(wanted))
        })
    }

    fn module_matches(&mut self, stack: StackId) -> bool {
        let Some(wanted) = &self.module else {
            return true;
        };
        let dictionary = self.dictionary;
        *self.stacks.entry(stack).or_insert_with(|| {
            dictionary
                .stack(stack)
                .iter()
                .filter_map(|&id| dictionary.frame(id)?.module.as_deref())
                .any(|module| wanted.iter().any(|w| w == module))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, SampleFilter};
    use crate::kit;
    use escope_model::{Activity, Mfa};

    fn passes(filter: &Filter, ts_ns: i64, activity: Activity) -> bool {
        let mut sample = kit::sample(0, 1);
        sample.ts_ns = ts_ns;
        sample.activity = activity;
        SampleFilter::new(filter).accepts(&sample)
    }

    #[test]
    fn time_is_half_open() {
        let filter = Filter {
            since_ns: Some(10),
            until_ns: Some(20),
            ..Filter::default()
        };
        let taken: Vec<i64> = (8..22)
            .filter(|&ts| passes(&filter, ts, Activity::Jit))
            .collect();
        assert_eq!(taken, (10..20).collect::<Vec<_>>());
        assert!(passes(&Filter::default(), i64::MAX, Activity::Jit));
    }

    #[test]
    fn idle_counts_only_when_asked_for() {
        let mut filter = Filter::default();
        assert!(!passes(&filter, 0, Activity::BusyWait));
        filter.include_idle = true;
        assert!(passes(&filter, 0, Activity::BusyWait));
        filter.exclude = vec![Activity::BusyWait];
        assert!(!passes(&filter, 0, Activity::BusyWait));
        let named = Filter {
            include: vec![Activity::Idle],
            ..Filter::default()
        };
        assert!(passes(&named, 0, Activity::Idle));
        assert!(!passes(&named, 0, Activity::Jit));
    }

    #[test]
    fn a_process_answers_to_each_of_its_names() {
        let mut process = kit::process(3, None);
        process.initial_call = Some(Mfa {
            module: "Elixir.MyApp.Worker".into(),
            function: "init".into(),
            arity: 1,
        });
        process.name = Some("Elixir.MyApp.Queue".into());
        for name in [
            "<0.103.0>",
            "MyApp.Worker.init/1",
            "Elixir.MyApp.Queue",
            "MyApp.Queue",
        ] {
            assert!(process.is_called(name), "{name}");
        }
        assert!(!process.is_called("MyApp"));
    }
}
