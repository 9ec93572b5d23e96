//! Which events the user wants.

use std::str::FromStr;

/// Kinds of events that can be chosen, and presets of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventSelection {
    /// Who runs where, from when until when.
    pub sched: bool,
    /// Messages from sending to receiving.
    pub msg: bool,
    /// Processes that come, go and get names.
    pub proc: bool,
    /// Garbage collections.
    pub gc: bool,
    /// Code that is loaded and purged.
    pub code: bool,
    /// Ports, and what they and processes give each other.
    pub port: bool,
    /// Signals to other nodes and from them.
    pub dist: bool,
}

impl EventSelection {
    /// What people may say, and what it stands for.
    pub const WORDS: &'static [(&'static str, EventSelection)] = {
        const NONE: EventSelection = EventSelection {
            sched: false,
            msg: false,
            proc: false,
            gc: false,
            code: false,
            port: false,
            dist: false,
        };
        &[
            ("none", NONE),
            (
                "sched",
                EventSelection {
                    sched: true,
                    ..NONE
                },
            ),
            ("msg", EventSelection { msg: true, ..NONE }),
            ("proc", EventSelection { proc: true, ..NONE }),
            ("gc", EventSelection { gc: true, ..NONE }),
            ("code", EventSelection { code: true, ..NONE }),
            ("port", EventSelection { port: true, ..NONE }),
            ("dist", EventSelection { dist: true, ..NONE }),
            (
                "light",
                EventSelection {
                    proc: true,
                    gc: true,
                    ..NONE
                },
            ),
            (
                "messages",
                EventSelection {
                    msg: true,
                    proc: true,
                    ..NONE
                },
            ),
            (
                "full",
                EventSelection {
                    sched: true,
                    msg: true,
                    proc: true,
                    gc: true,
                    code: true,
                    port: true,
                    dist: true,
                },
            ),
        ]
    };

    /// Whether there is anything to see.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == EventSelection::default()
    }

    /// What either has.
    #[must_use]
    pub fn and(self, other: EventSelection) -> EventSelection {
        EventSelection {
            sched: self.sched || other.sched,
            msg: self.msg || other.msg,
            proc: self.proc || other.proc,
            gc: self.gc || other.gc,
            code: self.code || other.code,
            port: self.port || other.port,
            dist: self.dist || other.dist,
        }
    }
}

impl FromStr for EventSelection {
    type Err = String;

    /// Words with commas between them.
    fn from_str(text: &str) -> Result<EventSelection, String> {
        let mut all = EventSelection::default();
        for word in text.split(',') {
            let known = Self::WORDS.iter().find(|(known, _)| *known == word.trim());
            let (_, these) = known.ok_or_else(|| {
                let known: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
                format!("there are no events {word:?}: {}", known.join(", "))
            })?;
            all = all.and(*these);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::EventSelection;

    #[test]
    fn words_add_up() {
        let parse = |text: &str| text.parse::<EventSelection>();
        assert_eq!(parse("sched,msg,proc,gc,code,port,dist"), parse("full"));
        assert_eq!(parse("light, msg"), parse("messages,gc"));
        assert!(parse("none").is_ok_and(EventSelection::is_empty));
        assert!(parse("sched,everything").is_err_and(|what| what.contains("full")));
    }
}
