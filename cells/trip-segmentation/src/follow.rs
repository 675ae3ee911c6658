//! Which of several devices' trips are the person's: those of the device that moves.
//!
//! Each device has trips from its own points. A person is in one place, so trips that overlap in time are one trip, or
//! another person's. The rules, in the order of time:
//!
//! * A trip that goes nowhere does not count: the device has not moved.
//! * The device that was followed last is still followed. Where it stays and another one moves, the other one is
//!   followed.
//! * Where the followed device falls silent on the way and another one, beside it, continues, the other one's trip
//!   counts.
//! * The first device to be followed is the one that went furthest; of nearly equal ones, the first of the list.
//! * The rest of a trip after another one counts where it leads away from the end of that one.
//! * A decision that depends on a device which has not reached a stay yet is left to the next run.
//!
//! So trips never overlap. Each decision depends only on earlier ones, so that runs after each upload decide the same
//! as a single run.

use cells_geometry::{Position, distance};
use cells_sdk::WINDOW_GAP_S;

use crate::points::{Points, Segments};
use crate::spread::{STAY_M, Tail, length_m, moves};

/// Two devices this near each other are with the same person, m.
const TOGETHER_M: f64 = 500.0;
/// Another device has continued where its trip ends this far from the end of the followed one's, m.
const WENT_ON_M: f64 = 200.0;
/// Another device's trip counts instead of the followed one's where it has most of the way.
const MOST: f64 = 0.8;
/// Where lengths of trips differ by less than this factor, none of them is the longest.
const NEARLY: f64 = 1.25;
/// No person travels faster than this from one trip's end to another one's beginning, m/s.
const SPEED_M_S_MAX: f64 = 50.0;
/// Where a trip ended at a stay, there are points of the stay within this time, s.
const STAY_SEEN_S: f64 = 600.0;
/// The number of those points.
const STAY_SEEN_POINTS: usize = 3;
/// How old a fix may be that shows where a device is, s.
const WHERE_S: f64 = 900.0;
/// The mark is this long before the first point that the next run still needs, s: the gap to its window, and one more
/// second, so that rounding loses no point.
const BEFORE_NEEDED_S: f64 = WINDOW_GAP_S + 1.0;

/// The data of one device.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// Its points.
    pub points: &'a Points,
    /// The trips in them.
    pub found: &'a Segments,
    /// Whether its last trip was ended because it has been silent for long.
    pub silent: bool,
}

/// The state of the diary before the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// When the last place was reached, s: no trip begins earlier.
    pub arrived_ts: Option<f64>,
    /// The location of that place.
    pub location: Option<Position>,
    /// The device whose trip led there.
    pub followed: Option<usize>,
}

/// A trip that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The index of its device.
    pub device: usize,
    /// Its first row of that device's points.
    pub start: usize,
    /// Its last.
    pub end: usize,
}

/// What [`follow`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Followed {
    /// In the order of time, without overlaps.
    pub trips: Vec<Chosen>,
    /// `write_ts` up to which no point is needed again, s; `None` where no trip was chosen.
    pub done_through: Option<f64>,
}

/// A trip that may count.
#[derive(Debug, Clone, Copy)]
struct Trip {
    device: usize,
    start: usize,
    end: usize,
    start_ts: f64,
    end_ts: f64,
    length_m: f64,
    /// Whether points of a stay follow it.
    stays: bool,
    /// See [`Followed::done_through`].
    done_through: f64,
}

impl Trip {
    fn overlaps(&self, other: &Self) -> bool {
        self.start_ts < other.end_ts && other.start_ts < self.end_ts
    }
}

