//! `doctor`: what will work here, what not, and what helps.

use std::fs;
use std::io::Write;
use std::path::Path;

use escope_session::{
    Beam, CaptureError, Given, Vm, event_support, find_beams, is_stopped, online_cpus,
    probe_breakpoints, probe_kernel,
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
        Err(error) => Finding::bad(error.to_string()),
    });
    findings.push(match probe_breakpoints() {
        Ok(price) => Finding::good(format!(
            "breakpoints for `watch`: a hit costs {}",
            time::show(price.hit_ns)
        )),
        Err(error) => Finding::bad(error.to_string()),
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
    let support = match event_support(vm) {
        Ok(support) => support,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let whole = support.kinds.iter().filter(|of| of.missing.is_empty());
    let whole: Vec<&str> = whole.map(|of| of.kind).collect();
    let (least_ns, most_ns) = support.hit_ns;
    let mut findings = vec![Finding::good(format!(
        "     events: {}; each costs {} to {}",
        whole.join(", "),
        time::show(least_ns as u64),
        time::show(most_ns as u64),
    ))];
    // Known of some releases, and no fault of the host.
    let partly = support.kinds.iter().filter(|of| !of.missing.is_empty());
    findings.extend(partly.map(|of| {
        Finding::good(format!(
            "     events: {} not, or not all: {}",
            of.kind,
            of.missing.join("; ")
        ))
    }));
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
