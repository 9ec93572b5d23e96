//! Whose states are wanted.

use escope_beam::Vm;
use escope_beam::snapshot::{ProcessSnapshot, called, called_at};
use escope_model::Mfa;
use escope_wire::{EventConfig, WANTED_NAMES_MAX};

use crate::SessionError;
use crate::events::names::learn_records;
use crate::events::{Wanted, WantedProcess};

/// Who is meant, now and later.
#[derive(Debug)]
pub(in crate::events) struct Chosen {
    wanted: Wanted,
    /// Whether some are known only by what they were spawned for.
    by_calls: bool,
    /// Processes that have run for the first time since they were last looked at, by the addresses of
    /// their structs.
    born: Vec<u64>,
}

impl Chosen {
    /// Fills in which names the kernel half looks for. `is_module` says whether there is such a module:
    /// processes may be meant by that as well.
    ///
    /// # Errors
    /// When there are too many names, or a pid is not there.
    pub(in crate::events) fn resolve(
        wanted: &Wanted,
        vm: &Vm,
        is_module: &dyn Fn(&str) -> bool,
        config: &mut EventConfig,
    ) -> Result<(Chosen, Vec<(u64, u64)>), SessionError> {
        let names: Vec<&str> = (wanted.0.iter())
            .filter_map(|wanted| match wanted {
                WantedProcess::Name(name) => Some(name.as_str()),
                WantedProcess::Pid(_) | WantedProcess::Call(_) => None,
            })
            .collect();
        if names.len() > WANTED_NAMES_MAX {
            return Err(SessionError::TooManyStates {
                names: WANTED_NAMES_MAX,
            });
        }
        // One for which there is no atom yet is looked for when processes are born.
        let atoms = vm.atoms.find(&vm.memory, &names).unwrap_or_default();
        for (slot, atom) in config.state_name.iter_mut().zip(atoms.iter().flatten()) {
            *slot = *atom;
            config.state_names += 1;
        }
        let by_calls = wanted.0.iter().any(|wanted| match wanted {
            WantedProcess::Pid(_) => false,
            WantedProcess::Name(name) => is_module(name),
            WantedProcess::Call(_) => true,
        });
        let chosen = Chosen {
            wanted: wanted.clone(),
            by_calls: by_calls || atoms.iter().filter(|atom| atom.is_some()).count() < names.len(),
            born: Vec::new(),
        };
        let there = chosen.there(vm)?;
        let is_there = |text: &String| {
            let mut pids = there.iter().filter_map(|(pid, _)| vm.pids.print(*pid));
            pids.any(|pid| pid == *text)
        };
        let missing = wanted.0.iter().find_map(|wanted| match wanted {
            WantedProcess::Pid(text) if !is_there(text) => Some(text.clone()),
            _ => None,
        });
        match missing {
            Some(pid) => Err(SessionError::NoProcess { pid }),
            None => Ok((chosen, there)),
        }
    }

    /// Whether processes have to be looked at when they are born.
    pub(in crate::events) fn by_calls(&self) -> bool {
        self.by_calls
    }

    /// Those that are there now: pids, as terms, and addresses.
    ///
    /// # Errors
    /// When the process table cannot be read.
    pub(in crate::events) fn there(&self, vm: &Vm) -> Result<Vec<(u64, u64)>, SessionError> {
        let all = called(vm)?.into_iter();
        let those = all.filter(|(_, _, process)| self.means(process));
        let those = those.inspect(|(_, _, process)| learn_records(vm, process));
        Ok(those.map(|(pid, address, _)| (pid, address)).collect())
    }

    /// A process has run for the first time.
    pub(super) fn born(&mut self, address: u64) {
        if self.by_calls {
            self.born.push(address);
        }
    }

    /// Those of the newly born that are meant.
    pub(in crate::events) fn newly(&mut self, vm: &Vm) -> Vec<(u64, u64)> {
        if self.born.is_empty() {
            return Vec::new();
        }
        let found = called_at(vm, &self.born).into_iter();
        let found = found
            .filter(|(_, _, process)| self.means(process))
            .map(|(pid, address, _)| (pid, address))
            .collect();
        self.born.clear();
        found
    }

    pub(super) fn means(&self, process: &ProcessSnapshot) -> bool {
        let calls = || {
            [&process.initial_call, &process.spawned_as]
                .into_iter()
                .flatten()
        };
        self.wanted.0.iter().any(|wanted| match wanted {
            WantedProcess::Pid(text) => process.pid == *text,
            WantedProcess::Name(name) => {
                process.name.as_ref() == Some(name)
                    || process.label.as_ref() == Some(name)
                    || calls().any(|call: &Mfa| call.module == *name)
            }
            WantedProcess::Call(mfa) => calls().any(|call| call == mfa),
        })
    }
}
