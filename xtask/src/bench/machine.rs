//! On what it was measured: figures of one machine say little of another.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine, as a reader of a table wants to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// `uname -r`.
    pub(super) kernel: String,
    pub(super) cpu: String,
    /// CPUs that are online.
    pub(super) cpus: u64,
    pub(super) memory_mib: u64,
    /// What it runs on, if it is a virtual one.
    pub(super) hypervisor: Option<String>,
    /// Whether the kernel can count cycles: else who samples uses a timer.
    pub(super) counts_cycles: bool,
    /// The OTP release of `erl`.
    pub(super) otp: String,
    /// Versions of programs that are compared with: their first lines.
    pub(super) programs: Vec<String>,
    /// UTC, to the minute.
    pub(super) date: String,
}

impl Machine {
    /// This one, now. What cannot be read is left empty.
    pub(super) fn here() -> Machine {
        let information = read("/proc/cpuinfo");
        let of_cpu = |key: &str| field(&information, key).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let memory_kib: u64 = first_word(&memory).parse().unwrap_or(0);
        let is_virtual = format!(" {} ", of_cpu("flags")).contains(" hypervisor ");
        Machine {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: of_cpu("model name"),
            cpus: (information.lines())
                .filter(|line| line.starts_with("processor"))
                .count() as u64,
            memory_mib: memory_kib / 1024,
            hypervisor: is_virtual.then(hypervisor),
            counts_cycles: Path::new("/sys/bus/event_source/devices/cpu").exists(),
            otp: said(
                "erl",
                &[
                    "-noinput",
                    "-eval",
                    "io:put_chars(erlang:system_info(otp_release)), halt().",
                ],
            ),
            programs: [("perf", "--version"), ("bpftrace", "--version")]
                .iter()
                .map(|(program, option)| said(program, &[option]))
                .filter(|line| !line.is_empty())
                .collect(),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        }
    }

    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let mut words = format!(
            "Linux {}, {}, {} CPUs, {:.1} GiB of memory, OTP {}",
            self.kernel,
            self.cpu,
            self.cpus,
            self.memory_mib as f64 / 1024.0,
            self.otp
        );
        words += &match &self.hypervisor {
            Some(hypervisor) => format!(", a virtual machine ({hypervisor})"),
            None => ", not virtual".to_owned(),
        };
        words += match self.counts_cycles {
            true => ", with a PMU",
            false => ", without a PMU",
        };
        for program in &self.programs {
            words += &format!(", {program}");
        }
        words
    }
}

fn hypervisor() -> String {
    let vendor = read("/sys/class/dmi/id/sys_vendor");
    let name = read("/sys/class/dmi/id/product_name");
    let both = format!("{} {}", vendor.trim(), name.trim());
    match both.trim() {
        "" => "unknown".to_owned(),
        known => known.to_owned(),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What stands behind the first `key :`.
fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// The first line that a program says; nothing if there is no such program.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Machine, field};

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: AMD: EPYC\n";
        assert_eq!(field(text, "model name").as_deref(), Some("AMD: EPYC"));
        assert_eq!(field(text, "flags"), None);
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let words = Machine {
            kernel: "6.1".to_owned(),
            cpus: 2,
            ..Machine::default()
        };
        assert!(words.words().starts_with("Linux 6.1"));
        assert!(words.words().ends_with("not virtual, without a PMU"));
    }
}
