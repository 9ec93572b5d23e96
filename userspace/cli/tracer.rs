//! The attached tracer, as the commands that have it use it.

use std::fs;
use std::time::Duration;

use escope_attached::{
    Attached, AttachedError, ConnectOptions, Cookie, Target, Tls, TlsFiles, epmd_port_of,
};
use escope_session::{Vm, find_beams};

use crate::args::TracerArgs;
use crate::failure::Failure;
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
    let tls = tls(args)?;
    let is_it = |beam: &escope_session::Beam| beam.pid == vm.pid;
    let inner = find_beams()
        .into_iter()
        .find(is_it)
        .and_then(|beam| beam.inner_pid);
    let options = ConnectOptions {
        patience: PATIENCE,
        os_pid: Some(inner.unwrap_or(vm.pid)),
        tls,
    };
    let attached = Attached::connect(&target, &cookie, &options)?;
    let over = if options.tls.is_some() {
        " over TLS"
    } else {
        ""
    };
    say!(
        "tracer: joined {} as the hidden node {}{over}; asked it for os:getpid/0",
        target.node,
        attached.own_name(),
    );
    Ok(attached)
}

/// How to speak TLS, if that was asked for.
fn tls(args: &TracerArgs) -> anyhow::Result<Option<Tls>> {
    let Some(authorities) = args.tls_cacert.clone() else {
        return Ok(None);
    };
    let files = TlsFiles {
        authorities,
        own: args.tls_cert.clone().zip(args.tls_key.clone()),
        name: args.tls_name.clone(),
    };
    let tls = Tls::load(&files)?;
    if let (true, Some((_, key))) = (tls.is_exposed, &files.own) {
        let key = key.display();
        say!("warning: others can read the private key in {key}: `chmod 600` keeps it from them");
    }
    Ok(Some(tls))
}

/// What goes wrong after the VM has let us in is a failure, and no refusal of the target.
pub(crate) fn later(error: AttachedError) -> anyhow::Error {
    match error {
        AttachedError::NotTraced(_) => error.into(),
        error => Failure::failed(error.to_string()).into(),
    }
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
