//! What a recording has of events that are no process's own: one line each, and where more is.

use escope_model::{DistAction, ModuleAction, PortAction};
use escope_timeline::report::EventReport;
use serde_json::{Map, Value};

/// How often each happened, in the order of the actions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    modules: [u64; ModuleAction::ALL.len()],
    ports: [u64; PortAction::ALL.len()],
    dist: [u64; 3],
}

/// What is counted between nodes.
const DIST: [DistAction; 3] = [
    DistAction::Sent,
    DistAction::Received,
    DistAction::Suspended,
];

impl Others {
    pub(super) fn of(report: &EventReport) -> Others {
        let (modules, ports) = (&report.modules.all, &report.ports.all);
        let dist = &report.dist.all;
        Others {
            modules: [modules.loads, modules.purges],
            ports: [
                ports.opened,
                ports.closed,
                ports.out.times,
                ports.into.times,
            ],
            dist: [dist.sent.signals, dist.received.signals, dist.suspended],
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
        let [sent, received, suspended] = self.dist;
        if sent + received + suspended > 0 {
            lines.push(format!(
                "other nodes: {sent} signals sent, {received} received, {suspended} times a sender \
                 was suspended; `report` tells of which"
            ));
        }
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> [(&'static str, Value); 3] {
        let modules = ModuleAction::ALL.iter().map(|it| it.as_str());
        let ports = PortAction::ALL.iter().map(|it| it.as_str());
        let dist = DIST.iter().map(|it| it.as_str());
        let object = |pairs: &mut dyn Iterator<Item = (&str, u64)>| {
            let pairs = pairs.map(|(word, count)| (word.to_owned(), count.into()));
            Value::Object(pairs.collect::<Map<String, Value>>())
        };
        [
            ("modules", object(&mut modules.zip(self.modules))),
            ("ports", object(&mut ports.zip(self.ports))),
            ("dist", object(&mut dist.zip(self.dist))),
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
            dist: [3, 0, 0],
        };
        let lines = others.lines();
        assert!(lines[0].starts_with("modules: 2 loads, 1 purges;"));
        assert!(lines[1].starts_with("ports: 0 opened, 0 closed, 5 outputs, 0 inputs;"));
        assert!(lines[2].starts_with("other nodes: 3 signals sent, 0 received, 0 times"));
        let [modules, ports, dist] = others.json();
        assert_eq!(dist.1["sent"], 3);
        assert_eq!(modules.1["purge"], 1);
        assert_eq!(ports.1["output"], 5);
    }
}
