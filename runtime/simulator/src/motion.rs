//! Moving: a trip as stretches of constant acceleration along paths.
//!
//! * Units: m, s since the plan's midnight, m/s, m/s².
//! * Invariants: speed is 0 at both ends of every section and at every halt; no halt is longer than
//!   [`HALT_S_MAX`], since five minutes on one spot end a trip.

use crate::geometry::{Path, Spot};
use crate::random::Random;

/// A wait within a trip stays well below the 300 s after which phones and segmentation detect an end.
const HALT_S_MAX: f64 = 170.0;
const _: () = assert!(HALT_S_MAX < 240.0);

/// Walking distance at either end of a ride, m, from which the shortest ride follows.
const ACCESS_M: f64 = 320.0;

/// A mode of travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// On foot: 1.2 to 1.6 m/s.
    Walk,
    /// Bicycle: 4 to 6 m/s between lights.
    Bicycle,
    /// Bus: a stop every 450 m; walking and waiting around the ride.
    Bus,
    /// Car: 11 to 17 m/s between lights.
    Car,
    /// Train: up to 25 m/s between stations 1.8 km apart, sometimes in a tunnel; walking around the ride.
    Train,
}

/// How a mode moves.
struct Gait {
    /// Cruising speed, from a slow to a fast stretch.
    cruise: (f64, f64),
    acceleration: f64,
    /// Distance between two points where a halt is possible, m.
    spacing_m: f64,
    /// Share of those points at which there is a halt.
    halts: f64,
    /// Duration of a halt, s.
    halt_s: (f64, f64),
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 5] = [Mode::Walk, Mode::Bicycle, Mode::Bus, Mode::Car, Mode::Train];

    fn gait(self) -> Gait {
        let gait = |cruise, acceleration, spacing_m, halts, halt_s| Gait {
            cruise,
            acceleration,
            spacing_m,
            halts,
            halt_s,
        };
        match self {
            Mode::Walk => gait((1.2, 1.6), 0.8, 200.0, 0.12, (4.0, 30.0)),
            Mode::Bicycle => gait((4.0, 6.0), 0.7, 200.0, 0.14, (5.0, 40.0)),
            Mode::Bus => gait((8.5, 13.0), 1.0, 450.0, 0.85, (10.0, 40.0)),
            Mode::Car => gait((11.0, 17.0), 1.8, 250.0, 0.22, (6.0, 60.0)),
            Mode::Train => gait((19.0, 25.0), 0.6, 1800.0, 1.0, (25.0, 50.0)),
        }
    }

    fn is_ridden_from_a_stop(self) -> bool {
        matches!(self, Mode::Bus | Mode::Train)
    }
}

/// A stretch of constant acceleration.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from_s: f64,
    at_m: f64,
    speed: f64,
    acceleration: f64,
}

/// One mode along one path, waiting for a ride included.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) mode: Mode,
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
    path: Path,
    stretches: Vec<Stretch>,
    /// Part of the path, in m along it, without satellite reception.
    tunnel: Option<(f64, f64)>,
}

/// What a person does at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) spot: Spot,
    pub(crate) speed: f64,
    pub(crate) bearing_deg: f64,
    /// `None`: at a place.
    pub(crate) mode: Option<Mode>,
    pub(crate) in_tunnel: bool,
}

impl Section {
    fn new(mode: Mode, path: Path, start_s: f64, random: &mut Random) -> Self {
        let gait = mode.gait();
        let (mut at_s, mut at_m) = (start_s, 0.0);
        let mut stretches = Vec::new();
        while path.length_m() - at_m > 0.01 {
            let halt_m = next_halt(&gait, at_m, path.length_m(), random);
            at_s = ride(&gait, &mut stretches, at_s, at_m, halt_m, random);
            at_m = halt_m;
            if path.length_m() - at_m > 0.01 {
                stretches.push(Stretch { from_s: at_s, at_m, speed: 0.0, acceleration: 0.0 });
                at_s += random.within(gait.halt_s.0, gait.halt_s.1).min(HALT_S_MAX);
            }
        }
        stretches.push(Stretch { from_s: at_s, at_m, speed: 0.0, acceleration: 0.0 });
        let tunnel = (mode == Mode::Train && path.length_m() > 3000.0 && random.chance(0.6)).then(|| {
            let from = random.within(0.2, 0.5) * path.length_m();
            (from, from + random.within(600.0, 1500.0))
        });
        Self { mode, start_s, end_s: at_s, path, stretches, tunnel }
    }

