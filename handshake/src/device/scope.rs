//! The scopes of devices: a small set that is stored with the device and requested in a session; the grant is what both
//! have.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// One thing that a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `usercache:put`: upload readings.
    UsercachePut,
    /// `usercache:get`: fetch what the runtime computed for the phone.
    UsercacheGet,
    /// `datastreams:read`: read the person's streams.
    DatastreamsRead,
    /// `profile`: read and change the person's profile.
    Profile,
    /// `pipeline:read`: see the progress of the analysis.
    PipelineRead,
    /// `admin`: see and revoke devices, lock the store.
    Admin,
}

impl Scope {
    /// Every scope, in order.
    pub const ALL: [Self; 6] = [
        Self::UsercachePut,
        Self::UsercacheGet,
        Self::DatastreamsRead,
        Self::Profile,
        Self::PipelineRead,
        Self::Admin,
    ];

    /// Its written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsercachePut => "usercache:put",
            Self::UsercacheGet => "usercache:get",
            Self::DatastreamsRead => "datastreams:read",
            Self::Profile => "profile",
            Self::PipelineRead => "pipeline:read",
            Self::Admin => "admin",
        }
    }

    /// Reads the written form; `None` for a scope of another version.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes; in JSON a list of their written forms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The scopes of a phone that requests no others: all but [`Scope::Admin`], since anyone who holds an unlocked
    /// phone has these.
    pub const PHONE: Self = Self(0b01_1111);
    /// Everything.
    pub const ALL: Self = Self(0b11_1111);

    /// The scopes that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set with one more.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Whether the scope is in it.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `other` has every scope of this set.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The set as bits in the order of [`Scope::ALL`], from the lowest.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// Reads what [`Self::bits`] gives; `None` where a bit stands for no scope.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        Some(Self(bits)).filter(|scopes| scopes.is_within(Self::ALL))
    }

    /// Its scopes, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// The scopes among `texts` that this version knows; a newer phone may request others too.
    pub fn known<T: AsRef<str>>(texts: &[T]) -> Self {
        texts.iter().filter_map(|text| Scope::parse(text.as_ref())).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

/// Refuses a scope that this version does not know: a stored set must not shrink unnoticed.
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let read = texts.iter().map(|text| Scope::parse(text).ok_or("unknown scope"));
        read.collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_has_every_scope_but_admin() {
        assert_eq!(Scopes::PHONE.with(Scope::Admin), Scopes::ALL);
        assert_eq!(Scopes::ALL.iter().collect::<Vec<_>>(), Scope::ALL);
        assert!(!Scopes::PHONE.has(Scope::Admin));
        assert!(Scopes::PHONE.is_within(Scopes::ALL) && !Scopes::ALL.is_within(Scopes::PHONE));
    }

    #[test]
    fn a_set_reads_what_it_writes_and_refuses_what_it_does_not_know() {
        for bits in 0..64 {
            let text = serde_json::to_string(&Scopes(bits)).unwrap();
            assert_eq!(serde_json::from_str::<Scopes>(&text).unwrap(), Scopes(bits));
        }
        assert_eq!(
            serde_json::to_string(&Scopes::ALL.and(Scopes(3))).unwrap(),
            r#"["usercache:put","usercache:get"]"#
        );
        assert!(serde_json::from_str::<Scopes>(r#"["admin","root"]"#).is_err());
        assert_eq!(Scopes::known(&["root", "admin", "ADMIN"]), Scopes::NONE.with(Scope::Admin));
    }
}
