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
        TargetChoice::Node(name) => {
            let beams = find_beams();
            let fits: Vec<&Beam> = beams.iter().filter(|beam| has_name(beam, name)).collect();
            match fits.as_slice() {
                [] => Err(SessionError::NoSuchNode {
                    name: name.clone(),
                    found: if beams.is_empty() {
                        "none".to_owned()
                    } else {
                        list(&beams)
                    },
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

fn list(beams: &[Beam]) -> String {
    beams
        .iter()
        .map(|beam| match &beam.node_argument {
            Some(node) => format!("{} ({node})", beam.pid),
            None => beam.pid.to_string(),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