    /// Adds a wait at the end, which belongs to this section.
    fn waiting(mut self, wait_s: f64) -> Self {
        self.end_s += wait_s.min(HALT_S_MAX);
        self
    }

    pub(crate) fn distance_m(&self) -> f64 {
        self.path.length_m()
    }

    fn at(&self, at_s: f64) -> Moment {
        let after = self.stretches.partition_point(|stretch| stretch.from_s <= at_s).max(1);
        let stretch = self.stretches[after - 1];
        let elapsed = (at_s - stretch.from_s).max(0.0);
        let along = stretch.at_m + stretch.speed * elapsed + 0.5 * stretch.acceleration * elapsed * elapsed;
        let (spot, bearing_deg) = self.path.at(along);
        let speed = (stretch.speed + stretch.acceleration * elapsed).max(0.0);
        let in_tunnel = self.tunnel.is_some_and(|(from, to)| along > from && along < to);
        Moment { spot, speed, bearing_deg, mode: Some(self.mode), in_tunnel }
    }
}

fn next_halt(gait: &Gait, at_m: f64, length_m: f64, random: &mut Random) -> f64 {
    let mut halt_m = at_m;
    loop {
        halt_m += gait.spacing_m * random.within(0.8, 1.2);
        // A halt just before the end would be the end.
        if halt_m + 0.3 * gait.spacing_m >= length_m {
            return length_m;
        }
        if random.chance(gait.halts) {
            return halt_m;
        }
    }
}

/// Accelerates, cruises, slows down; returns the time of arrival.
fn ride(
    gait: &Gait,
    stretches: &mut Vec<Stretch>,
    from_s: f64,
    from_m: f64,
    to_m: f64,
    random: &mut Random,
) -> f64 {
    let (length, a) = (to_m - from_m, gait.acceleration);
    let peak = random.within(gait.cruise.0, gait.cruise.1).min((a * length).sqrt());
    let (ramp_s, ramp_m) = (peak / a, peak * peak / (2.0 * a));
    let cruise_s = (length - 2.0 * ramp_m).max(0.0) / peak;
    stretches.push(Stretch { from_s, at_m: from_m, speed: 0.0, acceleration: a });
    stretches.push(Stretch {
        from_s: from_s + ramp_s,
        at_m: from_m + ramp_m,
        speed: peak,
        acceleration: 0.0,
    });
    let braking_s = from_s + ramp_s + cruise_s;
    stretches.push(Stretch { from_s: braking_s, at_m: to_m - ramp_m, speed: peak, acceleration: -a });
    braking_s + ramp_s
}

/// From one place to another: one section, or walk, ride and walk.
#[derive(Debug, Clone)]
pub(crate) struct Trip {
    pub(crate) sections: Vec<Section>,
}

impl Trip {
    /// Begins at `start_s` along `path`. A ride shorter than three walks to a stop is replaced by a walk.
    pub(crate) fn new(mode: Mode, path: Path, start_s: f64, random: &mut Random) -> Self {
        let length = path.length_m();
        if !mode.is_ridden_from_a_stop() {
            return Self { sections: vec![Section::new(mode, path, start_s, random)] };
        }
        if length < 3.0 * ACCESS_M {
            return Self { sections: vec![Section::new(Mode::Walk, path, start_s, random)] };
        }
        let (board, alight) =
            (ACCESS_M * random.within(0.7, 1.2), length - ACCESS_M * random.within(0.7, 1.2));
        let there = Section::new(Mode::Walk, path.cut(0.0, board), start_s, random)
            .waiting(random.within(20.0, 140.0));
        let ride = Section::new(mode, path.cut(board, alight), there.end_s, random);
        let rest = Section::new(Mode::Walk, path.cut(alight, length), ride.end_s, random);
        Self { sections: vec![there, ride, rest] }
    }

