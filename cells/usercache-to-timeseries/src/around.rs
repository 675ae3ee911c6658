//! Whether the readings that were written around one are ahead of their writing by as much.
//!
//! A receiver knows the true time, but the time of writing comes from the phone's clock. If that clock is wrong by
//! hours, all readings seem to come from the future; if one reading is wrong, only that one does.

use std::collections::BTreeMap;

use cells_model::text;
use cells_sdk::{Area, Query, ReadEntries, RunError, TimeField, for_each_entry};

/// Readings written this long before and after one are compared with it, s.
const SPAN_S: f64 = 1_800.0;
/// Two readings are ahead by the same amount if they differ by less, s.
const ALIKE_S: f64 = 300.0;
/// At least this many others must be ahead by the same amount, and more than are not.
const OTHERS_MIN: usize = 3;

/// By how much readings are ahead, for each stream as of the last check.
#[derive(Debug, Default)]
pub(crate) struct Around {
    last: BTreeMap<String, Leads>,
}

/// The readings that were written around a moment.
#[derive(Debug)]
struct Leads {
    /// s
    written: f64,
    /// In rising order, s.
    sorted: Vec<f64>,
}

impl Around {
    /// Checks the waiting entries in the stream of an entry that was written at `written` and is `lead_s` ahead of
    /// that.
    pub(crate) fn are_ahead_alike<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        key: &str,
        written: f64,
        lead_s: f64,
    ) -> Result<bool, RunError> {
        // Readings come in the order of writing: the result for one is reused for many.
        let serves = |leads: &Leads| (leads.written - written).abs() < SPAN_S / 2.0;
        if !self.last.get(key).is_some_and(serves) {
            let sorted = leads_around(runtime, key, written)?;
            self.last.insert(key.to_owned(), Leads { written, sorted });
        }
        let Leads { sorted, .. } = &self.last[key];
        let below = |bound: f64| sorted.partition_point(|lead| *lead < bound);
        let alike = below(lead_s + ALIKE_S) - below(lead_s - ALIKE_S);
        // One of them is the entry itself.
        Ok(alike > OTHERS_MIN && 2 * alike > sorted.len())
    }
}

/// By how much each reading of that stream is ahead of its writing, s, in rising order.
fn leads_around<R: ReadEntries>(runtime: &mut R, key: &str, written: f64) -> Result<Vec<f64>, RunError> {
    let waiting = Query::of(&[key], TimeField::WriteTs).in_area(Area::Usercache);
    let around = waiting.between(Some(written - SPAN_S), Some(written + SPAN_S));
    let mut leads = Vec::new();
    for_each_entry(runtime, &around, |_, entry| {
        let ts = text::value_of(entry.data, "ts").and_then(text::number);
        leads.extend(ts.map(|ts| ts - entry.write_ts));
        Ok(())
    })?;
    leads.sort_unstable_by(f64::total_cmp);
    Ok(leads)
}
