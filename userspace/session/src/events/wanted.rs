//! Which processes somebody asked for.

use std::str::FromStr;

use escope_beam::Vm;
use escope_beam::snapshot::called;
use escope_model::Mfa;
use escope_wire::{EventConfig, WANTED_CALLS_MAX, WANTED_NAMES_MAX};

use super::names::learn_records;
use crate::SessionError;

/// One way to say which process, or which processes, are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedProcess {
    /// The one that has this pid now.
    Pid(String),
    /// Whoever has this name, now or later.
    Name(String),
    /// All that were spawned to call this, now or later. Those of `proc_lib` that are there
    /// already are also known by what they call in the end.
    Call(Mfa),
}

/// All that are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(pub Vec<WantedProcess>);

impl FromStr for WantedProcess {
    type Err = String;

    fn from_str(text: &str) -> Result<WantedProcess, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a pid, a name or mod:fun/arity".to_owned());
        }
        if text.starts_with('<') {
            return match text.ends_with('>') {
                true => Ok(WantedProcess::Pid(text.to_owned())),
                false => Err(format!("{text} is no pid: <0.123.0>")),
            };
        }
        Ok(match call(text) {
            Some(call) => WantedProcess::Call(call),
            None => WantedProcess::Name(elixir(text)),
        })
    }
}

/// `mod:fun/arity`, or `Mod.fun/arity` as Elixir has it.
fn call(text: &str) -> Option<Mfa> {
    let (function, arity) = text.rsplit_once('/')?;
    let (module, function) = match function.rsplit_once(':') {
        Some((module, function)) => (module.to_owned(), function),
        None => {
            let (module, function) = function.rsplit_once('.')?;
            (elixir(module), function)
        }
    };
    Some(Mfa {
        module,
        function: function.to_owned(),
        arity: arity.parse().ok()?,
    })
}

/// Elixir's names as the VM has them: `My.Server` is `'Elixir.My.Server'`.
fn elixir(name: &str) -> String {
    match name.starts_with(|first: char| first.is_ascii_uppercase()) && !name.starts_with("Elixir.")
    {
        true => format!("Elixir.{name}"),
        false => name.trim_matches('\'').to_owned(),
    }
}

impl Wanted {
    /// Fills in what the kernel half looks for, and finds those that are there: pids, as terms,
    /// and addresses. What nobody in the VM can be called yet is said in `missing`.
    ///
    /// # Errors
    /// When there are too many names or calls, when a pid is not there, or the process table
    /// cannot be read.
    pub(super) fn resolve(
        &self,
        vm: &Vm,
        config: &mut EventConfig,
        missing: &mut Vec<String>,
    ) -> Result<Vec<(u64, u64)>, SessionError> {
        config.filtered = 1;
        let (mut names, mut calls) = (Vec::new(), Vec::new());
        for wanted in &self.0 {
            match wanted {
                WantedProcess::Name(name) => names.push(name.as_str()),
                WantedProcess::Call(call) => calls.push(call),
                WantedProcess::Pid(_) => {}
            }
        }
        if names.len() > WANTED_NAMES_MAX || calls.len() > WANTED_CALLS_MAX {
            return Err(SessionError::TooManyWanted {
                names: WANTED_NAMES_MAX,
                calls: WANTED_CALLS_MAX,
            });
        }
        let atoms = |names: &[&str]| {
            let found = vm.atoms.find(&vm.memory, names).unwrap_or_default();
            names
                .iter()
                .enumerate()
                .map(|(at, _)| found.get(at).copied().flatten())
                .collect::<Vec<Option<u64>>>()
        };
        // What the VM has no atom for yet cannot be looked for in the kernel.
        for (name, atom) in names.iter().zip(atoms(&names)) {
            match (atom, config.name.get_mut(config.names as usize)) {
                (Some(atom), Some(slot)) => {
                    *slot = atom;
                    config.names += 1;
                }
                _ => missing.push(format!("nothing in the VM is called {name} yet")),
            }
        }
        for call in &calls {
            let words = atoms(&[&call.module, &call.function]);
            let at = 3 * config.calls as usize;
            match (&words[..], config.call.get_mut(at..at + 3)) {
                (&[Some(module), Some(function)], Some(slot)) => {
                    slot.copy_from_slice(&[module, function, u64::from(call.arity)]);
                    config.calls += 1;
                }
                _ => missing.push(format!("nothing in the VM is called {call} yet")),
            }
        }
        let found = self.there(vm)?;
        for wanted in &self.0 {
            if let WantedProcess::Pid(text) = wanted
                && !found
                    .iter()
                    .any(|&(pid, _)| vm.pids.print(pid).as_ref() == Some(text))
            {
                return Err(SessionError::NoProcess { pid: text.clone() });
            }
        }
        Ok(found)
    }

    /// Those that are there now: pids, as terms, and addresses.
    pub(super) fn there(&self, vm: &Vm) -> Result<Vec<(u64, u64)>, SessionError> {
        let all = called(vm)?;
        let mut found = Vec::new();
        for wanted in &self.0 {
            for (pid, address, process) in &all {
                let is_it = match wanted {
                    WantedProcess::Pid(text) => process.pid == *text,
                    WantedProcess::Name(name) => process.name.as_ref() == Some(name),
                    WantedProcess::Call(call) => process.initial_call.as_ref() == Some(call),
                };
                if is_it {
                    learn_records(vm, process);
                    found.push((*pid, *address));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use escope_model::Mfa;

    use super::WantedProcess;

    #[test]
    fn a_process_is_said_by_pid_name_or_call() {
        let parse = |text: &str| text.parse::<WantedProcess>();
        let pid = WantedProcess::Pid("<0.12.0>".to_owned());
        assert_eq!(parse(" <0.12.0>"), Ok(pid));
        let name = WantedProcess::Name("Elixir.My.Server".to_owned());
        assert_eq!(parse("Elixir.My.Server"), Ok(name));
        let name = WantedProcess::Name("Elixir.My.Server".to_owned());
        assert_eq!(parse("My.Server"), Ok(name));
        let call = WantedProcess::Call(Mfa {
            module: "Elixir.My.Worker".to_owned(),
            function: "init".to_owned(),
            arity: 1,
        });
        for text in ["Elixir.My.Worker:init/1", "My.Worker.init/1"] {
            assert_eq!(parse(text), Ok(call.clone()), "{text}");
        }
        assert!(matches!(parse("lists:map/2"), Ok(WantedProcess::Call(_))));
        assert!(parse("<0.12").is_err() && parse("").is_err());
    }
}
