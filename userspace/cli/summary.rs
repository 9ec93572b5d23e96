//! What `record` says at the end.

use escope_session::{
    Checked, Copies, EndedHow, EventsSummary, SaidCounts, StateCounts, Statistics, Summary,
};

use crate::say::say;
use crate::time;

/// So much CPU time does not fall between the ticks. The accounts count in ticks of 10 ms.
const COMPARABLE_NS: u64 = 1_000_000_000;
/// So many ticks do not all miss a VM that runs for as long as they stand for.
const MANY_TICKS: u64 = 20;

/// To stderr: what was captured, lost and spent.
pub(crate) fn print(summary: &Summary) {
    let seconds = summary.duration.as_secs_f64().max(1e-9);
    let how = match summary.ended {
        EndedHow::Duration => "time is up",
        EndedHow::Interrupted => "interrupted",
        EndedHow::TargetExited => "the target ended",
        EndedHow::Failed => "failed",
        _ => "ended",
    };
    say!(
        "{how} after {seconds:.1} s: wrote {} ({})",
        summary.path.display(),
        bytes(summary.bytes)
    );
    let counters = &summary.counters;
    let (frames, stacks, processes) = summary.distinct;
    say!(
        "  captured  {} samples of {} attempts; {processes} processes, {stacks} stacks, {frames} \
         frames{}",
        counters.recorded,
        counters.attempts,
        summary.first_sample.map_or_else(String::new, |first| {
            format!(
                "; the first {} after the start",
                time::show(first.as_nanos() as u64)
            )
        }),
    );
    if let Some(events) = &summary.events {
        watched(events);
    }
    let read = &summary.checkpoints;
    if read.checkpoints > 0 {
        say!(
            "  read      {} processes in {} checkpoints, in {} of CPU time of the recorder",
            read.processes,
            read.checkpoints,
            time::show(read.cpu_ns)
        );
    }
    if counters.attempts > 0 {
        complete(&summary.statistics);
    }
    if summary.losses.is_empty() {
        say!("  lost      nothing");
    }
    for loss in &summary.losses {
        let (of_whole, what) = match loss.place.as_str() {
            "event_ring_full" | "event_gap" => (
                summary.events.as_ref().map_or(0, |events| events.attempts),
                "events",
            ),
            // Rows are no hits: of which whole they are a part is not counted.
            place if place.starts_with("unwritten_") => (0, ""),
            "code_ring_full" | "code_unseen" => (counters.code_attempts, "code registrations"),
            _ => (counters.attempts, "attempts"),
        };
        let share = match of_whole {
            0 => String::new(),
            _ => format!(" ({} of {what})", percent(loss.count, of_whole)),
        };
        say!(
            "  lost      {}{share} {}: {}; {}",
            loss.count,
            loss.place,
            loss.meaning,
            loss.remedy
        );
    }
    if let Some(checked) = &summary.checked {
        check(checked, counters.attempts);
    }
    say!(
        "  spent     {} CPU and at most {} of memory in the recorder ({:.2} % of one CPU); {} in \
         its kernel half",
        time::show(summary.cost.cpu_ns),
        bytes(summary.cost.peak_rss_bytes),
        summary.cost.cpu_ns as f64 / 1e7 / seconds,
        time::show(counters.busy_ns),
    );
    if let Some(note) = &summary.code_note {
        say!("  note      code loading was followed by polling: {note}");
    }
    if let Some(note) = &summary.note {
        say!("  note      {note}");
    }
}

