//! Which CPUs there are.

use std::fs;

use crate::CaptureError;

/// The numbers of the CPUs that are online now.
///
/// # Errors
/// When `/sys/devices/system/cpu/online` cannot be read or understood.
pub fn online_cpus() -> Result<Vec<u32>, CaptureError> {
    read_list("/sys/devices/system/cpu/online")
}

/// One more than the highest CPU number this kernel could ever use.
pub(crate) fn cpu_limit() -> Result<u32, CaptureError> {
    let possible = read_list("/sys/devices/system/cpu/possible")?;
    Ok(possible.into_iter().max().unwrap_or(0) + 1)
}

fn read_list(path: &str) -> Result<Vec<u32>, CaptureError> {
    let text =
        fs::read_to_string(path).map_err(|error| CaptureError::Cpus(format!("{path}: {error}")))?;
    parse_list(&text).ok_or_else(|| CaptureError::Cpus(format!("{path} holds {text:?}")))
}

/// The kernel's list format, such as `0-3,7`.
fn parse_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last > 1 << 16 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::parse_list;

    #[test]
    fn lists_of_the_kernel_are_understood() {
        assert_eq!(parse_list("0-1\n"), Some(vec![0, 1]));
        assert_eq!(parse_list("0,2-4,9"), Some(vec![0, 2, 3, 4, 9]));
        assert_eq!(parse_list("3-1"), None);
        assert_eq!(parse_list("0-99999999"), None);
    }
}
