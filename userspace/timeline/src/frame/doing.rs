//! What a process does at an instant.

use escope_model::{
    CheckpointRow, CheckpointSeen, Cut, LeftAs, ProcessStatus, Run, SchedulerId, WokenBy,
};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// A scheduler runs it.
    Running {
        /// Since when, or since when that was seen.
        since_ns: i64,
        /// Which.
        scheduler: SchedulerId,
    },
    /// It is ready, and no scheduler runs it.
    Runnable {
        /// Since when.
        since_ns: i64,
    },
    /// It waits for a message or a timeout.
    Waiting {
        /// Since when.
        since_ns: i64,
    },
    /// It waits, or its time was up and it is ready: since when was not seen.
    Woken {
        /// Since when one of the two.
        since_ns: i64,
    },
    /// It is suspended.
    Suspended {
        /// Since when.
        since_ns: i64,
    },
    /// It waits for a dirty scheduler, or for a normal one on the way back.
    DirtyQueue {
        /// Since when.
        since_ns: i64,
    },
    /// It is on its way out.
    Exiting {
        /// Since when.
        since_ns: i64,
    },
    /// It does not run: that it did before was not seen, and it does later.
    Away {
        /// Then.
        until_ns: i64,
    },
    /// Nobody knows.
    Unknown(WhyUnknown),
}

/// Why it is not known what a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnknown {
    /// No runs were recorded.
    NotRecorded,
    /// It was not seen to run.
    NotSeen,
    /// Events are missing since it last ran.
    Gap,
    /// One end of a run beside the instant was not seen.
    Cut,
}

impl Doing {
    /// The word for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Doing::Running { .. } => "running",
            Doing::Runnable { .. } => "runnable",
            Doing::Waiting { .. } => "waiting",
            Doing::Woken { .. } => "waiting_or_runnable",
            Doing::Suspended { .. } => "suspended",
            Doing::DirtyQueue { .. } => "dirty_queue",
            Doing::Exiting { .. } => "exiting",
            Doing::Away { .. } => "not_running",
            Doing::Unknown(_) => "unknown",
        }
    }

    /// Since when, where that is known.
    #[must_use]
    pub fn since_ns(&self) -> Option<i64> {
        match *self {
            Doing::Running { since_ns, .. }
            | Doing::Runnable { since_ns }
            | Doing::Waiting { since_ns }
            | Doing::Woken { since_ns }
            | Doing::Suspended { since_ns }
            | Doing::DirtyQueue { since_ns }
            | Doing::Exiting { since_ns } => Some(since_ns),
            Doing::Away { .. } | Doing::Unknown(_) => None,
        }
    }
}

impl WhyUnknown {
    /// The word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WhyUnknown::NotRecorded => "runs_not_recorded",
            WhyUnknown::NotSeen => "not_seen_to_run",
            WhyUnknown::Gap => "events_missing_since",
            WhyUnknown::Cut => "end_not_seen",
        }
    }
}

/// What is known of a process's runs beside an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) at_ns: i64,
    /// Since when nothing is missing.
    pub(super) watched_since_ns: i64,
    pub(super) has_runs: bool,
    /// When it was spawned, if that was seen.
    pub(super) spawned_ns: Option<i64>,
    pub(super) last: Option<&'a Run>,
    pub(super) next: Option<&'a Run>,
    /// What it was like since then, if nothing has run it since.
    pub(super) checkpoint: Option<&'a CheckpointRow>,
    /// The first message since the end of the last run, or else since the checkpoint, until the instant.
    pub(super) woken_ns: Option<i64>,
}

impl Beside<'_> {
    /// What it does, and whether only a checkpoint tells that.
    pub(super) fn doing(&self) -> (Doing, bool) {
        if !self.has_runs {
            return (Doing::Unknown(WhyUnknown::NotRecorded), false);
        }
        let doing = match self.last {
            Some(last) if last.end_ns > self.at_ns => Doing::Running {
                since_ns: last.start_ns,
                scheduler: last.scheduler,
            },
            Some(last) if last.end_ns >= self.watched_since_ns => self.since(last),
            last => match self.rested() {
                Some(doing) => return (doing, true),
                None => self.without_runs(last.is_some()),
            },
        };
        (doing, false)
    }

    /// What a checkpoint tells of one that nothing has run since.
    fn rested(&self) -> Option<Doing> {
        let row = self.checkpoint.filter(|row| {
            row.seen == CheckpointSeen::Exact && row.from_ns >= self.watched_since_ns
        })?;
        let since_ns = row.from_ns;
        match (row.status, self.woken_ns) {
            _ if !self.is_next_whole() => None,
            (ProcessStatus::Waiting, _) if self.times_out() => Some(Doing::Woken { since_ns }),
            (ProcessStatus::Waiting, Some(since_ns)) => Some(Doing::Runnable { since_ns }),
            (ProcessStatus::Waiting, None) => Some(Doing::Waiting { since_ns }),
            (ProcessStatus::Runnable, _) => Some(Doing::Runnable { since_ns }),
            (ProcessStatus::Suspended, _) => Some(Doing::Suspended { since_ns }),
            _ => None,
        }
    }

    /// Whether the time of its `receive` is up when it next runs.
    fn times_out(&self) -> bool {
        self.next
            .is_some_and(|next| next.woken_by == Some(WokenBy::Timeout))
    }

    /// Nothing was seen to run it since events were missing, or at all.
    fn without_runs(&self, has_run: bool) -> Doing {
        let spawned_ns = self.spawned_ns;
        if let (Some(since_ns), false) = (spawned_ns, has_run)
            && since_ns >= self.watched_since_ns
            && self.is_next_whole()
        {
            return Doing::Runnable { since_ns };
        }
        match self.next {
            Some(next) if self.is_next_whole() => Doing::Away {
                until_ns: next.start_ns,
            },
            _ if has_run => Doing::Unknown(WhyUnknown::Gap),
            _ => Doing::Unknown(WhyUnknown::NotSeen),
        }
    }

    fn since(&self, last: &Run) -> Doing {
        let since_ns = last.end_ns;
        if matches!(last.cut, Some(Cut::End | Cut::Both)) || !self.is_next_whole() {
            return Doing::Unknown(WhyUnknown::Cut);
        }
        match (last.left_as, self.woken_ns) {
            (Some(LeftAs::Waiting), _) if self.times_out() => Doing::Woken { since_ns },
            (Some(LeftAs::Waiting), Some(since_ns)) => Doing::Runnable { since_ns },
            (Some(LeftAs::Waiting), None) => Doing::Waiting { since_ns },
            (Some(LeftAs::Runnable), _) => Doing::Runnable { since_ns },
            (Some(LeftAs::Suspended), _) => Doing::Suspended { since_ns },
            (Some(LeftAs::Dirty), _) => Doing::DirtyQueue { since_ns },
            (Some(LeftAs::Exiting), _) => Doing::Exiting { since_ns },
            (None, _) => Doing::Unknown(WhyUnknown::Cut),
        }
    }

    /// Whether the begin of its next run was seen, if there is one.
    fn is_next_whole(&self) -> bool {
        self.next
            .is_none_or(|next| !matches!(next.cut, Some(Cut::Start | Cut::Both)))
    }
}