/// Which events were seen, and what that cost the VM.
fn watched(events: &EventsSummary) {
    let windows = &events.windows;
    let mut left_out = String::new();
    for (many, whose) in [
        (events.filtered, "processes that were not asked for"),
        (
            events.had_run,
            "processes that had run before, which tell nothing new",
        ),
    ] {
        if many > 0 {
            left_out += &format!(", {many} of {whose}");
        }
    }
    say!(
        "  events    {} of {} hits recorded{left_out}",
        events.recorded,
        events.attempts
    );
    if events.native_calls > 0 {
        let unplaced = match events.native_unplaced {
            0 => String::new(),
            many => format!("; of {many} it is not known whose they are"),
        };
        say!(
            "  calls     {} of BIFs and NIFs{unplaced}",
            events.native_calls
        );
    }
    let share = |part: u64, whole: u64| match whole {
        0 => "none".to_owned(),
        _ => percent(part, whole),
    };
    let limit = match windows.share {
        Some(limit) => format!("{:.1} % were allowed", 100.0 * limit),
        None => "there was no limit".to_owned(),
    };
    say!(
        "  windows   {} of {} in all, with {} of what the VM did in reductions; outside of them \
         nothing was watched",
        windows.count,
        time::show(windows.open_ns),
        windows.all_reductions.map_or_else(
            || "an unknown share".to_owned(),
            |all| share(windows.reductions, all)
        ),
    );
    say!(
        "  cost      the VM paid about {} for its hits, {} of its CPU time; {limit}",
        time::show(windows.cost_ns),
        share(windows.cost_ns, windows.all_target_cpu_ns),
    );
    let said = &events.said;
    if *said != SaidCounts::default() {
        say!(
            "  payloads  of {} messages is told what they said, of {} not all of it; {} values were \
             masked; {} more were withheld as sensitive, {} could not be read, for {} there was no \
             room",
            said.told,
            said.cut,
            said.masked,
            said.withheld,
            said.unreadable,
            said.dropped,
        );
    }
    if events.out_of_order > 0 {
        say!(
            "  note      {} events came after later ones had been told: they are told in the order in \
             which they came",
            events.out_of_order
        );
    }
    if let Some(counts) = &events.states {
        states(counts, &events.nameless, &events.copies);
    }
    if events.wanted_full > 0 {
        say!(
            "  note      there was no room to remember {} processes that were asked for: their events \
             are not there; ask for fewer with --processes",
            events.wanted_full
        );
    }
    if events.keepers_killed > 0 {
        say!(
            "  note      the process that keeps the probes was killed by somebody {} times: no event \
             was lost by that",
            events.keepers_killed
        );
    }
    for why in &events.missing {
        say!("  note      events that could not be seen: {why}");
    }
}

/// What processes had, and what their copies cost.
fn states(counts: &StateCounts, nameless: &[String], copies: &[Copies]) {
    say!(
        "  states    of {} rests is told what the process had, {} times the same as before, of {} not \
         all of it, of {} by its memory later; {} values were masked; {} more were withheld as \
         sensitive, {} ran before they could be read, {} could not be read, for {} there was no room",
        counts.told,
        counts.unchanged,
        counts.cut,
        counts.live,
        counts.masked,
        counts.withheld,
        counts.ran,
        counts.unreadable,
        counts.dropped,
    );
    if counts.at_checkpoints > 0 {
        say!(
            "            of {} that rested unseen it was read at checkpoints",
            counts.at_checkpoints
        );
    }
    if counts.rests == 0 && counts.at_checkpoints == 0 {
        say!(
            "  note      nobody whom --state names came to rest while events were watched: \
             `escope-bpf snapshot` lists who is there"
        );
    }
    if let Some(note) = crate::state::nameless(nameless) {
        say!("  note      {note}");
    }
    let copies = copies.iter().map(|copies| {
        let room = bytes(copies.bytes.into());
        let price = time::show(copies.price_ns as u64);
        format!("{} of up to {room} at {price}", copies.count)
    });
    say!("  copies    {}", copies.collect::<Vec<_>>().join(", "));
}

/// How many of the stacks are whole.
fn complete(seen: &Statistics) {
    say!(
        "  complete  {} of Erlang stacks reach the first function of their process; {} of them are \
         longer than the copy limit and lack their middle; {} more were being moved by a garbage \
         collection",
        percent(
            seen.erlang_complete + seen.erlang_capped,
            seen.erlang_stacks.saturating_sub(seen.erlang_in_gc)
        ),
        seen.erlang_capped,
        seen.erlang_in_gc,
    );
    if seen.chained + seen.chain_broken > 0 {
        say!(
            "  checked   {} Erlang stacks have frame pointers; {} of them differ from what a scan \
             finds, and {} more broke off",
            seen.chained,
            seen.chain_differs,
            seen.chain_broken,
        );
    }
}

/// The samples beside the kernel's own accounts.
fn check(checked: &Checked, attempts: u64) {
    let (used_ns, sampled_ns) = (checked.target_cpu_ns, checked.sampled_cpu_ns);
    let share = match used_ns {
        0..COMPARABLE_NS => "too little to compare".to_owned(),
        _ => percent(sampled_ns, used_ns),
    };
    say!(
        "  checked   by the kernel's accounts the VM used {} of CPU; samples stand for {}, {share}",
        time::show(used_ns),
        time::show(sampled_ns),
    );
    let ticks = used_ns / checked.period_ns.max(1);
    if attempts == 0 && used_ns >= COMPARABLE_NS && ticks >= MANY_TICKS {
        say!(
            "  note      no tick found the VM although it ran: please report this with the output \
             of escope-bpf doctor"
        );
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    format!("{:.2} %", 100.0 * part as f64 / whole as f64)
}

/// `1.5 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", value / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.2} GiB", value / 1_073_741_824.0),
    }
}
