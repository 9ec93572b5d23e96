//! What a recording has of events that are no process's own: one line each, and where more is.

use escope_model::{ModuleAction, PortAction};
use escope_timeline::report::EventReport;
use serde_json::{Map, Value};

/// How often each happened, in the order of the actions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    modules: [u64; ModuleAction::ALL.len()],
    ports: [u64; PortAction::ALL.len()],
}

impl Others {
    pub(super) fn of(report: &EventReport) -> Others {
        let (modules, ports) = (&report.modules.all, &report.ports.all);
        Others {
            modules: [modules.loads, modules.purges],
            ports: [
                ports.opened,
                ports.closed,
                ports.out.times,
                ports.into.times,
            ],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Others::default()
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let [loads, purges] = self.modules;
        if loads + purges > 0 {
            lines.push(format!(
                "modules: {loads} loads, {purges} purges; `report` tells of which"
            ));
        }
        let [opened, closed, outputs, inputs] = self.ports;
        if opened + closed + outputs + inputs > 0 {
            lines.push(format!(
                "ports: {opened} opened, {closed} closed, {outputs} outputs, {inputs} inputs; \
                 `report` tells of which"
            ));
        }
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> [(&'static str, Value); 2] {
        let modules = ModuleAction::ALL.iter().map(|it| it.as_str());
        let ports = PortAction::ALL.iter().map(|it| it.as_str());
        let object = |pairs: &mut dyn Iterator<Item = (&str, u64)>| {
            let pairs = pairs.map(|(word, count)| (word.to_owned(), count.into()));
            Value::Object(pairs.collect::<Map<String, Value>>())
        };
        [
            ("modules", object(&mut modules.zip(self.modules))),
            ("ports", object(&mut ports.zip(self.ports))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::Others;

    #[test]
    fn what_did_not_happen_is_not_said() {
        assert!(Others::default().is_empty() && Others::default().lines().is_empty());
        let others = Others {
            modules: [2, 1],
            ports: [0, 0, 5, 0],
        };
        let lines = others.lines();
        assert!(lines[0].starts_with("modules: 2 loads, 1 purges;"));
        assert!(lines[1].starts_with("ports: 0 opened, 0 closed, 5 outputs, 0 inputs;"));
        let [modules, ports] = others.json();
        assert_eq!(modules.1["purge"], 1);
        assert_eq!(ports.1["output"], 5);
    }
}
