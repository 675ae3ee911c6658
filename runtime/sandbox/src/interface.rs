//! The interfaces that a cell may be granted, and the kinds of cells.

use std::fmt;
use std::str::FromStr;

/// One separately grantable interface of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interface {
    /// `cellar:cell/timeseries-read`
    TimeseriesRead,
    /// `cellar:cell/timeseries-write`
    TimeseriesWrite,
    /// `cellar:cell/usercache`
    Usercache,
    /// `cellar:cell/documents`
    Documents,
    /// `cellar:cell/log`
    Log,
    /// `cellar:cell/exchange`; endpoints only.
    Exchange,
    /// `cellar:cell/state`; since version 0.2.
    State,
}

impl Interface {
    /// Every interface, in the contract's order.
    pub const ALL: [Self; 7] = [
        Self::TimeseriesRead,
        Self::TimeseriesWrite,
        Self::Usercache,
        Self::Documents,
        Self::Log,
        Self::Exchange,
        Self::State,
    ];

    /// Its name in the contract and in manifests, such as `timeseries-read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeseriesRead => "timeseries-read",
            Self::TimeseriesWrite => "timeseries-write",
            Self::Usercache => "usercache",
            Self::Documents => "documents",
            Self::Log => "log",
            Self::Exchange => "exchange",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no interface of the contract is called `{0}`")]
pub struct BadInterface(pub String);

impl FromStr for Interface {
    type Err = BadInterface;
    fn from_str(text: &str) -> Result<Self, BadInterface> {
        let found = Self::ALL.into_iter().find(|interface| interface.name() == text);
        found.ok_or_else(|| BadInterface(text.chars().take(100).collect()))
    }
}

/// A set of interfaces: those that a grant allows, or those that a component imports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interfaces(u8);

impl Interfaces {
    /// No interface at all: a cell that only computes.
    pub const NONE: Self = Self(0);

    /// Every interface of the contract.
    pub fn all() -> Self {
        Interface::ALL.into_iter().collect()
    }

    /// Whether the set has `interface`.
    pub fn contains(self, interface: Interface) -> bool {
        self.0 & (1 << interface as u8) != 0
    }

    /// The same set with `interface`.
    #[must_use]
    pub fn with(self, interface: Interface) -> Self {
        Self(self.0 | 1 << interface as u8)
    }

    /// The members, in the contract's order.
    pub fn iter(self) -> impl Iterator<Item = Interface> {
        Interface::ALL.into_iter().filter(move |interface| self.contains(*interface))
    }

    /// The interfaces in this set that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<Interface> for Interfaces {
    fn from_iter<I: IntoIterator<Item = Interface>>(interfaces: I) -> Self {
        interfaces.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The kind of a cell, determined by the one export of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum World {
    /// Answers requests: exports `handle`.
    Endpoint,
    /// Does one stage of the analysis: exports `run`.
    Stage,
    /// Gives numbers to a study: exports `contribute`. Since version 0.2.
    Contribution,
}

impl World {
    /// Its name in the contract and in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Stage => "stage",
            Self::Contribution => "contribution",
        }
    }

    /// Whether a cell of this kind may import the interface. A grant decides about the interfaces that it may.
    pub const fn offers(self, interface: Interface) -> bool {
        match self {
            Self::Endpoint => true,
            Self::Stage => !matches!(interface, Interface::Exchange),
            Self::Contribution => matches!(interface, Interface::TimeseriesRead | Interface::Log),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set: Interfaces = [Interface::Log, Interface::Exchange].into_iter().collect();
        assert!(set.contains(Interface::Log) && !set.contains(Interface::Documents));
        assert_eq!(Interfaces::all().without(set).iter().count(), 5);
        assert_eq!(format!("{set:?}"), "{Log, Exchange}");
    }

    #[test]
    fn every_interface_reads_its_own_name() {
        for interface in Interface::ALL {
            assert_eq!(interface.name().parse(), Ok(interface));
        }
        assert_eq!("clock".parse::<Interface>(), Err(BadInterface("clock".to_owned())));
    }
}
