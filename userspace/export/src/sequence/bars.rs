//! When a participant ran, as bars on its line.

use escope_model::LeftAs;

use super::scale::Scale;
use crate::colours::Class;
use crate::gantt::Gap;

/// Runs nearer to each other than that are one bar.
const APART_PX: f64 = 1.0;

/// One or more runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) class: Class,
    pub(super) runs: u64,
    pub(super) running_ns: u64,
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

/// The bars of one line, which do not overlap.
#[derive(Debug, Default)]
pub(super) struct Bars(Vec<Bar>);

impl Bars {
    pub(super) fn run(
        &mut self,
        (start_ns, end_ns): (i64, i64),
        left_as: Option<LeftAs>,
        scale: &Scale,
        gaps: &[Gap],
    ) {
        let Some((first_ns, last_ns)) = scale.span() else {
            return;
        };
        if end_ns < first_ns || start_ns > last_ns {
            return;
        }
        let (from_ns, mut to_ns) = (start_ns.max(first_ns), end_ns.min(last_ns));
        let next = gaps.partition_point(|gap| gap.to_ns <= from_ns);
        if let Some(gap) = gaps.get(next) {
            if gap.from_ns <= from_ns {
                return;
            }
            to_ns = to_ns.min(gap.from_ns);
        }
        let (top, bottom) = (scale.y(from_ns), scale.y(to_ns));
        let running_ns = to_ns.abs_diff(from_ns);
        let class = left_as.map_or(Class::Unseen, Class::Left);
        match self.0.last_mut() {
            Some(last)
                if top < last.bottom + APART_PX && !is_between(gaps, last.to_ns, from_ns) =>
            {
                last.bottom = last.bottom.max(bottom);
                last.runs += 1;
                last.running_ns += running_ns;
                last.to_ns = last.to_ns.max(to_ns);
            }
            _ => self.0.push(Bar {
                top,
                bottom,
                class,
                runs: 1,
                running_ns,
                from_ns,
                to_ns,
            }),
        }
    }

    pub(super) fn all(&self) -> &[Bar] {
        &self.0
    }
}

fn is_between(gaps: &[Gap], from_ns: i64, to_ns: i64) -> bool {
    let next = gaps.partition_point(|gap| gap.to_ns <= from_ns);
    gaps.get(next).is_some_and(|gap| gap.from_ns < to_ns)
}
