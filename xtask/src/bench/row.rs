//! A question and its answer in figures.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::Estimate;
use super::verdict::{Calm, Target, Verdict};

/// What a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// A ratio near 1, told as how much more it is, in percent.
    More,
    /// A ratio.
    Times,
    /// A share, told in percent.
    Share,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Bytes,
    Mebibytes,
    PerSecond,
}

impl Unit {
    /// A figure as people read it.
    pub(super) fn show(self, figure: f64) -> String {
        match self {
            Unit::More => format!("{:+.2} %", 100.0 * (figure - 1.0)),
            Unit::Times => format!("{}x", digits(figure)),
            Unit::Share => format!("{} %", digits(100.0 * figure)),
            Unit::Nanoseconds => format!("{} ns", digits(figure)),
            Unit::Microseconds => format!("{} µs", digits(figure)),
            Unit::Milliseconds => format!("{} ms", digits(figure)),
            Unit::Seconds => format!("{} s", digits(figure)),
            Unit::Bytes => format!("{} bytes", digits(figure)),
            Unit::Mebibytes => format!("{} MiB", digits(figure)),
            Unit::PerSecond => format!("{}/s", digits(figure)),
        }
    }
}

/// Three digits that count.
fn digits(figure: f64) -> String {
    let size = figure.abs();
    let places = match size {
        _ if size == 0.0 || size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.places$}")
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// A word for it, unique.
    pub(super) name: String,
    pub(super) question: String,
    pub(super) unit: Unit,
    pub(super) figure: Estimate,
    pub(super) target: Target,
    pub(super) verdict: Verdict,
    /// The same of somebody else, and who that is.
    pub(super) peers: Vec<(String, Estimate)>,
    /// What else there is to say.
    pub(super) notes: Vec<String>,
    /// How calm the machine was.
    pub(super) calm: Option<Calm>,
    /// All that was measured.
    #[serde(default)]
    pub(super) raw: Value,
}

impl Row {
    /// A figure and where it must land.
    pub(super) fn new(
        name: impl Into<String>,
        question: impl Into<String>,
        (figure, unit): (Estimate, Unit),
        target: Target,
    ) -> Row {
        Row {
            name: name.into(),
            question: question.into(),
            unit,
            figure,
            target,
            verdict: Verdict::of(figure, target, None),
            peers: Vec::new(),
            notes: Vec::new(),
            calm: None,
            raw: Value::Null,
        }
    }

    /// The same for a figure that is no ratio of windows: only who else used the machine counts.
    pub(super) fn beyond_ratios(self, calm: Calm) -> Row {
        self.on(Calm {
            quiet: None,
            ..calm
        })
    }

    /// Judges it by how calm the machine was.
    pub(super) fn on(mut self, calm: Calm) -> Row {
        self.verdict = Verdict::of(self.figure, self.target, Some(&calm));
        self.calm = Some(calm);
        self
    }

    /// Beside somebody else.
    pub(super) fn beside(mut self, who: impl Into<String>, figure: Estimate) -> Row {
        self.peers.push((who.into(), figure));
        self
    }

    /// In another unit, of which the figure already is.
    pub(super) fn told_in(mut self, unit: Unit) -> Row {
        self.unit = unit;
        self
    }

    /// With a remark.
    pub(super) fn noting(mut self, note: impl Into<String>) -> Row {
        self.notes.push(note.into());
        self
    }

    /// With what it was made of.
    pub(super) fn from(mut self, raw: Value) -> Row {
        self.raw = raw;
        self
    }

    /// The figure with its interval.
    pub(super) fn shown(&self) -> String {
        self.with_interval(self.figure)
    }

    /// Somebody else's likewise.
    pub(super) fn with_interval(&self, figure: Estimate) -> String {
        let median = self.unit.show(figure.median);
        if !figure.is_interval() {
            return median;
        }
        let (low, high) = (self.unit.show(figure.low), self.unit.show(figure.high));
        format!("{median} ({low} to {high})")
    }

    /// What it must be.
    pub(super) fn wanted(&self) -> String {
        match self.target {
            Target::AtMost(limit) => format!("at most {}", self.unit.show(limit)),
            Target::AtLeast(limit) => format!("at least {}", self.unit.show(limit)),
            Target::None => String::new(),
        }
    }

    /// For the terminal.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{}: {}", self.name, self.shown());
        let wanted = self.wanted();
        if !wanted.is_empty() {
            line += &format!("; {wanted}: {}", self.verdict.words());
        }
        for (who, figure) in &self.peers {
            line += &format!("\n    {who}: {}", self.with_interval(*figure));
        }
        for note in &self.notes {
            line += &format!("\n    {note}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Unit};
    use crate::bench::statistics::Estimate;
    use crate::bench::verdict::Target;

    #[test]
    fn figures_are_read_by_people() {
        assert_eq!(Unit::More.show(1.0042), "+0.42 %");
        assert_eq!(Unit::Times.show(21.34), "21.3x");
        assert_eq!(Unit::Share.show(0.0123), "1.23 %");
        assert_eq!(Unit::Nanoseconds.show(0.0), "0 ns");
        assert_eq!(Unit::PerSecond.show(1_234_567.8), "1234568/s");
    }

    #[test]
    fn a_row_says_who_else_and_what_was_wanted() {
        let figure = Estimate {
            count: 10,
            median: 1.3,
            low: 1.2,
            high: 1.34,
            spread: 0.1,
        };
        let row = Row::new("price", "?", (figure, Unit::Times), Target::AtMost(1.35))
            .beside("erlang:trace", Estimate::once(3.0))
            .noting("nothing was lost");
        assert_eq!(
            row.line(),
            "price: 1.30x (1.20x to 1.34x); at most 1.35x: reached\n    erlang:trace: 3.00x\n    nothing was lost"
        );
    }
}
