//! What may be said of what must not be told.

use escope_session::{FieldRule, Memory, Redaction, Rules, Vm};

use crate::failure::Failure;
use crate::say::say;

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RedactArgs {
    /// Mask also values whose names match this regular expression, in any case of letters; may be given
    /// several times, as those that follow
    #[arg(long, value_name = "PATTERN")]
    pub(crate) redact: Vec<String>,
    /// Mask also atoms, strings and binaries that match this regular expression, whatever their names
    #[arg(long, value_name = "PATTERN")]
    pub(crate) redact_value: Vec<String>,
    /// Mask also this element of tuples with this name in front: state:3 is element(3, State), state/4:3 the
    /// same of tuples of four elements only
    #[arg(long, value_name = "RECORD[/SIZE]:N")]
    pub(crate) redact_field: Vec<FieldRule>,
    /// Tell only kind and size of what processes of this module have, say and are told, and of what its
    /// functions are given and return
    #[arg(long, value_name = "MODULE", value_parser = module)]
    pub(crate) redact_module: Vec<String>,
}

impl RedactArgs {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.redact.is_empty()
            && self.redact_value.is_empty()
            && self.redact_field.is_empty()
            && self.redact_module.is_empty()
    }

    pub(crate) fn redaction(&self) -> Result<Redaction, Failure> {
        let rules = Rules {
            names: self.redact.clone(),
            values: self.redact_value.clone(),
            fields: self.redact_field.clone(),
            modules: self.redact_module.clone(),
        };
        Redaction::of(&rules).map_err(|bad| {
            let option = match self.redact.iter().any(|pattern| bad.is_of(pattern)) {
                true => "--redact",
                false => "--redact-value",
            };
            Failure::usage(format!("{option}: {bad}"))
        })
    }
}

/// Says which modules are to be masked that a VM has not loaded: a name may be misspelt.
pub(crate) fn warn_of_absent<M: Memory>(vm: &Vm<M>) {
    let absent = vm.redaction.as_ref().map(|it| it.absent_modules(vm));
    for name in absent.and_then(Result::ok).unwrap_or_default() {
        say!(
            "warning: --redact-module {name}: no such module is loaded, and until one is nothing is masked by it"
        );
    }
}

/// Elixir's names as the VM has them: `My.Server` is `'Elixir.My.Server'`.
fn module(text: &str) -> Result<String, String> {
    let quoted = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    if let Some(name) = quoted.filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    match quoted.unwrap_or(text) {
        "" => Err("the name of a module".to_owned()),
        name if name.starts_with(|first: char| first.is_ascii_uppercase())
            && !name.starts_with("Elixir.") =>
        {
            Ok(format!("Elixir.{name}"))
        }
        name => Ok(name.to_owned()),
    }
}
