//! The attached tracer, as the commands that have it use it.

use std::fs;
use std::time::Duration;

use escope_attached::{Attached, ConnectOptions, Cookie, Target, epmd_port_of};
use escope_session::{Vm, find_beams};

use crate::args::TracerArgs;
use crate::say::say;

/// For each step of connecting, and for functions that do not wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Joins the VM, and says so.
pub(crate) fn attach(vm: &Vm, args: &TracerArgs) -> anyhow::Result<Attached> {
    let environments: Vec<Vec<u8>> = ["self", &vm.pid.to_string()]
        .iter()
        .filter_map(|process| fs::read(format!("/proc/{process}/environ")).ok())
        .collect();
    let epmd = epmd_port_of(&environments);
    let target = Target::new(vm.node.as_deref(), args.dist_address, epmd)?;
    let cookie = Cookie::find(args.cookie_file.as_deref())?;
    if cookie.is_exposed {
        let source = cookie.source();
        say!("warning: others can read the cookie in {source}: `chmod 600` keeps it from them");
    }
    let is_it = |beam: &escope_session::Beam| beam.pid == vm.pid;
    let inner = find_beams()
        .into_iter()
        .find(is_it)
        .and_then(|beam| beam.inner_pid);
    let options = ConnectOptions {
        patience: PATIENCE,
        os_pid: Some(inner.unwrap_or(vm.pid)),
    };
    let attached = Attached::connect(&target, &cookie, options)?;
    say!(
        "tracer: joined {} as the hidden node {}; asked it for os:getpid/0",
        target.node,
        attached.own_name(),
    );
    Ok(attached)
}

/// Number and serial of `<0.N.S>`.
pub(crate) fn numbers(pid: &str) -> Option<(u64, u64)> {
    let inner = pid.strip_prefix("<0.")?.strip_suffix('>')?;
    let (number, serial) = inner.split_once('.')?;
    Some((number.parse().ok()?, serial.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_pid_has_two_numbers() {
        assert_eq!(numbers("<0.80.3>"), Some((80, 3)));
        for text in ["<1.80.3>", "<0.80>", "80", "<0.x.1>"] {
            assert_eq!(numbers(text), None);
        }
    }
}
