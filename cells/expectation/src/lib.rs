//! Decides for each trip whether its owner is asked to label it: the stage `EXPECTATION_POPULATION`.
//!
//! Reads `analysis/inferred_trip`, writes `analysis/expected_trip`: the same trip with its expectation. The
//! configuration is in [`config`]; the rules that apply it are in [`rules`].
//!
//! * Units: seconds. The window is on `data.end_ts`, closed at both ends.
//! * Memory: a page of trips, and about 32 KiB of output.
//! * Not here: asking. Phones read the expectation.

pub mod config;
pub mod rules;

use std::borrow::Cow;
use std::ops::ControlFlow;

use cells_sdk::model::page::Entry;
use cells_sdk::model::text::with_members;
use cells_sdk::model::time::{Zone, Zones};
use cells_sdk::{
    Log, Outcome, Output, ReadEntries, Run, RunError, TimeField, WriteEntries, walk_entries, warn_count,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use rules::{Expected, Prediction, expectation, mode_at};

const INFERRED: &str = "analysis/inferred_trip";
const EXPECTED: &str = "analysis/expected_trip";

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let ended = run.window(&[INFERRED], TimeField::EndTs);
    let (mut output, mut zones) = (Output::new(run), Zones::new());
    let (mut last, mut unread, mut more) = (None, 0, false);
    walk_entries(runtime, &ended, |runtime, entry| {
        if output.may_end_before(last, entry.time) {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        last = Some(entry.time);
        match expected_trip(&entry, &mut zones) {
            Some(data) => output.insert(runtime, EXPECTED, &data)?,
            None => unread += 1,
        }
        Ok(ControlFlow::Continue(()))
    })?;
    output.finish(runtime)?;
    warn_count(runtime, unread, "trips cannot be read: passed over");
    Ok(Outcome { processed_through: last, state: Vec::new(), more })
}

/// The members of a trip that the stage reads.
#[derive(Deserialize)]
struct Trip<'a> {
    #[serde(borrow)]
    end_local_dt: End<'a>,
    #[serde(borrow)]
    inferred_labels: Vec<Labels<'a>>,
}

#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow)]
    timezone: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow)]
    labels: std::collections::BTreeMap<Cow<'a, str>, IgnoredAny>,
    p: f64,
}

/// The data of the expected trip; `None` where the inferred one cannot be read.
fn expected_trip(entry: &Entry<'_>, zones: &mut Zones) -> Option<String> {
    let trip: Trip<'_> = serde_json::from_str(entry.data).ok()?;
    let predictions: Vec<_> = trip.inferred_labels.iter().map(prediction).collect();
    let mode = mode_at(entry.time, || {
        // An unknown zone can only come from an imported history; the server's zone is as good as any.
        zones.get(&trip.end_local_dt.timezone).unwrap_or_else(|_| Zone::server())
    });
    let Expected { to_label, confidence_threshold } = expectation(mode, &predictions);
    let id = entry.id;
    let more = format!(
        r#""inferred_trip":{{"$oid":"{id}"}},"expectation":{{"to_label":{to_label}}},"confidence_threshold":{confidence_threshold}"#
    );
    with_members(entry.data, &more)
}

fn prediction<'a>(labels: &'a Labels<'_>) -> Prediction<'a> {
    Prediction { p: labels.p, kinds: labels.labels.keys().map(|kind| &**kind).collect() }
}

cells_sdk::export_stage!(run);
