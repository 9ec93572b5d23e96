//! `doctor`: what will work here, what not, and what helps.

use std::fs;
use std::io::Write;
use std::path::Path;

use escope_session::{
    Beam, CaptureError, EventSupport, Given, Vm, event_support, find_beams, is_stopped,
    online_cpus, probe_breakpoints, probe_kernel,
};

use crate::args::DoctorArgs;
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::message;
use crate::time;

/// One thing that was looked at.
struct Finding {
    good: bool,
    what: String,
}

impl Finding {
    fn good(what: impl Into<String>) -> Finding {
        Finding {
            good: true,
            what: what.into(),
        }
    }

    fn bad(what: impl Into<String>) -> Finding {
        Finding {
            good: false,
            what: what.into(),
        }
    }
}

pub(crate) fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let host = host();
    let beams = beams(args.pid, &args.layout.given());
    let problems = host
        .iter()
        .chain(&beams)
        .filter(|finding| !finding.good)
        .count();
    output::write_to(None, Content::Text, |out| {
        writeln!(out, "host")?;
        print(out, &host)?;
        writeln!(out, "BEAMs")?;
        print(out, &beams)
    })?;
    match problems {
        0 => Ok(()),
        _ => Err(Failure::failed(format!(
            "{problems} of these will not work; each line says what helps"
        ))
        .into()),
    }
}

fn print(out: &mut dyn Write, findings: &[Finding]) -> anyhow::Result<()> {
    for finding in findings {
        let mark = if finding.good { "ok " } else { "NO " };
        writeln!(out, "  {mark} {}", message(&finding.what))?;
    }
    Ok(())
}

fn host() -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let mut findings = vec![Finding::good(format!(
        "kernel {}, {}",
        read("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".into()),
        match online_cpus() {
            Ok(cpus) => format!("{} CPUs", cpus.len()),
            Err(error) => error.to_string(),
        }
    ))];
    findings.push(if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Finding::good("kernel type information (BTF)")
    } else {
        Finding::bad(CaptureError::NoBtf.to_string())
    });
    findings.push(match probe_kernel() {
        Ok(kernel) => Finding::good(format!("BPF programs load; samples by {}", kernel.clock)),
        Err(error) => Finding::bad(format!("samples and events: {error}")),
    });
    findings.push(match probe_breakpoints() {
        Ok(price) => Finding::good(format!(
            "breakpoints for `watch`: a hit costs {}",
            time::show(price.hit_ns)
        )),
        Err(error) => Finding::bad(format!("breakpoints for `watch`: {error}")),
    });
    if read("/proc/kallsyms").is_ok_and(|text| {
        text.lines()
            .next()
            .is_some_and(|line| line.starts_with("0000000000000000 "))
    }) {
        findings.push(Finding::bad(
            "kernel functions will have no names: run with sudo, or give CAP_SYSLOG and set \
             `sysctl kernel.kptr_restrict=1`",
        ));
    }
    findings
}

fn beams(only: Option<u32>, given: &Given) -> Vec<Finding> {
    let pids: Vec<u32> = match only {
        Some(pid) => vec![pid],
        None => find_beams().iter().map(|beam: &Beam| beam.pid).collect(),
    };
    if pids.is_empty() {
        return vec![Finding::good("none runs, or none that this user may see")];
    }
    pids.into_iter().flat_map(|pid| beam(pid, given)).collect()
}

