//! What a recording says of itself.

use std::fs;

use escope_beam::Vm;
use escope_model::SchedulerKind;
use escope_recording::{Clocks, Host, Layout, Manifest, Options, Target};

use crate::options::RecordOptions;

pub(crate) fn manifest(vm: &Vm, options: &RecordOptions, clocks: Clocks) -> Manifest {
    Manifest {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: Target {
            pid: vm.pid,
            node: vm.node.clone(),
            exe: vm.exe.display().to_string(),
            build_id: vm.build_id.clone(),
            otp_release: Some(vm.otp_release.clone()),
            erts_version: Some(vm.erts_version.clone()),
            arch: vm.layout.arch.clone(),
            schedulers: normal_schedulers(vm),
            command_line: None,
        },
        host: host(),
        clocks,
        options: Options {
            frequency_hz: options.frequency_hz,
            stack_cap_bytes: options.erlang_stack_bytes,
            duration_ns: options.duration.map(|time| time.as_nanos() as i64),
            ..Options::default()
        },
        layout: Layout {
            source: vm.certainty.source.clone(),
            certainty: vm.certainty.level.to_owned(),
            notes: vm.certainty.notes.clone(),
        },
        ..Manifest::default()
    }
}

fn normal_schedulers(vm: &Vm) -> Option<u16> {
    let all = vm.schedulers().ok()?;
    let normal = all
        .iter()
        .filter(|scheduler| scheduler.id.kind == SchedulerKind::Normal);
    u16::try_from(normal.count()).ok()
}

fn host() -> Host {
    let read = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    Host {
        kernel: read("/proc/sys/kernel/osrelease"),
        hostname: read("/proc/sys/kernel/hostname"),
        cpus: escope_capture::online_cpus().map_or(0, |cpus| cpus.len() as u32),
    }
}
