//! Runs of a person with several devices: each device's trips are found in its own points, and the carried one is
//! followed.

use std::collections::{BTreeMap, BTreeSet};

use cells_geometry::Position;
use cells_locations::{Locations, Sampling};
use cells_sdk::model::EntryId;

use crate::fix::position;
use crate::follow::{Before, Chosen, Device, Followed, follow};
use crate::memory::Memory;
use crate::method::{Segmentation, segment};
use crate::points::{Behind, Points, Segments, SortedOut, has_place};
use crate::signals::Signals;
use crate::store::{LastTrip, OpenEntry};
use crate::tracks::{Point, split};

/// The prefix of the stamp of a token, which several phones may show.
const TOKEN: &str = "token-";
/// After such a silence, later points do not belong to a device's last trip, s.
const SILENT_S: f64 = 7_200.0;

/// The data of one device: the points of one track under a name.
#[derive(Debug, Default)]
pub struct Sent {
    /// Its name; `None`: entries without a stamp.
    pub name: Option<String>,
    /// 0 for the carried one of several devices with the same name.
    track: usize,
    /// Whether it is another one with the same name, which stays in a place.
    stays: bool,
    /// Its points, sorted out.
    pub sorted: SortedOut,
}

impl Sent {
    /// Whether its entries have a stamp.
    pub fn is_stamped(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it is not known to stay somewhere.
    pub fn is_carried(&self) -> bool {
        !self.stays
    }
}

/// Separates the devices of a window. Points without a stamp belong to the only device there is, or otherwise to a
/// separate one.
pub fn devices(locations: &Locations, memory: &mut Memory) -> Vec<Sent> {
    let names: BTreeSet<Option<&str>> = (0..locations.len()).map(|row| locations.device(row)).collect();
    let named: Vec<&str> = names.iter().copied().flatten().collect();
    let of_name = |name: Option<&str>, own: &Locations, memory: &mut Memory| match name {
        Some(name) if name.starts_with(TOKEN) => of_tracks(name, own, memory),
        _ => vec![Sent {
            name: name.map(str::to_owned),
            track: 0,
            stays: false,
            sorted: Points::sort_out(own),
        }],
    };
    match named[..] {
        [] => of_name(None, locations, memory),
        [name] => of_name(Some(name), locations, memory),
        _ => names
            .into_iter()
            .flat_map(|name| {
                let mut own = locations.clone();
                own.retain_device(name);
                of_name(name, &own, memory)
            })
            .collect(),
    }
}

/// The devices that share a token.
fn of_tracks(name: &str, own: &Locations, memory: &mut Memory) -> Vec<Sent> {
    let columns = own.columns();
    let mut rows: Vec<usize> = (0..own.len()).filter(|row| has_place(own, *row)).collect();
    rows.sort_by(|a, b| columns.ts[*a].total_cmp(&columns.ts[*b]));
    let point = |row: &usize| Point {
        ts: columns.ts[*row],
        write_ts: columns.write_ts[*row],
        position: Position { latitude: columns.latitude[*row], longitude: columns.longitude[*row] },
    };
    let points: Vec<Point> = rows.iter().map(point).collect();
    let tracks = split(&points, &memory.stays(name));
    memory.add(name, &tracks.found);
    let mut track_of = vec![0; own.len()];
    rows.iter().zip(&tracks.track_of).for_each(|(row, track)| track_of[*row] = *track);
    let numbers: BTreeSet<usize> = track_of.iter().copied().collect();
    let sent = |track: usize| {
        let (name, stays) = (Some(name.to_owned()), (1..=tracks.stays).contains(&track));
        if numbers.len() == 1 {
            return Sent { name, track, stays, sorted: Points::sort_out(own) };
        }
        let mut of_track = own.clone();
        of_track.retain(|row| track_of[row] == track);
        Sent { name, track, stays, sorted: Points::sort_out(&of_track) }
    };
    numbers.iter().map(|track| sent(*track)).collect()
}

/// An end of a trip: the place of a point, and when somebody was there.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The point's entry.
    pub id: EntryId,
    /// When the point was made, s.
    pub made_ts: f64,
    /// When the trip began or ended there, s.
    pub ts: f64,
}

/// The two ends of a trip of these rows. `arrived_ts`: when the person came to the place before it, perhaps with another
/// device, s; a departure before that counts for nothing.
pub fn ends(points: &Points, found: &Segments, trip: (usize, usize), arrived_ts: f64) -> [End; 2] {
    let (start, end) = trip;
    let departure = found.unseen.get(&start).and_then(|unseen| unseen.departure);
    let from = match departure.filter(|departure| departure.ts >= arrived_ts) {
        Some(departure) => (departure.from, departure.ts),
        None => (start, points.ts[start]),
    };
    let (_, end_ts) = found.times(points, trip);
    [from, (end, end_ts)].map(|(row, ts)| End { id: points.ids[row], made_ts: points.ts[row], ts })
}

/// A trip of a run, and how it was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Where it begins.
    pub start: End,
    /// Where it ends.
    pub end: End,
    /// The method that found it.
    pub method: Sampling,
    /// Its device's signals besides the locations.
    pub signals: &'a Signals,
    /// The device, where there are several.
    pub device: Option<&'a str>,
}

/// The trips of several devices that are the person's.
#[derive(Debug)]
pub struct Carried<'a> {
    /// In the order of time.
    pub trips: Vec<Found<'a>>,
    /// See [`Followed::done_through`].
    pub done_through: Option<f64>,
    /// Points within those trips that another device with the same name sent.
    pub of_others: Vec<EntryId>,
}

