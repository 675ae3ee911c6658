//! The versions of the contract that this host has: docs/formats/contract.md.

use std::fmt;

/// A version of the contract. Both lead to the same [`CellHost`](crate::CellHost); a cell is of exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// `wit/0.1`: complete, and changed no more.
    V0_1,
    /// `wit/0.2`
    V0_2,
}

/// The prefix of every name of the contract.
const PACKAGE: &str = "cellar:cell/";

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];

    /// Such as `0.2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    /// The newest release of this version that this host knows: a cell that was built for a later one is refused.
    pub const fn release(self) -> u32 {
        match self {
            Self::V0_1 | Self::V0_2 => 0,
        }
    }

    /// Such as `0.1.0 and 0.2.0`: what this host has.
    pub fn all() -> String {
        Self::ALL.map(|version| format!("{version}.{}", version.release())).join(" and ")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of the contract in a component, such as `cellar:cell/log@0.2.0`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// Such as `log`.
    pub(crate) interface: &'a str,
    /// Or the version that this host does not have, such as `0.3.0`.
    pub(crate) version: Result<Version, &'a str>,
}

impl<'a> Named<'a> {
    /// `None`: a name from elsewhere, or one that is not well formed.
    pub(crate) fn read(name: &'a str) -> Option<Self> {
        let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        let mut numbers = version.split('.').map(number);
        let (major, minor, release) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if numbers.next().is_some() {
            return None;
        }
        let known = match (major, minor) {
            (0, 1) => Some(Version::V0_1),
            (0, 2) => Some(Version::V0_2),
            _ => None,
        };
        let known = known.filter(|known| release <= known.release());
        Some(Self { interface, version: known.ok_or(version) })
    }
}

/// A number as versions are written: `0`, `12`, never `012`, `+1` or a word.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<(&str, Result<Version, &str>)> {
        Named::read(name).map(|named| (named.interface, named.version))
    }

    #[test]
    fn a_name_of_the_contract_says_its_version_or_which_one_it_would_need() {
        assert_eq!(read("cellar:cell/log@0.1.0"), Some(("log", Ok(Version::V0_1))));
        assert_eq!(read("cellar:cell/stage@0.2.0"), Some(("stage", Ok(Version::V0_2))));
        for later in ["0.1.1", "0.2.1", "0.3.0", "0.12.0", "1.0.0"] {
            assert_eq!(read(&format!("cellar:cell/log@{later}")), Some(("log", Err(later))));
        }
        assert_eq!(Version::all(), "0.1.0 and 0.2.0");
    }

    #[test]
    fn any_other_name_is_from_elsewhere() {
        for foreign in [
            "wasi:cli/environment@0.2.0",
            "cellar:cell/log",
            "cellar:cell/log@0.1.",
            "cellar:cell/log@0.1.0-x",
            "cellar:cell/log@0.1.+0",
            "cellar:cell/log@0.01.0",
            "cellar:cell/log@0.2.0.0",
            "cellar:cell/log@0.2.99999999999",
            "cellar:cellx/log@0.1.0",
        ] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }
}
