//! When a person's stages run, which stage runs over which window, and what is remembered of it.
//!
//! Pure: takes states, events and moments, and returns decisions. No clock, no store, no cell.
//!
//! * [`Schedule`] and [`Agenda`]: when a person's next run is due. [`Plan`]: the stages in their order.
//!   [`StageState`]: a stage's window and mark. [`Rewind`] and [`Concerned`]: what is recomputed, and when entries
//!   that arrive late require it. [`ClockWatch`]: whether runs must wait for the host's clock.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z; moments of an agenda are from a clock that cannot be set.
//! * Invariants: a window ends [`SETTLING_S`] before now; a mark never moves on a failure; a stage that a crash
//!   interrupted runs again over the same window; one run at a time for a person.
//! * Not here: running a cell and committing its output (`runtime/user`).

mod agenda;
mod clock;
mod late;
mod plan;
mod rewind;
mod schedule;
mod state;

pub use agenda::{Agenda, Event, Left, Rhythm};
pub use clock::{BELIEVED_AFTER_S, ClockWatch, Doubt, JUMP_S, Turn};
pub use late::Concerned;
pub use plan::{BadPlan, Late, Plan, StageSpec};
pub use rewind::{Marks, Rewind};
pub use schedule::Schedule;
pub use state::{Failure, SETTLING_S, StageState, Window};
