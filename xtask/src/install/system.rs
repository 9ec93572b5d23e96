//! Which distribution this is and how it calls its packages.

use std::fs;

use super::Need;

/// A family of distributions that share package names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Debian,
    Fedora,
    Arch,
    Alpine,
    Unknown,
}

impl System {
    pub(super) fn detect() -> System {
        System::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// The family by the fields `ID` and `ID_LIKE` of `os-release`.
    fn parse(os_release: &str) -> System {
        os_release
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"))
            .flat_map(|(_, value)| value.trim_matches(['"', '\'']).split_whitespace())
            .find_map(|id| match id {
                "debian" | "ubuntu" => Some(System::Debian),
                "fedora" | "rhel" | "centos" => Some(System::Fedora),
                "arch" | "archlinux" => Some(System::Arch),
                "alpine" => Some(System::Alpine),
                _ => None,
            })
            .unwrap_or(System::Unknown)
    }

    /// The packages that meet the needs, each once; none where the names are unknown.
    pub(super) fn packages(self, needs: &[&Need]) -> Option<Vec<&'static str>> {
        let of: fn(&Need) -> &'static [&'static str] = match self {
            System::Debian => |need| need.debian,
            System::Fedora => |need| need.fedora,
            System::Arch => |need| need.arch,
            System::Alpine => |need| need.alpine,
            System::Unknown => return None,
        };
        let mut packages = Vec::new();
        for package in needs.iter().flat_map(|need| of(need)) {
            if !packages.contains(package) {
                packages.push(*package);
            }
        }
        Some(packages)
    }

    /// What to type to install them.
    pub(super) fn install_line(self, packages: &[&str]) -> String {
        let verb = match self {
            System::Debian => "apt-get install ",
            System::Fedora => "dnf install ",
            System::Arch => "pacman -S ",
            System::Alpine => "apk add ",
            System::Unknown => "",
        };
        format!("{verb}{}", packages.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::System;
    use crate::install::test_needs;

    #[test]
    fn distributions_are_known_by_their_family() {
        assert_eq!(
            System::parse("NAME=x\nID=debian\nVERSION_ID=\"12\"\n"),
            System::Debian
        );
        assert_eq!(
            System::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            System::Debian
        );
        assert_eq!(
            System::parse("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            System::Fedora
        );
        assert_eq!(System::parse("ID=manjaro\nID_LIKE=arch\n"), System::Arch);
        assert_eq!(System::parse("ID=alpine\n"), System::Alpine);
        assert_eq!(System::parse("VERSION_ID=debian\n"), System::Unknown);
    }

    #[test]
    fn every_need_has_a_package_everywhere_and_none_is_named_twice() {
        let needs = test_needs();
        let needs: Vec<_> = needs.iter().collect();
        for system in [System::Debian, System::Fedora, System::Arch, System::Alpine] {
            assert!(
                needs
                    .iter()
                    .all(|need| system.packages(&[need]).is_some_and(|p| !p.is_empty()))
            );
            let mut packages = system.packages(&needs).unwrap_or_default();
            let all = packages.len();
            packages.sort_unstable();
            packages.dedup();
            assert_eq!(packages.len(), all);
        }
    }
}
