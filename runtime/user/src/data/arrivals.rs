//! The streams that arrive, and the streams that are missing: an owner learns if only some of the expected streams
//! arrive.
//!
//! * Units: moments are seconds since 1970, as phones wrote entries down.
//! * Not here: readings that arrived and are not shown (`crate::data::errors`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use runtime_store::Snapshot;
use runtime_types::{Area, Order, Query, StreamKey, TimeField, UserId};
use serde::{Deserialize, Serialize};

use crate::data::Diaries;
use crate::error::CallError;
use crate::runs::late::is_made;

/// The period that recent counts cover, days.
pub const LAST_DAYS: u32 = 7;
const DAY_S: f64 = 86_400.0;
/// A phone without any reading for this long is silent, s.
const SILENT_S: f64 = 3.0 * DAY_S;
/// This many fixes indicate travel: the streams that belong to travel should have arrived with them.
const FIXES_MIN: u64 = 20;

const LOCATION: &str = "background/location";
const FILTERED: &str = "background/filtered_location";
const MOTION: &str = "background/motion_activity";
const TRANSITION: &str = "statemachine/transition";

/// The arrivals of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The stream.
    pub key: String,
    /// When the newest entry was written; entries dated ahead of now count only if there are no others.
    pub last_ts: f64,
    /// How many arrived in the last [`LAST_DAYS`] days.
    pub last_days: u64,
    /// How many ever arrived.
    pub total: u64,
}

/// A stream that should arrive and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What is missing, in words.
    pub what: String,
    /// The consequence for the diary, and the remedy.
    pub meaning: Cow<'static, str>,
}

/// The arrivals of a person's readings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    /// One for each stream that phones fill.
    pub streams: Vec<Arrival>,
    /// The streams that are missing.
    pub missing: Vec<Missing>,
}

/// What is missing at `now` from these streams. `makes_filtered`: the host filters locations by itself.
pub fn missing(streams: &[Arrival], makes_filtered: bool, now: f64) -> Vec<Missing> {
    let of_phones = || streams.iter().filter(|stream| is_of_a_sensor(&stream.key));
    let Some(newest) = of_phones().map(|stream| stream.last_ts).max_by(f64::total_cmp) else {
        return vec![Missing {
            what: "no reading of a phone has arrived yet".to_owned(),
            meaning: "there is no diary: connect the app, and see whether it may reach this host".into(),
        }];
    };
    if now - newest > SILENT_S {
        return vec![Missing {
            what: format!("nothing has arrived for {} days", ((now - newest) / DAY_S) as u64),
            meaning: "the diary stands still: open the app, and see whether it is signed in, may run in the \
                      background and reaches this host"
                .into(),
        }];
    }
    let count =
        |key: &str| streams.iter().find(|stream| stream.key == key).map_or(0, |stream| stream.last_days);
    let (raw, filtered) = (count(LOCATION), count(FILTERED));
    let fixes = raw.max(filtered);
    let mut found = Vec::new();
    let mut say = |what: String, meaning: &'static str| found.push(Missing { what, meaning: meaning.into() });
    if fixes == 0 {
        say(
            format!("no location in {LAST_DAYS} days, though other readings arrive"),
            "no trip can be found: let the app use the location at all times, also precisely; if the phone stayed in \
             one place, all is well",
        );
        return found;
    }
    if filtered == 0 && !makes_filtered {
        say(
            format!("locations arrive, but none of {FILTERED}"),
            "no trip can be found, since trips are made of those: set pipeline.accuracy_filtering on the host, which \
             then makes them of the others",
        );
    }
    if fixes < FIXES_MIN {
        return found;
    }
    if count(TRANSITION) == 0 {
        say(
            format!("no word of the phone on its own state ({TRANSITION}) in {LAST_DAYS} days"),
            "the last trip of a day is seen to have ended only when the next one begins, and a restart of the phone \
             looks like travel",
        );
    }
    if count(MOTION) == 0 {
        say(
            format!("no motion activity ({MOTION}) in {LAST_DAYS} days"),
            "how a trip was travelled cannot be told: it is one section of an unknown mode; let the app use motion \
             and fitness, or physical activity",
        );
    }
    found
}

/// Whether a phone fills the stream without any action of its owner.
fn is_of_a_sensor(key: &str) -> bool {
    key.starts_with("background/") || key == TRANSITION
}

impl Diaries<'_> {
    /// The arrivals of a person's readings, accepted or waiting, at `now`.
    pub fn arrivals(self, user: UserId, now: f64) -> Result<Arrivals, CallError> {
        let snapshot = self.runtime.person(user)?.store.snapshot_ahead();
        let streams = streams(&snapshot, now)?;
        let makes_filtered =
            self.runtime.plan().stages().iter().any(|spec| spec.name == "ACCURACY_FILTERING" && spec.enabled);
        let missing = missing(&streams, makes_filtered, now);
        Ok(Arrivals { streams, missing })
    }
}

