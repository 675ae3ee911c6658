//! Why an entry was set aside, as a message for its owner. No reason repeats a value of the entry other than the name
//! of its zone: values may be places.

use cells_model::text::BadObject;
use cells_model::time::BadTime;

/// Why an entry cannot be imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not one of the three types that phones send.
    #[error("its type is none that a phone sends (message, sensor-data, rw-document)")]
    Type,
    /// `metadata.platform`
    #[error("it comes from a platform that is neither android nor ios")]
    Platform,
    /// There is no definition of such entries.
    #[error("no cell knows entries of this key")]
    Key,
    /// A part of the entry is no plain object.
    #[error("its {0} cannot be read")]
    Unreadable(&'static str, #[source] BadObject),
    /// The zone is absent or unknown, or the moment is outside the calendar.
    #[error("its local time cannot be determined: {0}")]
    Time(#[source] BadTime),
    /// The entry names no zone, and its platform has no default.
    #[error("it names no time zone")]
    NoZone,
    /// A member is absent or of another type.
    #[error("{0} is missing or is not {1}")]
    Field(&'static str, &'static str),
    /// A number or name that the key's enumeration does not have.
    #[error("{0} has a value that is not known")]
    Unknown(&'static str),
    /// An unchanged member has another type than entries of this key have.
    #[error("its data is not what entries of this key hold: {0}")]
    Form(String),
    /// iOS: flags that exclude each other.
    #[error("the phone reports two activities that exclude each other")]
    TwoActivities,
    /// Written more than a day after now.
    #[error("the phone's clock was wrong: it was written more than a day in the future")]
    WrittenInFuture,
    /// About a moment more than a day after it was written.
    #[error("{0} is more than a day after the moment it was written")]
    AboutFuture(&'static str),
    /// A sensor's reading of a moment long after it was written.
    #[error(
        "its time is more than an hour after the moment it was written, unlike that of others written around it"
    )]
    Ahead {
        /// By how much, s.
        lead_s: f64,
    },
    /// A sensor's reading of a moment long before it was written.
    #[error("its time is more than 30 days before the moment it was written")]
    Behind,
    /// Written by a clock that was never set.
    #[error("the phone's clock was not set: it was written before the year 2010")]
    NeverSet,
    /// 0° north, 0° east.
    #[error(
        "its place is 0 degrees north, 0 degrees east, which phones send when they do not know the place"
    )]
    Nowhere,
    /// A negative accuracy.
    #[error("its accuracy is negative, which phones send when they do not know the place")]
    NoPlace,
    /// It could be anywhere.
    #[error("its accuracy is worse than 100 km, so its place is unknown")]
    Anywhere,
}

impl From<BadTime> for Reason {
    fn from(bad: BadTime) -> Self {
        Self::Time(bad)
    }
}