/// Chooses the trips of a person who has several devices.
pub fn follow(devices: &[Device<'_>], before: Before) -> Followed {
    let mut choice = Choice {
        devices,
        tails: devices.iter().map(tail).collect(),
        left: devices.iter().enumerate().flat_map(|(number, device)| trips(number, device)).collect(),
        followed: before.followed,
        arrived: before.arrived_ts.zip(before.location),
        chosen: Vec::new(),
        done_through: f64::NEG_INFINITY,
    };
    if let Some(ts) = before.arrived_ts {
        choice.cut_before(ts);
    }
    while choice.step() {}
    choice.finish()
}

/// A device's trips that go somewhere.
fn trips(number: usize, device: &Device<'_>) -> Vec<Trip> {
    let Device { points, found, .. } = *device;
    let all = &found.trips;
    let trips = all.iter().enumerate().map(|(at, (start, end))| {
        let next = all.get(at + 1).map(|(next, _)| points.write_ts[next.saturating_sub(1).max(*end)]);
        let last = || found.done_through.unwrap_or(points.write_ts[*end]);
        Trip { done_through: next.unwrap_or_else(last), ..trip(number, points, *start, *end) }
    });
    trips.filter(|trip| moves(&points.positions[trip.start..=trip.end])).collect()
}

fn trip(device: usize, points: &Points, start: usize, end: usize) -> Trip {
    let behind = points.ts.iter().zip(&points.positions).skip(end + 1);
    let near = behind
        .take_while(|(ts, position)| {
            **ts - points.ts[end] <= STAY_SEEN_S && distance(points.positions[end], **position) <= STAY_M
        })
        .count();
    Trip {
        device,
        start,
        end,
        start_ts: points.ts[start],
        end_ts: points.ts[end],
        length_m: length_m(&points.positions[start..=end]),
        stays: near >= STAY_SEEN_POINTS,
        done_through: points.write_ts[end],
    }
}

/// The rows of a device after its last trip, as rows of its points.
fn tail(device: &Device<'_>) -> Tail {
    if device.silent {
        return Tail::default();
    }
    let first = device.found.trips.last().map_or(0, |(_, end)| end + 1);
    let first = first.min(device.points.len());
    let Tail { leaves_at, moves_from } =
        Tail::of(&device.points.ts[first..], &device.points.positions[first..]);
    Tail { leaves_at: leaves_at.map(|row| row + first), moves_from: moves_from.map(|row| row + first) }
}

struct Choice<'a> {
    devices: &'a [Device<'a>],
    tails: Vec<Tail>,
    /// Undecided trips, all after those that were chosen.
    left: Vec<Trip>,
    followed: Option<usize>,
    /// When and where the last trip ended.
    arrived: Option<(f64, Position)>,
    chosen: Vec<Chosen>,
    /// Includes trips that do not count: a window that began within one would read its rest as a trip.
    done_through: f64,
}

