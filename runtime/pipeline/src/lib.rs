//! Which stage of a person's analysis runs next, over which window, and what is remembered of it.
//!
//! Pure: states and moments in, decisions out. No clock, no store, no cell.
//!
//! * Units: moments are seconds since 1970-01-01T00:00:00Z.
//! * Invariants: a window ends [`SETTLING_S`] before now; a mark never moves on a failure; a stage that a crash
//!   interrupted runs again over the same window.
//! * Not here: running a cell and committing its output (`runtime/user`).

mod plan;
mod state;

pub use plan::{BadPlan, Plan, StageSpec};
pub use state::{Failure, SETTLING_S, StageState, Window};
