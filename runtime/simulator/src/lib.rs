//! Invented people, and the entries that their phones would put, for experiments, tests, demos and benchmarks.
//!
//! A [`Person`] lives in an invented [`Town`]; [`Person::plan`] decides where a day takes them; [`simulate_day`] moves
//! them there and lets their phone record it, with all of a phone's faults. The entries come with the truth: the real
//! trips and their modes.
//!
//! * Units: metres east and north of the town's corner, seconds, metres a second, degrees in what is sent.
//! * Invariants: the same arguments give the same bytes on every machine (only `+ - * /` and `sqrt` on doubles, which
//!   IEEE 754 rounds alike everywhere, and a ChaCha8 stream); entries increase in `write_ts`; no two entries of a day
//!   have the same (type, key, write_ts).
//! * Not here: a clock, files, a network; the timeseries' form of entries (the usercache stage creates it).

mod batches;
mod cadence;
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
pub use cadence::{Cadence, Report, ReportedDay, report_day};
pub use day::{SimulatedDay, TruthSection, TruthTrip, simulate_day};
pub use geometry::Spot;
pub use motion::Mode;
pub use person::{DayPlan, Leg, Person, simulate_days};
pub use phone::{Faults, Phone, Span};
pub use route::{Route, Straight, StreetGrid};
pub use town::{Place, Town};
