//! Who may connect to one person and who can open the person's data, as one statement that the owner's devices sign.
//!
//! ```text
//! roster 1 ◀──── roster 2 ◀──── roster 3        each contains the hash of the one before
//! signed by      signed by      signed by
//! its first      a device of 1, a device of 2,
//! device         or the phrase  or the phrase
//! ```
//!
//! * Holds: [`Roster`], the content and its bytes; [`Signed`], a roster with its signature, and the rule by which one
//!   follows another; [`follow`], the check of a chain; [`Change`], the differences between two rosters in words.
//! * Trust: the first roster is believed where it is met first, as a pairing is. From then on a change counts if a
//!   device, or the recovery phrase, of the roster before has signed it. Whoever remembers one roster accepts no older
//!   one and no other one of the same version.
//! * Units: moments are milliseconds since 1970 by the host's clock, for display only; versions and generations count
//!   from 1.
//! * Not here: files, and which change needs a person's consent before a device signs it (the phone's business;
//!   [`Change::needs_approval`] says what is usual).

mod change;
mod content;
mod encode;
mod signed;
#[cfg(test)]
mod tests;

pub use change::Change;
pub use content::{Author, Member, Roster, RosterMark, TOKENS_MAX};
pub use encode::{BadRoster, ROSTER_BYTES_MAX};
pub use signed::{BadSignedRoster, BadStep, SIGNED_ROSTER_BYTES_MAX, Signed, follow};
