//! The functions that are watched: where each is now, and where its breakpoints are.

use escope_beam::{Entry, NoEntry, Vm};
use escope_capture::{Breakpoint, WatchCapture};
use escope_model::Mfa;

use super::code::Change;
use crate::SessionError;
use crate::cost::monotonic_ns;

/// One function.
struct Target {
    mfa: Mfa,
    /// Where it is; `None` while it is nowhere.
    entry: Option<Entry>,
    moved: u32,
}

/// What a change of code has meant for a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    Moved { loaded_ns: u64 },
    Gone { at_ns: u64, why: String },
}

pub(super) struct Targets {
    all: Vec<Target>,
    threads: usize,
}

impl Targets {
    pub(super) fn find(vm: &Vm, functions: &[Mfa]) -> Result<Targets, NoEntry> {
        let find = |mfa: &Mfa| {
            Ok(Target {
                mfa: mfa.clone(),
                entry: Some(vm.entry(mfa)?),
                moved: 0,
            })
        };
        Ok(Targets {
            all: functions.iter().map(find).collect::<Result<_, _>>()?,
            threads: 0,
        })
    }

    /// Threads that have breakpoints.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Places those breakpoints that are missing.
    pub(super) fn arm(
        &mut self,
        capture: &mut WatchCapture,
        threads: &[u32],
    ) -> Result<(), SessionError> {
        for (number, target) in self.all.iter().enumerate() {
            place(capture, threads, number, target)?;
        }
        self.threads = self.threads.max(threads.len());
        Ok(())
    }

    /// Moves breakpoints after code that has changed; what that has meant for which function.
    pub(super) fn follow(
        &mut self,
        vm: &Vm,
        capture: &mut WatchCapture,
        threads: &[u32],
        change: &Change,
    ) -> Result<Vec<(usize, Followed)>, SessionError> {
        let mut followed = Vec::new();
        for (number, target) in self.all.iter_mut().enumerate() {
            let Some(next) = target.next(vm, change) else {
                continue;
            };
            capture.disarm(number)?;
            let (at_ns, found) = next;
            target.moved = target.moved.wrapping_add(1);
            match found {
                Ok(entry) => {
                    target.entry = Some(entry);
                    place(capture, threads, number, target)?;
                    followed.push((number, Followed::Moved { loaded_ns: at_ns }));
                }
                Err(why) => {
                    target.entry = None;
                    followed.push((number, Followed::Gone { at_ns, why }));
                }
            }
        }
        Ok(followed)
    }
}

/// What a function has to follow: since when, and where it is now or why it is nowhere.
type Next = (u64, Result<Entry, String>);

impl Target {
    fn next(&self, vm: &Vm, change: &Change) -> Option<Next> {
        match change {
            Change::Loaded {
                at_ns,
                start,
                bytes,
                module,
            } => {
                if let Some(module) = module
                    && *module.name == *self.mfa.module
                {
                    let found = vm.entry_in(module, &self.mfa);
                    return Some((*at_ns, found.map_err(|why| why.to_string())));
                }
                let end = start.saturating_add(u64::from(*bytes));
                let lies_there = self.entry.as_ref().is_some_and(|entry| {
                    entry.base < end && *start < entry.base.saturating_add(u64::from(entry.bytes))
                });
                // What could not be read in time may be the module's.
                match module {
                    None => self.look(vm, *at_ns),
                    Some(_) if lies_there => Some((*at_ns, Err(GONE.to_owned()))),
                    Some(_) => None,
                }
            }
            Change::Unloaded { at_ns, start } => {
                let entry = self.entry.as_ref()?;
                // New code whose `on_load` fails goes again, and what was there before runs on.
                (entry.base == *start).then(|| match vm.entry(&self.mfa) {
                    Ok(now) if now != *entry => (*at_ns, Ok(now)),
                    _ => (*at_ns, Err(GONE.to_owned())),
                })
            }
            Change::Unseen { since_ns } => self.look(vm, *since_ns),
        }
    }

    /// Looks where it is now; `None` where it was before.
    fn look(&self, vm: &Vm, since_ns: u64) -> Option<Next> {
        let found = vm.entry(&self.mfa);
        match (found, &self.entry) {
            (Ok(now), Some(before)) if now == *before => None,
            (Ok(now), _) => Some((since_ns, Ok(now))),
            (Err(_), None) => None,
            (Err(why), Some(_)) => Some((monotonic_ns(), Err(why.to_string()))),
        }
    }
}

const GONE: &str = "its code was unloaded";

fn place(
    capture: &mut WatchCapture,
    threads: &[u32],
    number: usize,
    target: &Target,
) -> Result<(), SessionError> {
    if let Some(entry) = &target.entry {
        let breakpoint = Breakpoint {
            function: number,
            arity: target.mfa.arity.min(255) as u8,
            address: entry.address,
            moved: target.moved,
        };
        capture.arm(threads, breakpoint)?;
    }
    Ok(())
}
