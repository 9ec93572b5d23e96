//! Which BEAM the user means.

use escope_beam::{Beam, Vm, find_beams};

use crate::SessionError;

/// How the user named the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetChoice {
    /// By the pid of its OS process.
    Pid(u32),
    /// By its node name, with or without the host.
    Node(String),
    /// By the pid that it has in its own PID namespace, as `ps` in its container shows it.
    Inner(u32),
    /// The only one there is.
    Only,
}

/// Finds the target's pid.
///
/// # Errors
/// When none or several fit.
pub fn choose(choice: &TargetChoice) -> Result<u32, SessionError> {
    match choice {
        TargetChoice::Pid(pid) => Ok(*pid),
        TargetChoice::Only => match find_beams().as_slice() {
            [] => Err(SessionError::NoBeam),
            [beam] => Ok(beam.pid),
            beams => Err(SessionError::SeveralBeams(list(beams))),
        },
        TargetChoice::Inner(inner) => {
            let beams = find_beams();
            let fits = |beam: &&Beam| beam.inner_pid == Some(*inner);
            let fits: Vec<Beam> = beams.iter().filter(fits).cloned().collect();
            match fits.as_slice() {
                [] => Err(SessionError::NoSuchInner {
                    inner: *inner,
                    found: found(&beams),
                }),
                [beam] => Ok(beam.pid),
                _ => Err(SessionError::SeveralBeams(list(&fits))),
            }
        }
        TargetChoice::Node(name) => {
            let beams = find_beams();
            let fits: Vec<&Beam> = beams.iter().filter(|beam| has_name(beam, name)).collect();
            match fits.as_slice() {
                [] => Err(SessionError::NoSuchNode {
                    name: name.clone(),
                    found: found(&beams),
                }),
                [beam] => Ok(beam.pid),
                _ => {
                    let several: Vec<Beam> = fits.into_iter().cloned().collect();
                    Err(SessionError::SeveralBeams(list(&several)))
                }
            }
        }
    }
}

/// The VM's own answer, which has the host; else the command line's.
fn has_name(beam: &Beam, name: &str) -> bool {
    let node = Vm::attach(beam.pid).ok().and_then(|vm| vm.node);
    let same = |full: &str| full == name || full.split('@').next() == Some(name);
    node.as_deref().is_some_and(same) || beam.node_argument.as_deref().is_some_and(same)
}

fn found(beams: &[Beam]) -> String {
    match beams {
        [] => "none".to_owned(),
        _ => list(beams),
    }
}

fn list(beams: &[Beam]) -> String {
    beams
        .iter()
        .map(|beam| {
            let node = beam.node_argument.clone();
            let inner = beam
                .inner_pid
                .map(|pid| format!("pid {pid} in its container"));
            let about: Vec<String> = node.into_iter().chain(inner).collect();
            match about.as_slice() {
                [] => beam.pid.to_string(),
                _ => format!("{} ({})", beam.pid, about.join(", ")),
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}