    pub(crate) fn start_s(&self) -> f64 {
        self.sections.first().expect("a trip has a section").start_s
    }

    pub(crate) fn end_s(&self) -> f64 {
        self.sections.last().expect("a trip has a section").end_s
    }

    pub(crate) fn distance_m(&self) -> f64 {
        self.sections.iter().map(Section::distance_m).sum()
    }

    /// The mode of the longest section.
    pub(crate) fn main_mode(&self) -> Mode {
        let longest = self.sections.iter().max_by(|a, b| a.distance_m().total_cmp(&b.distance_m()));
        longest.expect("a trip has a section").mode
    }

    /// The state of the person at this moment; outside the trip, the person stands at its nearer end.
    pub(crate) fn at(&self, at_s: f64) -> Moment {
        let section = self.sections.iter().find(|section| at_s < section.end_s);
        let mut moment = match section {
            Some(section) => section.at(at_s),
            None => self.sections.last().expect("a trip has a section").at(self.end_s()),
        };
        if section.is_none() || at_s < self.start_s() {
            moment.mode = None;
        }
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(mode: Mode, length_m: f64, seed: u64) -> Trip {
        let path = Path::new(vec![Spot::new(0.0, 0.0), Spot::new(length_m, 0.0)]);
        Trip::new(mode, path, 1000.0, &mut Random::new(seed, 0))
    }

    #[test]
    fn a_trip_covers_its_path_without_a_jump_and_within_the_gait() {
        for seed in 0..60 {
            for mode in Mode::ALL {
                let trip = trip(mode, 500.0 + 150.0 * seed as f64, seed);
                let mut last = trip.at(trip.start_s());
                let mut at_s = trip.start_s();
                while at_s < trip.end_s() {
                    at_s += 1.0;
                    let now = trip.at(at_s);
                    let step = now.spot.distance_m(last.spot);
                    assert!(step <= 25.1 && now.speed <= 25.1, "seed {seed}, {mode:?} at {at_s}: {step}");
                    assert!(now.spot.east_m >= last.spot.east_m - 1e-6, "seed {seed}, {mode:?} at {at_s}");
                    last = now;
                }
                let end = trip.at(trip.end_s()).spot.east_m;
                assert!((end - trip.distance_m()).abs() < 0.1, "seed {seed}, {mode:?}: {end}");
            }
        }
    }

    #[test]
    fn nobody_stands_still_long_enough_to_end_a_trip() {
        for seed in 0..200 {
            for mode in Mode::ALL {
                let trip = trip(mode, 7000.0, seed);
                let (mut still_since, mut at_s) = (trip.start_s(), trip.start_s());
                while at_s < trip.end_s() {
                    if trip.at(at_s).speed > 0.0 {
                        still_since = at_s;
                    }
                    assert!(at_s - still_since < 240.0, "seed {seed}, {mode:?} at {at_s}");
                    at_s += 1.0;
                }
            }
        }
    }

    #[test]
    fn each_mode_has_its_own_mean_speed() {
        let expected = [
            (Mode::Walk, 1.05, 1.6),
            (Mode::Bicycle, 3.6, 5.4),
            (Mode::Bus, 3.5, 8.0),
            (Mode::Car, 6.5, 15.0),
            (Mode::Train, 7.0, 18.0),
        ];
        for (mode, slow, fast) in expected {
            for seed in 0..50 {
                let trip = trip(mode, 7000.0, seed);
                let section = trip.sections.iter().find(|section| section.mode == mode).unwrap();
                let mean = section.distance_m() / (section.end_s - section.start_s);
                assert!(mean > slow && mean < fast, "seed {seed}, {mode:?}: {mean} m/s");
            }
        }
    }
}