fn streams(snapshot: &Snapshot, now: f64) -> Result<Vec<Arrival>, CallError> {
    let mut found: BTreeMap<StreamKey, Arrival> = BTreeMap::new();
    for (stream, total) in snapshot.streams() {
        let of_phones = matches!(stream.area, Area::Timeseries | Area::Usercache) && !is_made(&stream.key);
        if !of_phones || total == 0 {
            continue;
        }
        let query = Query {
            keys: vec![stream.key.clone()],
            field: TimeField::WriteTs,
            ..Query::everything(stream.area)
        };
        let week = Query { start: now - f64::from(LAST_DAYS) * DAY_S, ..query.clone() };
        let last_days = snapshot.count(&week).map_err(CallError::Read)?;
        let last_ts = match newest(snapshot, &Query { end: now, ..query.clone() })? {
            Some(newest) => Some(newest),
            None => newest(snapshot, &query)?,
        };
        let Some(last_ts) = last_ts else { continue };
        let known = found.entry(stream.key.clone()).or_insert_with(|| Arrival {
            key: stream.key.as_str().to_owned(),
            last_ts,
            last_days: 0,
            total: 0,
        });
        (known.last_days, known.total) = (known.last_days + last_days, known.total + total);
        known.last_ts = known.last_ts.max(last_ts);
    }
    Ok(found.into_values().collect())
}

fn newest(snapshot: &Snapshot, query: &Query) -> Result<Option<f64>, CallError> {
    let query = Query { order: Order::Descending, ..query.clone() };
    let mut newest = None;
    let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        newest = Some(row.write_ts);
        ControlFlow::Break(())
    });
    visited.map_err(CallError::Read)?;
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1.7e9;

    /// Streams by name, with the number of recent arrivals; the newest an hour ago.
    fn streams(counts: &[(&str, u64)]) -> Vec<Arrival> {
        let stream = |(key, last_days): &(&str, u64)| Arrival {
            key: (*key).to_owned(),
            last_ts: NOW - 3_600.0,
            last_days: *last_days,
            total: 1_000,
        };
        counts.iter().map(stream).collect()
    }

    fn told(counts: &[(&str, u64)]) -> Vec<String> {
        missing(&streams(counts), false, NOW).into_iter().map(|missing| missing.what).collect()
    }

    #[test]
    fn nothing_is_missing_where_all_streams_of_travel_arrive() {
        let all = [(LOCATION, 300), (FILTERED, 200), (MOTION, 100), (TRANSITION, 6)];
        assert_eq!(told(&all), Vec::<String>::new());
        // A handful of fixes does not count as travel.
        assert_eq!(told(&[(LOCATION, 10), (FILTERED, 8), ("background/battery", 3)]), Vec::<String>::new());
    }

    #[test]
    fn a_stream_that_should_come_with_the_fixes_is_named_with_what_follows() {
        for (absent, word) in [(TRANSITION, "state"), (MOTION, "motion activity"), (FILTERED, "none of")] {
            let all = [(LOCATION, 300), (FILTERED, 200), (MOTION, 100), (TRANSITION, 6)];
            for gone in [true, false] {
                let some: Vec<_> = all
                    .into_iter()
                    .filter(|(key, _)| !gone || *key != absent)
                    .map(|(key, count)| (key, if key == absent { 0 } else { count }))
                    .collect();
                let told = told(&some);
                assert!(told.len() == 1 && told[0].contains(word), "{absent}: {told:?}");
            }
        }
        let without_filtered = streams(&[(LOCATION, 300), (MOTION, 100), (TRANSITION, 6)]);
        assert_eq!(missing(&without_filtered, true, NOW), [], "the host makes them");
        let iphone = streams(&[(FILTERED, 300), (MOTION, 100), (TRANSITION, 6)]);
        assert_eq!(missing(&iphone, false, NOW), [], "the filtered ones do");
    }

    #[test]
    fn no_location_at_all_is_told_alone() {
        let told = told(&[(MOTION, 100), (TRANSITION, 6), ("stats/client_time", 40)]);
        assert!(told.len() == 1 && told[0].starts_with("no location"), "{told:?}");
    }

    #[test]
    fn a_silent_phone_is_told_whatever_came_before_and_whatever_the_server_or_the_owner_writes() {
        let mut all =
            streams(&[(LOCATION, 0), (FILTERED, 0), ("manual/mode_confirm", 3), ("stats/client_time", 3)]);
        for stream in &mut all {
            let days = if stream.key.starts_with("background") { 5.5 } else { 0.1 };
            stream.last_ts = NOW - days * DAY_S;
        }
        let told = missing(&all, false, NOW);
        assert_eq!(told[0].what, "nothing has arrived for 5 days");
        assert_eq!(told.len(), 1);
        let nothing = missing(&streams(&[("stats/client_time", 9)]), false, NOW);
        assert!(nothing[0].what.contains("yet") && missing(&[], false, NOW) == nothing, "{nothing:?}");
    }
}