impl Choice<'_> {
    /// Decides about one trip; `false`: no trip is left, or the rest must wait.
    fn step(&mut self) -> bool {
        let Some(first) = self.left.iter().copied().min_by(|a, b| self.earlier(a, b)) else { return false };
        let Some(followed) = self.followed else { return self.begin(first) };
        let own: Vec<Trip> = self.left.iter().copied().filter(|trip| trip.device == followed).collect();
        if first.device == followed {
            return self.go_on(first, &own);
        }
        let rivals: Vec<Trip> = own.into_iter().filter(|trip| trip.overlaps(&first)).collect();
        match rivals.first() {
            Some(_) if self.counts_instead(&first, &rivals) => self.choose(first),
            // The rest of the other trip after it is looked at again.
            Some(rival) => self.go_on(*rival, &rivals),
            None if self.is_on_its_way(followed, first.end_ts) => false,
            None => self.choose(self.longest_beside(first)),
        }
    }

    /// In the order of time; at the same moment the followed device's comes first.
    fn earlier(&self, a: &Trip, b: &Trip) -> std::cmp::Ordering {
        let other = |trip: &Trip| (Some(trip.device) != self.followed, trip.device);
        a.start_ts.total_cmp(&b.start_ts).then(other(a).cmp(&other(b)))
    }

    /// Decides which device is followed first.
    fn begin(&mut self, first: Trip) -> bool {
        let mut together = vec![first];
        loop {
            let joins = |trip: &&Trip| {
                !together.iter().any(|known| (known.device, known.start) == (trip.device, trip.start))
                    && together.iter().any(|known| known.overlaps(trip))
            };
            let Some(next) = self.left.iter().find(joins) else { break };
            together.push(*next);
        }
        let end_ts = together.iter().map(|trip| trip.end_ts).fold(f64::NEG_INFINITY, f64::max);
        let lengths: Vec<f64> = (0..self.devices.len())
            .map(|device| {
                together.iter().filter(|trip| trip.device == device).map(|trip| trip.length_m).sum()
            })
            .collect();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        // A device whose trip is not finished may have gone further.
        if (0..self.devices.len()).any(|device| self.is_on_its_way(device, end_ts)) {
            return false;
        }
        self.followed = (0..self.devices.len())
            .find(|device| lengths[*device] > 0.0 && lengths[*device] * NEARLY >= longest)
            .or(Some(first.device));
        true
    }

    /// Chooses the followed device's next trip, unless another device's counts instead.
    fn go_on(&mut self, next: Trip, own: &[Trip]) -> bool {
        if next.stays {
            return self.choose(next);
        }
        let others = 0..self.devices.len();
        if others.clone().any(|device| device != next.device && self.is_on_its_way(device, next.end_ts)) {
            return false;
        }
        let instead = self.left.iter().copied().find(|other| {
            let rivals: Vec<Trip> = own.iter().copied().filter(|trip| trip.overlaps(other)).collect();
            other.device != next.device && other.overlaps(&next) && self.counts_instead(other, &rivals)
        });
        match instead {
            Some(other) => self.choose(other),
            None => self.choose(next),
        }
    }

    /// Whether a trip counts instead of the followed device's trips that it overlaps.
    fn counts_instead(&self, other: &Trip, own: &[Trip]) -> bool {
        let Some(last) = own.last() else { return true };
        let own_m: f64 = own.iter().map(|trip| trip.length_m).sum();
        let ended = self.position(last.device, last.end);
        !last.stays
            && other.end_ts > last.end_ts
            && other.length_m >= MOST * own_m
            && distance(ended, self.position(other.device, other.end)) > WENT_ON_M
            && self.is_near(other.device, last.end_ts, Some(ended))
    }

    /// The longest of the trips that overlap this one, where the followed device has none.
    fn longest_beside(&self, first: Trip) -> Trip {
        let beside = self.left.iter().filter(|trip| trip.overlaps(&first));
        beside.fold(first, |best, trip| if trip.length_m > NEARLY * best.length_m { *trip } else { best })
    }

    /// Whether a device is on its way since before that moment, and has not reached a stay yet.
    fn is_on_its_way(&self, device: usize, before_ts: f64) -> bool {
        self.tails[device].moves_from.is_some_and(|row| self.devices[device].points.ts[row] < before_ts)
    }

    fn position(&self, device: usize, row: usize) -> Position {
        self.devices[device].points.positions[row]
    }

    /// Whether a device was at a place at a moment, judged by its nearest point in time.
    fn is_near(&self, device: usize, ts: f64, place: Option<Position>) -> bool {
        let Some(place) = place else { return true };
        let points = self.devices[device].points;
        let behind = points.ts.partition_point(|other| *other < ts);
        let nearest = [behind.checked_sub(1), Some(behind).filter(|row| *row < points.len())];
        let nearest = nearest.into_iter().flatten().min_by(|a, b| {
            let away = |row: &usize| (points.ts[*row] - ts).abs();
            away(a).total_cmp(&away(b))
        });
        nearest.is_some_and(|row| {
            (points.ts[row] - ts).abs() <= WHERE_S && distance(points.positions[row], place) <= TOGETHER_M
        })
    }

    /// Whether a person can have got from the last trip's end to the beginning of this one.
    fn can_be_reached(&self, trip: &Trip) -> bool {
        let Some((ts, place)) = self.arrived else { return true };
        let away = distance(place, self.position(trip.device, trip.start));
        away <= TOGETHER_M || away <= SPEED_M_S_MAX * (trip.start_ts - ts)
    }

    fn choose(&mut self, trip: Trip) -> bool {
        if !self.can_be_reached(&trip) {
            self.done_through = self.done_through.max(trip.done_through);
            self.left.retain(|left| (left.device, left.start) != (trip.device, trip.start));
            return true;
        }
        self.chosen.push(Chosen { device: trip.device, start: trip.start, end: trip.end });
        self.followed = Some(trip.device);
        self.arrived = Some((trip.end_ts, self.position(trip.device, trip.end)));
        self.done_through = self.done_through.max(trip.done_through);
        self.left.retain(|left| (left.device, left.start) != (trip.device, trip.start));
        self.cut_before(trip.end_ts);
        true
    }

    /// Keeps only the parts of trips after a moment, where the devices were with the person at that moment.
    fn cut_before(&mut self, ts: f64) {
        for old in std::mem::take(&mut self.left) {
            match if old.start_ts >= ts { Some(old) } else { self.rest_behind(old, ts) } {
                Some(rest) => self.left.push(rest),
                None => self.done_through = self.done_through.max(old.done_through),
            }
        }
    }

    /// The rest of a trip after a moment, if it leads away from where the person was then.
    fn rest_behind(&self, old: Trip, ts: f64) -> Option<Trip> {
        let points = self.devices[old.device].points;
        let start = points.ts.partition_point(|other| *other < ts);
        let place = self.arrived.map(|(_, place)| place);
        // A device that arrives later where the person already is goes nowhere.
        let away = place.is_none_or(|place| distance(points.positions[old.end], place) > WENT_ON_M);
        let remains = start < old.end
            && away
            && moves(&points.positions[start..=old.end])
            && self.is_near(old.device, ts, place);
        let rest = || Trip { done_through: old.done_through, ..trip(old.device, points, start, old.end) };
        remains.then(rest)
    }

    fn finish(self) -> Followed {
        if self.chosen.is_empty() {
            return Followed::default();
        }
        let waiting = self.left.iter().map(|trip| (trip.device, trip.start));
        let leaving =
            self.tails.iter().enumerate().filter_map(|(device, tail)| Some((device, tail.leaves_at?)));
        let needed = waiting.chain(leaving).map(|(device, row)| self.devices[device].points.write_ts[row]);
        let first_needed = needed.fold(f64::INFINITY, f64::min);
        let done_through = self.done_through.min(first_needed - BEFORE_NEEDED_S);
        Followed { trips: self.chosen, done_through: Some(done_through) }
    }
}

#[cfg(test)]
mod tests;