fn beam(pid: u32, given: &Given) -> Vec<Finding> {
    let vm = match Vm::attach_with(pid, given) {
        Ok(vm) => vm,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let mut findings = vec![Finding::good(format!(
        "{pid}: {}, OTP {}, ERTS {}, {}, {}",
        vm.node.as_deref().unwrap_or("no node name"),
        vm.otp_release,
        vm.erts_version,
        if vm.frame_pointers {
            "JIT with frame pointers"
        } else {
            "JIT"
        },
        vm.exe.display(),
    ))];
    if is_stopped(pid) {
        findings.push(Finding::good(format!(
            "     it is stopped and uses no CPU before `kill -CONT {pid}`; snapshot reads it"
        )));
    }
    let notes = vm.certainty.notes.iter();
    findings.extend(notes.map(|note| Finding::good(format!("     {note}"))));
    findings.extend(names(&vm));
    findings.extend(events(&vm));
    findings
}

/// Which events can be watched, and what that costs.
fn events(vm: &Vm) -> Vec<Finding> {
    match event_support(vm) {
        Ok(support) => seen(&support),
        Err(error) => vec![Finding::bad(format!("     events: {error}"))],
    }
}

fn seen(support: &EventSupport) -> Vec<Finding> {
    let (whole, lacking): (Vec<_>, Vec<_>) =
        (support.kinds.iter()).partition(|of| of.missing.is_empty());
    let whole: Vec<&str> = whole.iter().map(|of| of.kind).collect();
    let mut findings = Vec::new();
    if let (false, Some((least_ns, most_ns))) = (whole.is_empty(), support.hit_ns) {
        findings.push(Finding::good(format!(
            "     events: {}; each costs {} to {}",
            whole.join(", "),
            time::show(least_ns as u64),
            time::show(most_ns as u64),
        )));
    }
    let instead = match &whole[..] {
        [] => "record without --events".to_owned(),
        whole => format!("record with --events {}", whole.join(",")),
    };
    findings.extend(lacking.into_iter().map(|of| {
        if of.is_of_release {
            return Finding::good(format!(
                "     events: {} not of this release: {}",
                of.kind,
                of.missing.join("; ")
            ));
        }
        let how_much = match of.places {
            0 => "cannot be recorded",
            _ => "can be recorded in part",
        };
        Finding::bad(format!(
            "     events: {} {how_much}: {}; {instead}, or run an emulator of a known release that \
             is not stripped",
            of.kind,
            of.missing.join("; ")
        ))
    }));
    findings.push(match &support.switch_ns {
        Ok(price_ns) => Finding::good(format!(
            "     events: when schedulers have no CPU, with sched; each switch costs {}",
            time::show(*price_ns as u64)
        )),
        Err(why) => Finding::bad(format!(
            "     events: when schedulers have no CPU cannot be recorded: {why}; runs are told \
             without it"
        )),
    });
    findings
}

/// Where names of Erlang code come from, and whether the sources agree.
fn names(vm: &Vm) -> Vec<Finding> {
    let (functions, files) = match vm.compare_names() {
        Ok(compared) => compared,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let list = Finding::good(format!("     names: JIT list, {functions} functions"));
    let files = files.into_iter().map(|file| {
        let (kind, path) = (file.kind.as_str(), file.path.display());
        let compared = match file.compared {
            Ok(compared) => compared,
            // The list is there: a file that is no help does no harm.
            Err(why) => return Finding::good(format!("     names: {kind} {path} left out: {why}")),
        };
        let mut text = format!(
            "     names: {kind} agrees on {} of {functions}",
            compared.agree
        );
        if let Some(example) = &compared.example {
            text += &format!("; not on {example}");
        }
        if compared.nonsense > 0 {
            text += &format!("; {} entries make no sense", compared.nonsense);
        }
        if compared.cut {
            text += "; it is too large to be read whole";
        }
        Finding {
            good: compared.differ == 0 || compared.cut,
            what: text,
        }
    });
    std::iter::once(list).chain(files).collect()
}

#[cfg(test)]
mod tests {
    use escope_session::{EventSupport, KindSupport};

    use super::seen;

    fn kind(kind: &'static str, places: usize, missing: &[&str]) -> KindSupport {
        KindSupport {
            kind,
            places,
            missing: missing.iter().map(|&why| why.to_owned()).collect(),
            is_of_release: false,
        }
    }

    /// The lines, with what is said of each in front.
    fn told(
        kinds: Vec<KindSupport>,
        hit_ns: Option<(f64, f64)>,
        switch_ns: Result<f64, String>,
    ) -> Vec<(bool, String)> {
        let support = EventSupport {
            kinds,
            hit_ns,
            switch_ns,
        };
        let findings = seen(&support).into_iter();
        findings
            .map(|finding| (finding.good, finding.what.trim().to_owned()))
            .collect()
    }

    #[test]
    fn what_can_be_seen_has_a_price() {
        let kinds = vec![kind("sched", 5, &[]), kind("msg", 2, &[])];
        let told = told(kinds, Some((1200.0, 3400.0)), Ok(150.0));
        let expected = [
            "events: sched, msg; each costs 1.2 µs to 3.4 µs",
            "events: when schedulers have no CPU, with sched; each switch costs 150 ns",
        ];
        let expected = expected.map(|line| (true, line.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn where_nothing_can_be_seen_nothing_is_good_and_nothing_has_a_price() {
        let kinds = vec![
            kind("sched", 0, &["no symbol a"]),
            kind("msg", 0, &["no symbol b"]),
        ];
        let told = told(kinds, None, Err("no tracepoint".to_owned()));
        assert!(told.iter().all(|(good, _)| !good), "{told:?}");
        let [sched, msg, switches] = &told[..] else {
            panic!("{told:?}");
        };
        for (line, parts) in [
            (
                sched,
                [
                    "sched cannot be recorded",
                    "no symbol a",
                    "without --events",
                ],
            ),
            (
                msg,
                ["msg cannot be recorded", "no symbol b", "not stripped"],
            ),
            (switches, ["no CPU", "no tracepoint", "runs are told"]),
        ] {
            assert!(parts.iter().all(|part| line.1.contains(part)), "{line:?}");
        }
    }

    #[test]
    fn what_lacks_a_probe_is_no_good() {
        let kinds = vec![kind("sched", 5, &[]), kind("port", 9, &["no symbol c"])];
        let told = told(kinds, Some((1200.0, 3400.0)), Ok(150.0));
        assert_eq!(told[0].1, "events: sched; each costs 1.2 µs to 3.4 µs");
        let (good, line) = &told[1];
        assert!(!good && line.contains("port can be recorded in part: no symbol c"));
        assert!(line.contains("--events sched,"), "{line}");
    }
}
