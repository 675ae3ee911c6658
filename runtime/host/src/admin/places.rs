//! The names that a person gave to places.
//!
//! * A name is an entry `manual/place_user_input` about a stay, as the reference's own forms are, whose form is
//!   [`NAME_FORM`]. The pipeline connects it with the confirmed place of that stay, which says where it is.
//! * Not here: which stays are at one place. Who shows the names decides how near that is; the last name counts.

use std::ops::ControlFlow;

use cells_model::Point;
use runtime_program::Failure;
use runtime_store::{ReadError, Snapshot};
use runtime_types::TimeField;
use runtime_user::{Stamp, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::days::query;
use super::reading::{Reading, told};

/// The member `name` of an entry that names a place.
pub const NAME_FORM: &str = "place-name";
/// How many names one answer has; earlier ones are left out.
pub const PLACE_NAMES_MAX: usize = 2_000;

/// What the person entered about stays.
const NAMINGS: &str = "manual/place_user_input";
/// Where the person stayed.
const PLACES: &str = "analysis/confirmed_place";
/// How far a stay may be from what it is called after the analysis has moved its ends, s.
const SLACK_S: f64 = 60.0;

/// Asks for the names that a person gave to places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPlaces {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`ShowPlaces`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacesShown {
    /// The person's id.
    pub id: String,
    /// The names, the last one last; at most [`PLACE_NAMES_MAX`].
    pub places: Vec<NamedPlace>,
}

/// A place with a name. A later one that is near it takes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedPlace {
    /// The name; empty where an earlier one was taken back.
    pub name: String,
    /// Degrees, from -180 to 180.
    pub longitude: f64,
    /// Degrees, from -90 to 90.
    pub latitude: f64,
}

impl Ask for ShowPlaces {
    type Answer = PlacesShown;

    fn answer(self, context: &Context<'_>) -> Result<PlacesShown, Failure> {
        let user = context.find(&self.person)?;
        self.answer_to(context, user, None)
    }
}

impl ShowPlaces {
    /// The names as an answer to one of the person's devices, which its audit names; none: the console.
    pub(crate) fn answer_to(
        self,
        context: &Context<'_>,
        user: UserId,
        device: Option<&Stamp>,
    ) -> Result<PlacesShown, Failure> {
        let reading = Reading {
            command: "places",
            device,
            what: "places",
            streams: vec![NAMINGS.to_owned(), PLACES.to_owned()],
            time: "write_ts",
            span: [f64::NEG_INFINITY, f64::INFINITY],
        };
        told(context.runtime, user, reading, |person| {
            let snapshot = person.store.snapshot();
            let found = named(&snapshot).map_err(|error| Failure::of(&error, "look into the host's log"));
            let (places, entries) = found?;
            Ok((PlacesShown { id: user.dashed(), places }, entries))
        })
    }
}

/// An entry about a stay.
#[derive(Deserialize)]
struct Naming {
    start_ts: f64,
    end_ts: f64,
    name: Option<String>,
    label: Option<String>,
}

/// A stay.
#[derive(Deserialize)]
struct Stay {
    location: Point,
}

/// The names, and how many entries were read.
fn named(snapshot: &Snapshot) -> Result<(Vec<NamedPlace>, u64), ReadError> {
    let (mut namings, mut entries) = (Vec::new(), 0);
    let all = query(NAMINGS, TimeField::WriteTs, [f64::NEG_INFINITY, f64::INFINITY]);
    snapshot.find(&all)?.visit(&mut |row| {
        entries += 1;
        let naming = serde_json::from_str::<Naming>(row.data).ok();
        namings.extend(naming.filter(|naming| naming.name.as_deref() == Some(NAME_FORM)));
        ControlFlow::Continue(())
    })?;
    let mut places = Vec::new();
    for naming in &namings[namings.len().saturating_sub(PLACE_NAMES_MAX)..] {
        let Some([longitude, latitude]) = place_of(snapshot, naming)? else { continue };
        entries += 1;
        let name = naming.label.clone().unwrap_or_default();
        places.push(NamedPlace { name, longitude, latitude });
    }
    Ok((places, entries))
}

/// Where a stay is that begins, or else ends, in the span of a name.
fn place_of(snapshot: &Snapshot, naming: &Naming) -> Result<Option<[f64; 2]>, ReadError> {
    let [begins, ends] =
        [[naming.start_ts - SLACK_S, naming.end_ts], [naming.start_ts, naming.end_ts + SLACK_S]];
    for (field, span) in [(TimeField::EnterTs, begins), (TimeField::ExitTs, ends)] {
        let mut place = None;
        snapshot.find(&query(PLACES, field, span))?.visit(&mut |row| {
            place = serde_json::from_str::<Stay>(row.data).ok().map(|stay| stay.location.coordinates);
            ControlFlow::Break(())
        })?;
        if place.is_some() {
            return Ok(place);
        }
    }
    Ok(None)
}
