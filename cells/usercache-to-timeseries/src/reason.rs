//! Why an entry was set aside, in words for its owner. No reason repeats a value of the entry other than the
//! name of its zone: values may be places.

use cells_model::text::BadObject;
use cells_model::time::BadTime;

/// Why an entry cannot be taken in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not one of the three types that phones send.
    #[error("its type is none that a phone sends (message, sensor-data, rw-document)")]
    Type,
    /// `metadata.platform`
    #[error("it comes from a platform that is neither android nor ios")]
    Platform,
    /// Nobody has said what such entries hold.
    #[error("no cell knows entries of this key")]
    Key,
    /// A part of the entry is no plain object.
    #[error("its {0} cannot be read")]
    Unreadable(&'static str, #[source] BadObject),
    /// The zone is absent or unknown, or the moment is outside the calendar.
    #[error("its local time cannot be told: {0}")]
    Time(#[source] BadTime),
    /// Neither the entry names a zone, nor has its platform a default.
    #[error("it names no time zone")]
    NoZone,
    /// A member is absent or of another type.
    #[error("{0} is missing or is not {1}")]
    Field(&'static str, &'static str),
    /// A number or name that the key's enumeration does not have.
    #[error("{0} has a value that is not known")]
    Unknown(&'static str),
    /// A member that stays as it is has another type than such entries have.
    #[error("its data is not what entries of this key hold: {0}")]
    Form(String),
    /// iOS: flags that exclude each other.
    #[error("the phone says of two ways to move that both are true")]
    TwoActivities,
    /// Written more than a day after now.
    #[error("the phone's clock was wrong: it was written more than a day in the future")]
    WrittenInFuture,
    /// About a moment more than a day after it was written.
    #[error("{0} is more than a day after the moment it was written")]
    AboutFuture(&'static str),
}

impl From<BadTime> for Reason {
    fn from(bad: BadTime) -> Self {
        Self::Time(bad)
    }
}
