//! The time zone of a person's clock at a moment: a date without an offset is read in that zone.

use std::ops::ControlFlow;

use jiff::tz::TimeZone;
use runtime_types::TimeField;
use runtime_user::{Area, Query, Runtime, StreamKey, UserId};
use serde::Deserialize;

use runtime_program::Failure;
use runtime_program::when::{Bound, When};

/// Streams whose entries name the zone that the phone was in.
const KEYS: [&str; 2] = ["background/location", "background/filtered_location"];
/// Upper bound on the distance of any zone from UTC, s.
const OFFSET_MAX_S: f64 = 15.0 * 3_600.0;

/// The span between two moments as a person typed them, s; without a bound it is open on that side. A moment without an
/// offset is read in the zone that the person's phone was in then, and in UTC where the phone reported none.
///
/// # Errors
/// [`Failure`] where the span ends before it begins, or the store cannot be read.
pub(super) fn span(
    runtime: &Runtime,
    user: UserId,
    from: Option<&When>,
    to: Option<&When>,
) -> Result<[f64; 2], Failure> {
    let moment = |when: Option<&When>, bound, none: f64| {
        let Some(when) = when else { return Ok(none) };
        let zone = when.needs_zone().map(|clock| zone_at(runtime, user, clock)).transpose()?;
        Ok(when.seconds(bound, &zone.unwrap_or(TimeZone::UTC)))
    };
    let from = moment(from, Bound::First, f64::NEG_INFINITY)?;
    let to = moment(to, Bound::Last, f64::INFINITY)?;
    if from.is_nan() || to.is_nan() {
        return Err(Failure::new("--from or --to lies outside the calendar", "give a year from 1 to 9998"));
    }
    if from > to {
        return Err(Failure::new("--from is later than --to", "give the earlier moment first"));
    }
    Ok([from, to])
}

/// The name of the zone that the person's phone was in at a moment, s; UTC where it reported none.
///
/// # Errors
/// [`Failure`] where the store cannot be read.
pub(super) fn name_of(runtime: &Runtime, user: UserId, ts: f64) -> Result<String, Failure> {
    let zone = zone_at(runtime, user, ts)?;
    Ok(zone.iana_name().unwrap_or("UTC").to_owned())
}

/// The zone that the person's phone was in when its clock showed that time; before its first location, the zone of the
/// first.
pub(super) fn zone_at(runtime: &Runtime, user: UserId, clock_s: f64) -> Result<TimeZone, Failure> {
    let person = runtime.person(user);
    let person = person.map_err(|error| {
        Failure::of(&error, "name the offset, such as 2024-03-05T00:00+01:00, or look into the host's log")
    })?;
    let snapshot = person.store.snapshot();
    let last = |area| (area, f64::NEG_INFINITY, clock_s + OFFSET_MAX_S, runtime_types::Order::Descending);
    let first = |area| (area, f64::NEG_INFINITY, f64::INFINITY, runtime_types::Order::Ascending);
    for (area, start, end, order) in
        [last(Area::Timeseries), last(Area::Usercache), first(Area::Timeseries), first(Area::Usercache)]
    {
        let keys = KEYS.map(|key| StreamKey::parse(key).expect("the model's keys name streams")).to_vec();
        let query = Query {
            keys,
            field: TimeField::WriteTs,
            start,
            end,
            order,
            with_invalid: false,
            ..Query::everything(area)
        };
        let unread = |error| Failure::of(&error, "look into the host's log");
        let mut found = None;
        snapshot
            .find(&query)
            .map_err(unread)?
            .visit(&mut |row| {
                found = zone_in(row.metadata);
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .map_err(unread)?;
        if let Some(zone) = found {
            return Ok(zone);
        }
    }
    Ok(TimeZone::UTC)
}

fn zone_in(metadata: &str) -> Option<TimeZone> {
    #[derive(Deserialize)]
    struct Named {
        time_zone: String,
    }
    let named: Named = serde_json::from_str(metadata).ok()?;
    TimeZone::get(&named.time_zone).ok()
}
