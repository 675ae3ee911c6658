//! Whether readings that were written around one are ahead of their writing by as much as it is.
//!
//! A receiver tells the true time, but the moment of writing is told by the phone's clock. Where that is set wrong by
//! hours, all readings seem to come from the future; where one reading is wrong, only that one does.

use std::collections::BTreeMap;

use cells_model::text;
use cells_sdk::{Area, Query, ReadEntries, RunError, TimeField, for_each_entry};

/// Readings written so long before and behind one are looked at, s.
const SPAN_S: f64 = 1_800.0;
/// Two readings are ahead alike where they differ by less, s.
const ALIKE_S: f64 = 300.0;
/// So many others must be ahead alike, and more than are not.
const OTHERS_MIN: usize = 3;

/// By how much readings are ahead, of each stream where that was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Around {
    last: BTreeMap<String, Leads>,
}

/// Of the readings that were written around a moment.
#[derive(Debug)]
struct Leads {
    /// s
    written: f64,
    /// In rising order, s.
    sorted: Vec<f64>,
}

impl Around {
    /// Looks at what waits in the stream of an entry that was written at `written` and is `lead_s` ahead of that.
    pub(crate) fn are_ahead_alike<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        key: &str,
        written: f64,
        lead_s: f64,
    ) -> Result<bool, RunError> {
        // Readings come in the order of writing: what was read for the last one serves many.
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
