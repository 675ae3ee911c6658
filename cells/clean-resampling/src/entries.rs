//! The entries that a run writes: what is copied of the raw ones, and what cleaning replaces.
//!
//! Members that no type names are copied too.

use cells_geometry::Position;
use cells_sdk::RunError;
use cells_sdk::model::analysis::{Place, Section, Stop, Trip};
use cells_sdk::model::text::{push_number, push_whole};
use cells_sdk::model::{EntryId, Kept};
use serde::Serialize;

use crate::chain::{Journey, Stay};
use crate::points::ZoneTable;
use crate::resample::Step;
use crate::section::Cleaned;
use crate::window::Window;

/// A place, made from the raw one; `links`: the trips that led here and away, if they are known. Its exit is that of
/// the stay, since several raw places may be joined.
pub fn place(window: &Window, raw: EntryId, stay: &Stay, links: [Option<EntryId>; 2]) -> Kept<Place> {
    let Kept { known: raw, rest } = window.place(raw).data.clone();
    let [ending_trip, starting_trip] = links;
    let place = Place {
        enter_ts: raw.enter_ts,
        enter_local_dt: raw.enter_local_dt,
        enter_fmt_time: raw.enter_fmt_time,
        exit_ts: None,
        exit_local_dt: None,
        exit_fmt_time: None,
        ending_trip,
        starting_trip: None,
        location: raw.location,
        duration: None,
        source: raw.source,
        raw_places: None,
        reverse_geocode: None,
        display_name: None,
        cleaned_place: None,
        user_input: None,
        additions: None,
    };
    left(Kept { known: place, rest }, stay, starting_trip)
}

/// A place with the additions of a run: the raw places that were joined into it, and its exit.
pub fn left(place: Kept<Place>, stay: &Stay, starting_trip: Option<EntryId>) -> Kept<Place> {
    let Kept { known: mut place, rest } = place;
    place.raw_places.get_or_insert_default().extend(&stay.raw_places);
    if let Some(exit) = &stay.exit {
        place.starting_trip = starting_trip;
        place.exit_ts = Some(exit.ts);
        place.exit_local_dt = Some(exit.local_dt.clone());
        place.exit_fmt_time = Some(exit.fmt_time.clone());
        place.duration = place.enter_ts.map(|enter_ts| exit.ts - enter_ts);
    }
    Kept { known: place, rest }
}

/// A trip, or a span without readings; `places`: where it began and ended.
pub fn trip(window: &Window, journey: &Journey, [start_place, end_place]: [EntryId; 2]) -> Kept<Trip> {
    let raw = &window.journeys[journey.raw];
    let (start, end) = (journey.trip.start.clone(), journey.trip.end.clone());
    let known = Trip {
        start_ts: start.ts,
        start_local_dt: start.local_dt,
        start_fmt_time: start.fmt_time,
        end_ts: end.ts,
        end_local_dt: end.local_dt,
        end_fmt_time: end.fmt_time,
        start_place,
        end_place,
        start_loc: start.loc,
        end_loc: end.loc,
        duration: journey.trip.duration,
        distance: journey.trip.distance,
        source: raw.entry.data.known.source.clone(),
        device: raw.entry.data.known.device.clone(),
        raw_trip: (!raw.untracked).then_some(raw.entry.id),
        cleaned_trip: None,
        inferred_labels: None,
        inferred_trip: None,
        expectation: None,
        confidence_threshold: None,
        expected_trip: None,
        inferred_section_summary: None,
        cleaned_section_summary: None,
        ble_sensed_summary: None,
        user_input: None,
        additions: None,
        confirmed_trip: None,
        start_confirmed_place: None,
        end_confirmed_place: None,
        locations: None,
        sections: None,
    };
    Kept { known, rest: raw.entry.data.rest.clone() }
}

/// A section of a trip, by its number; `stops`: the ids of the trip's stops.
pub fn section(
    window: &Window,
    journey: &Journey,
    number: usize,
    trip_id: EntryId,
    stops: &[EntryId],
) -> Kept<Section> {
    let cleaned = &journey.trip.sections[number];
    let raw = &window.sections[cleaned.raw].data;
    let stop = |id: EntryId| {
        let number = journey.trip.stops.iter().position(|stop| window.stops[stop.raw].id == id);
        number.map(|number| stops[number])
    };
    let (start, end) = (cleaned.start.clone(), cleaned.end.clone());
    let known = Section {
        trip_id,
        start_ts: start.ts,
        start_local_dt: start.local_dt,
        start_fmt_time: start.fmt_time,
        end_ts: end.ts,
        end_local_dt: end.local_dt,
        end_fmt_time: end.fmt_time,
        start_loc: start.loc,
        end_loc: end.loc,
        start_stop: raw.known.start_stop.and_then(stop),
        end_stop: raw.known.end_stop.and_then(stop),
        duration: cleaned.duration,
        sensed_mode: cleaned.mode.number(),
        ble_sensed_mode: raw.known.ble_sensed_mode.clone(),
        source: raw.known.source.clone(),
        device: raw.known.device.clone(),
        speeds: cleaned.speeds.clone(),
        distances: cleaned.distances.clone(),
        distance: cleaned.distance,
        cleaned_section: None,
    };
    Kept { known, rest: raw.rest.clone() }
}

