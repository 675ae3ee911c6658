//! Invented people, and what their phones would put: entries for tries, tests, demos and benchmarks.
//!
//! A [`Person`] lives in an invented [`Town`]; [`Person::plan`] says where a day takes them;
//! [`simulate_day`] moves them there and lets their phone watch, with all of a phone's faults. Beside the
//! entries stands the truth: which trips there were, and by which mode.
//!
//! * Units: metres east and north of the town's corner, seconds, metres a second, degrees in what is sent.
//! * Invariants: the same arguments give the same bytes on every machine (only `+ - * /` and `sqrt` on
//!   doubles, which IEEE 754 rounds alike everywhere, and a ChaCha8 stream); entries rise in `write_ts`; no two
//!   of a day share (type, key, write_ts).
//! * Not here: a clock, files, a network; entries as the timeseries keeps them (the usercache stage does that).

mod batches;
mod day;
mod entry;
mod geometry;
mod motion;
mod person;
mod phone;
mod random;
mod receiver;
mod route;
mod town;

pub use batches::{batches, put_body};
pub use day::{SimulatedDay, TruthSection, TruthTrip, simulate_day};
pub use geometry::Spot;
pub use motion::Mode;
pub use person::{DayPlan, Leg, Person, simulate_days};
pub use phone::{Faults, Phone, Span};
pub use route::{Route, Straight, StreetGrid};
pub use town::{Place, Town};
