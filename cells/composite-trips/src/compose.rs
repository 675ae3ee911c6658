//! Composes one trip: its places and sections are found by their ids, its locations by its time.
//!
//! Quirk: a trip that ends before it begins has no locations.

use cells_sdk::model::EntryId;
use cells_sdk::model::page::Entry;
use cells_sdk::{EntrySource, ReadEntries, RunError, TimeField};
use serde::Deserialize;

use crate::named::Named;
use crate::sections::{self, Modes};
use crate::window::Window;
use crate::{TRIP, UNTRACKED};

const LOCATION: &str = "analysis/recreated_location";
const INFERRED_SECTION: &str = "analysis/inferred_section";
const CLEANED_SECTION: &str = "analysis/cleaned_section";

/// A trip with more locations than this is thinned out.
const LOCATIONS_MAX: usize = 100;

/// A confirmed trip, or an untracked span, to be composed.
pub struct Trip<'a> {
    id: EntryId,
    untracked: bool,
    /// Its members, without the braces.
    members: &'a str,
    known: Known,
}

#[derive(Deserialize)]
struct Known {
    start_ts: f64,
    end_ts: f64,
    start_place: EntryId,
    end_place: EntryId,
    cleaned_trip: Option<EntryId>,
    raw_trip: Option<EntryId>,
}

/// The streams from which trips are composed. `C`: the runtime's cursor.
pub struct Around<C> {
    locations: Window<C, ()>,
    inferred: Window<C, sections::Note>,
    cleaned: Window<C, sections::Note>,
}

impl<C: EntrySource> Around<C> {
    /// Nothing is read yet.
    pub fn new() -> Self {
        let sections = |key| Window::new(key, TimeField::StartTs, sections::note);
        Self {
            locations: Window::new(LOCATION, TimeField::DataTs, |_| ()),
            inferred: sections(INFERRED_SECTION),
            cleaned: sections(CLEANED_SECTION),
        }
    }
}

impl<'a> Trip<'a> {
    /// `None` where a member is missing that every trip has.
    pub fn read(entry: &Entry<'a>) -> Option<Self> {
        let known = serde_json::from_str(entry.data).ok()?;
        let members = entry.data.trim_ascii().strip_prefix('{')?.strip_suffix('}')?;
        debug_assert!([TRIP, UNTRACKED].contains(&entry.key));
        Some(Self { id: entry.id, untracked: entry.key == UNTRACKED, members, known })
    }

    /// The places at both ends.
    pub fn places(&self) -> [EntryId; 2] {
        [self.known.start_place, self.known.end_place]
    }

    /// The raw trip from which it was made.
    pub fn raw_trip(&self) -> Option<EntryId> {
        self.known.raw_trip
    }

    /// The moments between which its sections begin, s: cleaning moves the ends of a trip, but its sections are within
    /// the raw trip or at those ends.
    fn sections_span(&self, named: &Named) -> (f64, f64) {
        let raw = self.known.raw_trip.and_then(|raw| named.raw_trip(raw));
        let raw = raw.into_iter().flat_map(|raw| [raw.start_ts, raw.end_ts]);
        let Known { start_ts, end_ts, .. } = self.known;
        raw.fold((start_ts.min(end_ts), start_ts.max(end_ts)), |(first, last), ts| {
            (first.min(ts), last.max(ts))
        })
    }

    /// Writes the composite trip's data into `data`, replacing its content. Returns whether it is complete: both places
    /// exist, and every mode has a name.
    pub fn compose<R: ReadEntries>(
        &self,
        runtime: &mut R,
        around: &mut Around<R::Entries>,
        named: &Named,
        data: &mut String,
    ) -> Result<bool, RunError> {
        data.clear();
        data.push('{');
        data.push_str(self.members.trim_ascii_end());
        data.push_str(r#","confirmed_trip":{"$oid":""#);
        data.push_str(&self.id.to_string());
        data.push_str("\"}");
        let mut whole = true;
        let mut place = |name: &str, text: Option<&str>| {
            whole &= text.is_some();
            for part in [",\"", name, "\":", text.unwrap_or("null")] {
                data.push_str(part);
            }
        };
        place("start_confirmed_place", named.place(self.known.start_place));
        place("end_confirmed_place", named.place(self.known.end_place));
        data.push_str(",\"locations\":[");
        self.write_locations(runtime, &mut around.locations, data)?;
        data.push_str("],\"sections\":[");
        whole &= self.write_sections(runtime, around, self.sections_span(named), data)?;
        data.push_str("]}");
        Ok(whole)
    }

    /// Of more than 100 locations, only each n-th is kept: n is one more than the quotient of their number and 100, as
    /// in the reference, so 51 to 100 are kept.
    fn write_locations<R: ReadEntries>(
        &self,
        runtime: &mut R,
        locations: &mut Window<R::Entries, ()>,
        data: &mut String,
    ) -> Result<(), RunError> {
        let Known { start_ts, end_ts, .. } = self.known;
        if self.untracked || end_ts < start_ts {
            return Ok(());
        }
        locations.reach(runtime, start_ts, end_ts)?;
        let count = locations.between(start_ts, end_ts).count();
        let step = if count > LOCATIONS_MAX { count / LOCATIONS_MAX + 1 } else { 1 };
        for (index, held) in locations.between(start_ts, end_ts).step_by(step).enumerate() {
            separate(index, data);
            data.push_str(held.text);
        }
        Ok(())
    }

    /// Inferred sections, or cleaned ones where there are none. Returns whether every mode has a name.
    fn write_sections<R: ReadEntries>(
        &self,
        runtime: &mut R,
        around: &mut Around<R::Entries>,
        (first, last): (f64, f64),
        data: &mut String,
    ) -> Result<bool, RunError> {
        let Some(trip) = self.known.cleaned_trip else { return Ok(true) };
        let mut written = 0;
        let mut known = true;
        for (window, modes) in [(&mut around.inferred, Modes::Inferred), (&mut around.cleaned, Modes::Sensed)]
        {
            if written > 0 {
                break;
            }
            window.reach(runtime, first, last)?;
            for held in window.between(first, last).filter(|held| held.note.trip == Some(trip)) {
                separate(written, data);
                known &= sections::write(held.text, held.note, modes, data);
                written += 1;
            }
        }
        Ok(known)
    }
}

fn separate(index: usize, data: &mut String) {
    if index > 0 {
        data.push(',');
    }
}
