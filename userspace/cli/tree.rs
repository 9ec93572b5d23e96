//! `tree`: who supervises whom, from outside.

mod describe;
mod drawing;
mod json;
mod text;

use escope_session::{
    Memory, ProcessSnapshot, SessionError, TreeOptions, Trees, Vm, choose, is_stopped, open_core,
    read_trees,
};

use crate::args::TreeArgs;
use crate::failure::Failure;
use crate::output::{self, Content};
use crate::printable::one_line;
use crate::say::say;
use crate::snapshot::is_wanted;

/// Children that are read of all supervisors together.
const CHILDREN_MAX: usize = 1_000_000;

pub(crate) fn run(args: TreeArgs) -> anyhow::Result<()> {
    let given = args.target.layout.given();
    if let Some(path) = &args.core {
        let (_, vm) = open_core(path, args.exe.as_deref(), &given)?;
        return show(vm, &args);
    }
    let pid = choose(&args.target.choice())?;
    if is_stopped(pid) {
        say!("pid {pid} is stopped: `kill -CONT {pid}` lets it go on");
    }
    show(
        Vm::attach_with(pid, &given).map_err(SessionError::from)?,
        &args,
    )
}

/// Reads the trees of a VM, running or not, and shows them.
fn show<M: Memory>(mut vm: Vm<M>, args: &TreeArgs) -> anyhow::Result<()> {
    let options = TreeOptions {
        tries: args.tries,
        time: args.max_time,
        children: CHILDREN_MAX,
        all: args.all,
    };
    let asked_for = args.process.as_deref();
    let is = |process: &ProcessSnapshot| asked_for.is_some_and(|wanted| is_wanted(process, wanted));
    let wanted: Option<&dyn Fn(&ProcessSnapshot) -> bool> = match asked_for {
        Some(_) => Some(&is),
        None => None,
    };
    let trees = read_trees(&mut vm, wanted, &options)?;
    if let (Some(wanted), true) = (asked_for, trees.trees.is_empty()) {
        return Err(Failure::failed(format!(
            "none of {} processes in trees is {wanted}: give a registered name, a pid <0.N.S>, a \
             label, an initial call, or a module; `snapshot --process` finds those in no tree",
            trees.inside
        ))
        .into());
    }
    let title = one_line(vm.node.as_deref().unwrap_or("unnamed node")).into_owned();
    let head = Head {
        title,
        pid: vm.pid,
        otp_release: vm.otp_release.clone(),
    };
    if let Some(path) = &args.svg {
        let items = drawing::items(&trees);
        return output::picture(Some(path), |out| {
            let subtitle = head.subtitle(&trees);
            Ok(escope_export::supervision::write(
                &head.title,
                &subtitle,
                &items,
                out,
            )?)
        });
    }
    match args.json {
        true => output::json(&json::of(&head, &trees)),
        false => output::write_to(None, Content::Text, |out| {
            text::write(&head, &trees, args, out)
        }),
    }
}

/// Which VM.
struct Head {
    title: String,
    pid: u32,
    otp_release: String,
}

impl Head {
    fn subtitle(&self, trees: &Trees) -> String {
        let untold = match trees.untold {
            0 => String::new(),
            1 => "; of 1 supervisor the children are not told".to_owned(),
            many => format!("; of {many} supervisors the children are not told"),
        };
        let many = match trees.trees.len() {
            1 => "1 tree".to_owned(),
            many => format!("{many} trees"),
        };
        format!(
            "pid {}, OTP {}: {} processes, {} of them in trees; {many} shown{untold}",
            self.pid, self.otp_release, trees.processes, trees.inside
        )
    }
}
