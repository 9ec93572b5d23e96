//! What each thread of the VM is for, by the name that the VM gave it.
//!
//! Names are set in `erts/emulator/beam/erl_process.c`, `erl_async.c`, `erl_check_io.c` and
//! `sys/unix/sys.c`; the kernel cuts them to 15 bytes. OTP 25 has `1_scheduler`, OTP 26 and
//! later `erts_sched_1`.

use std::fs;

use escope_model::{SchedulerId, SchedulerKind, ThreadInfo, ThreadKind};

use super::proc_path;

/// The threads of a process; those that end meanwhile are left out.
#[must_use]
pub fn read_threads(pid: u32) -> Vec<ThreadInfo> {
    let Ok(entries) = fs::read_dir(proc_path(pid, "task")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let tid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let comm = fs::read(entry.path().join("comm")).ok()?;
            let name = String::from_utf8_lossy(&comm).trim_end().to_owned();
            let (kind, scheduler) = classify(&name, tid == pid);
            Some(ThreadInfo {
                tid,
                name,
                kind,
                scheduler,
            })
        })
        .collect()
}

fn classify(name: &str, first: bool) -> (ThreadKind, Option<SchedulerId>) {
    if let Some(scheduler) = scheduler(name) {
        return (ThreadKind::Scheduler, Some(scheduler));
    }
    // `1_aux`, `async_1`, `0_poller`, `erts_aux_1`, `erts_poll_0`, `erts_async_1`.
    let bare = name.strip_prefix("erts_").unwrap_or(name);
    let has = |word: &str| {
        bare.split('_')
            .any(|part| part == word || (part.len() > 3 && word.starts_with(part)))
    };
    let kind = match bare {
        _ if has("aux") => ThreadKind::Aux,
        _ if has("async") => ThreadKind::Async,
        _ if has("poller") || has("poll") => ThreadKind::Poll,
        "sys_sig_dispatc" | "ssig_disp" => ThreadKind::Signal,
        "sys_msg_dispatc" | "smsg_disp" => ThreadKind::Message,
        _ if bare.contains("sig") && bare.contains("dis") => ThreadKind::Signal,
        _ if bare.contains("msg") && bare.contains("dis") => ThreadKind::Message,
        _ if first => ThreadKind::Main,
        _ => ThreadKind::Other,
    };
    (kind, None)
}

fn scheduler(name: &str) -> Option<SchedulerId> {
    let (kind, number) = if let Some(rest) = name.strip_prefix("erts_") {
        let (kind, number) = rest.split_once('_')?;
        (kind, number)
    } else {
        let (number, kind) = name.split_once('_')?;
        (kind, number)
    };
    let kind = match kind {
        "sched" | "scheduler" => SchedulerKind::Normal,
        "dcpus" => SchedulerKind::DirtyCpu,
        "dios" => SchedulerKind::DirtyIo,
        _ if kind.starts_with("dirty_c") => SchedulerKind::DirtyCpu,
        _ if kind.starts_with("dirty_i") => SchedulerKind::DirtyIo,
        // A three-digit number leaves less room: `100_scheduler`, `1000_schedule`.
        _ if kind.len() >= 8 && "scheduler".starts_with(kind) => SchedulerKind::Normal,
        _ => return None,
    };
    Some(SchedulerId {
        kind,
        number: number.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use escope_model::ThreadKind;

    use super::classify;

    #[test]
    fn names_of_both_generations_are_known() {
        let scheduler = |name| classify(name, false).1.map(|id| id.to_string());
        assert_eq!(scheduler("2_scheduler").as_deref(), Some("scheduler_2"));
        assert_eq!(
            scheduler("1000_schedule").as_deref(),
            Some("scheduler_1000")
        );
        assert_eq!(scheduler("10_dirty_io_sch").as_deref(), Some("dirty_io_10"));
        assert_eq!(scheduler("1_dirty_cpu_sch").as_deref(), Some("dirty_cpu_1"));
        assert_eq!(scheduler("erts_dcpus_3").as_deref(), Some("dirty_cpu_3"));
        assert_eq!(scheduler("erts_sched_12").as_deref(), Some("scheduler_12"));
        assert_eq!(classify("1_aux", false).0, ThreadKind::Aux);
        assert_eq!(classify("erts_aux_1", false).0, ThreadKind::Aux);
        assert_eq!(classify("async_1", false).0, ThreadKind::Async);
        assert_eq!(classify("0_poller", false).0, ThreadKind::Poll);
        assert_eq!(classify("erts_poll_0", false).0, ThreadKind::Poll);
        assert_eq!(classify("sys_sig_dispatc", false).0, ThreadKind::Signal);
        assert_eq!(classify("erts_ssig_disp", false).0, ThreadKind::Signal);
        assert_eq!(classify("erts_smsg_disp", false).0, ThreadKind::Message);
        assert_eq!(classify("beam.smp", true).0, ThreadKind::Main);
        assert_eq!(classify("my_nif_thread", false).0, ThreadKind::Other);
    }
}
