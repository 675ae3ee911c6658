//! What a command shows of a person's entries is told in their audit first.

use std::sync::Arc;

use runtime_program::Failure;
use runtime_user::{AuditRead, Person, Runtime, Stamp, UserId};

use super::remedy::logged;
use crate::http::service::now;

/// The name of the areas' reads in the audit.
const TIMESERIES: &str = "timeseries";

/// What a command is about to read.
pub(super) struct Reading<'a> {
    /// The command, as the audit names it.
    pub command: &'a str,
    /// The device that gave it; none: the console.
    pub device: Option<&'a Stamp>,
    /// What is read, such as `diary`.
    pub what: &'a str,
    /// The streams.
    pub streams: Vec<String>,
    /// The time that the span is of.
    pub time: &'a str,
    /// From and to, s; infinite: without a bound.
    pub span: [f64; 2],
}

/// Tells of a reading, then does it: whatever `read` shows, the owner sees that it left. `read` returns the answer and how
/// many entries it has read.
///
/// # Errors
/// [`Failure`]: the person is locked or suspended, the audit could not be written, or `read` failed.
pub(super) fn told<T>(
    runtime: &Runtime,
    user: UserId,
    reading: Reading<'_>,
    read: impl FnOnce(&Arc<Person>) -> Result<(T, u64), Failure>,
) -> Result<T, Failure> {
    let person = runtime.person(user).map_err(|error| {
        Failure::of(&error, "open the store with a paired phone; a suspended person is resumed first")
    })?;
    let bound = |moment: f64| moment.is_finite().then_some(moment);
    let line = AuditRead {
        area: Some(TIMESERIES.to_owned()),
        time: Some(reading.time.to_owned()),
        from: bound(reading.span[0]),
        to: bound(reading.span[1]),
        ..AuditRead::new(reading.what, reading.streams)
    };
    let line = person.command_begins(reading.command, reading.device, vec![line], now()).map_err(logged)?;
    let (answer, entries) = read(&person)?;
    person.console_ends(line, entries);
    Ok(answer)
}