static NO_SIGNALS: Signals = Signals { motion: Vec::new(), restarts: Vec::new(), stops: Vec::new() };

/// Finds the trips of a run that reads up to `run_end`, s. What is chosen does not depend on when runs take place, so a
/// part of a back-log is read like the window of a run at its end.
pub fn carried<'a>(
    sent: &'a [Sent],
    signals: &'a BTreeMap<Option<String>, Signals>,
    run_end: f64,
    open: Option<&OpenEntry>,
    last: Option<&LastTrip>,
) -> Carried<'a> {
    let signals_of = |sent: &Sent| signals.get(&sent.name).unwrap_or(&NO_SIGNALS);
    let found: Vec<(Segmentation, bool)> = sent
        .iter()
        .map(|sent| match sent.stays {
            true => (Segmentation::none(), true),
            false => of_device(&sent.sorted.points, signals_of(sent), run_end),
        })
        .collect();
    let devices: Vec<Device<'_>> = sent
        .iter()
        .zip(&found)
        .map(|(sent, (found, silent))| Device {
            points: &sent.sorted.points,
            found: &found.segments,
            silent: *silent,
        })
        .collect();
    let Followed { trips, done_through } = follow(&devices, before(sent, open, last));
    let of_others = trips.iter().flat_map(|trip| of_others(sent, trip)).collect();
    let mut arrived_ts = open.and_then(|open| open.place().enter_ts).unwrap_or(f64::NEG_INFINITY);
    let trips = trips.iter().map(|trip| {
        let (own, found) = (&sent[trip.device], &found[trip.device].0);
        let [start, end] = ends(&own.sorted.points, &found.segments, (trip.start, trip.end), arrived_ts);
        arrived_ts = end.ts;
        let (method, device) = (found.method, own.name.as_deref());
        Found { start, end, method, signals: signals_of(own), device }
    });
    Carried { trips: trips.collect(), done_through, of_others }
}

/// The trips in one device's points. A device that has fallen silent is assumed to stay where it was last: its last
/// trip ends as if a point came now.
fn of_device(points: &Points, signals: &Signals, run_end: f64) -> (Segmentation, bool) {
    let (Some(position), Some(written)) = (points.positions.last(), points.write_ts.last()) else {
        return (Segmentation::none(), true);
    };
    if run_end - written <= SILENT_S {
        return (segment(points, signals, run_end, Behind::Nothing), false);
    }
    let mut points = points.clone();
    points.ids.push(EntryId::NONE);
    points.ts.push(run_end.max(points.ts[points.len() - 1]));
    points.write_ts.push(run_end);
    points.sampling.push(points.sampling[points.len() - 2]);
    points.accuracy_m.push(f64::NAN);
    points.positions.push(*position);
    let mut found = segment(&points, signals, run_end, Behind::Nothing);
    let last = points.len() - 2;
    found.segments.trips.retain(|(start, _)| *start <= last);
    found.segments.trips.iter_mut().for_each(|(_, end)| *end = (*end).min(last));
    found.segments.done_through =
        found.segments.done_through.map(|through| through.min(points.write_ts[last]));
    (found, true)
}

/// The state of the diary; of several devices with the followed name, the first one is followed.
fn before(sent: &[Sent], open: Option<&OpenEntry>, last: Option<&LastTrip>) -> Before {
    let place = open.map(OpenEntry::place);
    let location = place.as_ref().map(|place| position(place.location));
    let name = last.and_then(|last| last.device.as_deref());
    let followed = sent.iter().position(|sent| name.is_some() && sent.name.as_deref() == name);
    Before { arrived_ts: place.and_then(|place| place.enter_ts), location, followed }
}

/// Points in a trip's time that other devices with the same name sent.
fn of_others<'a>(sent: &'a [Sent], trip: &Chosen) -> impl Iterator<Item = EntryId> + 'a {
    let own = &sent[trip.device];
    let (start, end) = (own.sorted.points.ts[trip.start], own.sorted.points.ts[trip.end]);
    let others = sent.iter().filter(move |other| other.name == own.name && other.track != own.track);
    others.flat_map(move |other| {
        let points = &other.sorted.points;
        let first = points.ts.partition_point(|ts| *ts < start);
        let behind = points.ts.partition_point(|ts| *ts <= end);
        points.ids[first..behind.max(first)].iter().copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{Departure, Unseen};

    #[test]
    fn a_departure_counts_unless_the_person_came_to_the_place_later() {
        let mut points = Points::default();
        for (number, ts) in [(1, 0.0), (2, 1_000.0), (3, 1_100.0)] {
            points.ids.push(EntryId([number; 12]));
            points.ts.push(ts);
        }
        let departure = Some(Departure { from: 0, ts: 700.0 });
        let unseen = Unseen { departure, arrival_ts: Some(1_050.0) };
        let found =
            Segments { trips: vec![(1, 2)], unseen: BTreeMap::from([(1, unseen)]), ..Segments::default() };
        let times = |arrived_ts: f64| {
            ends(&points, &found, (1, 2), arrived_ts).map(|end| (end.id, end.made_ts, end.ts))
        };
        let [before, behind] = [times(600.0), times(800.0)];
        assert_eq!(before[0], (points.ids[0], 0.0, 700.0));
        assert_eq!(behind[0], (points.ids[1], 1_000.0, 1_000.0));
        assert_eq!((before[1], behind[1]), ((points.ids[2], 1_100.0, 1_050.0), before[1]));
    }
}