/// A stop of a trip, by its number; `sections`: the ids of the trip's sections.
pub fn stop(
    window: &Window,
    journey: &Journey,
    number: usize,
    trip_id: EntryId,
    sections: &[EntryId],
) -> Kept<Stop> {
    let cleaned = &journey.trip.stops[number];
    let raw = &window.stops[cleaned.raw].data;
    let (enter, exit) = (cleaned.enter.clone(), cleaned.exit.clone());
    let known = Stop {
        trip_id,
        enter_ts: enter.ts,
        enter_local_dt: enter.local_dt,
        enter_fmt_time: enter.fmt_time,
        exit_ts: exit.ts,
        exit_local_dt: exit.local_dt,
        exit_fmt_time: exit.fmt_time,
        enter_loc: enter.loc,
        exit_loc: exit.loc,
        ending_section: sections[cleaned.ending],
        starting_section: sections[cleaned.starting],
        duration: cleaned.duration,
        distance: cleaned.distance,
        source: raw.known.source.clone(),
        device: raw.known.device.clone(),
    };
    Kept { known, rest: raw.rest.clone() }
}

/// Appends the data of a point of a section, an [`cells_sdk::model::analysis::RecreatedLocation`].
pub fn point(
    step: &Step,
    section: &Cleaned,
    id: EntryId,
    zones: &ZoneTable,
    data: &mut String,
) -> Result<(), RunError> {
    let local = zones.get(step.zone).at(step.ts)?;
    let Position { latitude, longitude } = step.position;
    let number = |data: &mut String, before: &str, number: f64| {
        data.push_str(before);
        push_number(data, number);
    };
    number(data, r#"{"latitude":"#, latitude);
    number(data, r#","longitude":"#, longitude);
    number(data, r#","loc":{"type":"Point","coordinates":["#, longitude);
    number(data, ",", latitude);
    number(data, r#"]},"ts":"#, step.ts);
    data.push(',');
    local.write_members("", data);
    if step.altitude.is_finite() {
        number(data, r#","altitude":"#, step.altitude);
    }
    number(data, r#","distance":"#, step.distance);
    number(data, r#","speed":"#, step.speed);
    number(data, r#","heading":"#, step.heading);
    data.push_str(r#","idx":"#);
    push_whole(data, step.idx.into());
    data.push_str(r#","mode":"#);
    push_whole(data, section.point_mode.number().into());
    data.push_str(r#","section":"#);
    id.push_to(data);
    data.push('}');
    Ok(())
}

/// An entry's data as JSON.
pub fn json(data: &Kept<impl Serialize>) -> String {
    data.write().expect("the types hold only what JSON can represent")
}

#[cfg(test)]
mod tests {
    use cells_sdk::model::Point;
    use cells_sdk::model::analysis::RecreatedLocation;
    use cells_sdk::model::background::MotionType;

    use super::*;
    use crate::fix::Fix;
    use crate::section::Path;

    #[test]
    fn a_point_is_written_as_its_type_is_read() {
        let mut zones = ZoneTable::default();
        let zone = zones.number("Europe/Zurich");
        let position = Position { latitude: 47.25, longitude: 8.5 };
        let step = Step {
            ts: 1_600_000_000.5,
            position,
            altitude: 400.0,
            zone,
            distance: 1e-7,
            speed: 3.25,
            heading: -90.0,
            idx: 7,
        };
        let (local_dt, fmt_time) = cells_sdk::model::time::local(step.ts, "Europe/Zurich").expect("sound");
        let loc = Point::at(8.5, 47.25);
        let end = Fix { ts: step.ts, local_dt: local_dt.clone(), fmt_time: fmt_time.clone(), loc };
        let section = Cleaned {
            raw: 0,
            start: end.clone(),
            end,
            duration: 0.0,
            mode: MotionType::Walking,
            point_mode: MotionType::Bicycling,
            speeds: Vec::new(),
            distances: Vec::new(),
            distance: 0.0,
            path: Path::Steps(Vec::new()),
        };
        let id = EntryId([0xab; 12]);
        let expected = RecreatedLocation {
            latitude: 47.25,
            longitude: 8.5,
            loc,
            ts: step.ts,
            local_dt: Some(local_dt),
            fmt_time: Some(fmt_time),
            altitude: Some(400.0),
            distance: step.distance,
            speed: step.speed,
            heading: step.heading,
            idx: Some(7),
            mode: MotionType::Bicycling.number(),
            section: id,
        };
        for (step, altitude) in [(step, Some(400.0)), (Step { altitude: f64::NAN, ..step }, None)] {
            let mut data = String::new();
            point(&step, &section, id, &zones, &mut data).expect("sound");
            let read: RecreatedLocation = serde_json::from_str(&data).expect("a point");
            assert_eq!(read, RecreatedLocation { altitude, ..expected.clone() });
            assert_eq!(data, serde_json::to_string(&read).expect("plain"), "nothing more, in the same order");
        }
    }
}
