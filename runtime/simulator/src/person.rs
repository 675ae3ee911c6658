//! Invented people and their plans: where each lives, and where a day takes them.

use crate::day::{SimulatedDay, simulate_day};
use crate::geometry::Spot;
use crate::motion::Mode;
use crate::phone::{Faults, Phone, Span};
use crate::random::Random;
use crate::town::{Place, Town};

/// Random streams of a seed that do not belong to a day: a day's stream is its midnight, which is far below.
const INVENTING: u64 = 1 << 63;
const PLANNING: u64 = 1 << 62;

/// Indices of a person's places.
const HOME: usize = 0;
const WORK: usize = 1;
const SHOP: usize = 2;
const FIRST_ELSEWHERE: usize = 3;

/// A person with a phone, a home, and habits.
#[derive(Clone)]
pub struct Person {
    /// The town where they live.
    pub town: Town,
    /// The phone that they carry.
    pub phone: Phone,
    /// Home, work, a shop, and others, in this order.
    pub places: Vec<Place>,
    /// The mode of travel to work.
    pub commute: Mode,
    /// The faults on most days.
    pub faults: Faults,
    seed: u64,
}

/// A way to a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// Earliest departure, s after the plan's midnight.
    pub depart_s: f64,
    /// Index of the destination; a leg to a place that the plan does not have is left out.
    pub to: usize,
    /// The mode.
    pub mode: Mode,
}

/// Where a person goes on one day.
#[derive(Clone)]
pub struct DayPlan {
    /// The town.
    pub town: Town,
    /// The phone that they carry.
    pub phone: Phone,
    /// Local midnight at which the day begins, s since 1970.
    pub midnight_ts: i64,
    /// The places that legs name.
    pub places: Vec<Place>,
    /// Index of the place where the day begins.
    pub start: usize,
    /// In the order of departure.
    pub legs: Vec<Leg>,
    /// The faults of the phone.
    pub faults: Faults,
}

impl Person {
    /// Invents a person in the invented town. The same seed and phone always give the same person.
    pub fn invent(seed: u64, phone: Phone) -> Self {
        let mut random = Random::new(seed, INVENTING);
        let home = Spot::new(random.within(1500.0, 10_500.0), random.within(1000.0, 7000.0));
        let work = loop {
            let spot = Spot::new(random.within(500.0, 11_500.0), random.within(500.0, 7500.0));
            if (900.0..9000.0).contains(&spot.distance_m(home)) {
                break spot;
            }
        };
        let mut places = vec![Place::new("home", home), Place::new("work", work)];
        let near =
            [("shop", home, 500.0, 1100.0), ("canteen", work, 450.0, 800.0), ("park", home, 700.0, 1900.0)];
        let far = [("friend", home, 1500.0, 5000.0), ("cinema", home, 2000.0, 4500.0)];
        for (name, around, low, high) in near.into_iter().chain(far) {
            places.push(Place::new(name, around_spot(around, low, high, &mut random)));
        }
        let commute = usual_mode(home.distance_m(work), &mut random);
        Self { town: Town::invented(), phone, places, commute, faults: Faults::usual(), seed }
    }

    /// What this person does on a day, counted from 1970-01-01 in local time. Every day begins and ends at home and is
    /// over by 23:30, so any number of days can follow one another.
    pub fn plan(&self, day: u32) -> DayPlan {
        let mut random = Random::new(self.seed, PLANNING | u64::from(day));
        // 1970-01-01 was a Thursday; 0 is Monday.
        let weekday = (day + 3) % 7;
        let legs = if weekday < 5 { self.working_day(&mut random) } else { self.free_day(&mut random) };
        let mut faults = self.faults.clone();
        if random.chance(0.02) {
            let from_s = random.within(1.0, 4.0) * 3600.0;
            faults.off.push(Span { from_s, to_s: from_s + random.within(0.2, 2.0) * 3600.0 });
        }
        DayPlan {
            town: self.town.clone(),
            phone: self.phone,
            midnight_ts: i64::from(day) * 86_400 - self.town.utc_offset_s,
            places: self.places.clone(),
            start: HOME,
            legs,
            faults,
        }
    }

    fn working_day(&self, random: &mut Random) -> Vec<Leg> {
        let mut legs = vec![leg(random.within(7.2, 9.2), WORK, self.commute)];
        if random.chance(0.4) {
            legs.push(leg(random.within(12.0, 12.6), FIRST_ELSEWHERE, Mode::Walk));
            legs.push(leg(random.within(12.9, 13.4), WORK, Mode::Walk));
        }
        if random.chance(0.35) {
            legs.push(leg(random.within(16.0, 17.5), SHOP, self.commute));
            legs.push(leg(17.6, HOME, Mode::Walk));
        } else {
            legs.push(leg(random.within(16.3, 18.0), HOME, self.commute));
        }
        if random.chance(0.3) {
            self.outing(random.within(19.3, 19.8), random.within(1.0, 1.6), &mut legs, random);
        }
        legs
    }

    fn free_day(&self, random: &mut Random) -> Vec<Leg> {
        let mut legs = Vec::new();
        if random.chance(0.75) {
            let by = if random.chance(0.6) { Mode::Walk } else { Mode::Bicycle };
            legs.push(leg(random.within(9.5, 11.0), SHOP, by));
            legs.push(leg(11.5, HOME, by));
        }
        if random.chance(0.6) {
            self.outing(random.within(14.0, 15.0), random.within(1.5, 3.0), &mut legs, random);
        }
        legs
    }

    /// There and back to one of the other places.
    fn outing(&self, depart_h: f64, stay_h: f64, legs: &mut Vec<Leg>, random: &mut Random) {
        let to =
            FIRST_ELSEWHERE + 1 + random.below(self.places.len().saturating_sub(FIRST_ELSEWHERE + 1).max(1));
        let Some(place) = self.places.get(to) else { return };
        let mode = usual_mode(place.spot.distance_m(self.places[HOME].spot), random);
        legs.push(leg(depart_h, to, mode));
        legs.push(leg(depart_h + stay_h + 0.5, HOME, mode));
    }
}

fn leg(depart_h: f64, to: usize, mode: Mode) -> Leg {
    Leg { depart_s: depart_h * 3600.0, to, mode }
}

/// The usual mode for that distance.
fn usual_mode(distance_m: f64, random: &mut Random) -> Mode {
    let choice: &[Mode] = if distance_m < 1200.0 {
        &[Mode::Walk]
    } else if distance_m < 4000.0 {
        &[Mode::Bicycle, Mode::Bicycle, Mode::Bus, Mode::Car]
    } else {
        &[Mode::Bus, Mode::Car, Mode::Car, Mode::Train, Mode::Train]
    };
    choice[random.below(choice.len())]
}

/// A spot of the town at that distance from another.
fn around_spot(around: Spot, low_m: f64, high_m: f64, random: &mut Random) -> Spot {
    loop {
        let spot = around.shifted(random.within(-high_m, high_m), random.within(-high_m, high_m));
        let inside = (0.0..12_000.0).contains(&spot.east_m) && (0.0..8000.0).contains(&spot.north_m);
        if inside && (low_m..high_m).contains(&spot.distance_m(around)) {
            return spot;
        }
    }
}

/// The days of a person from `first_day` on (counted from 1970-01-01), each created when it is asked for. A day is the
/// same whether it is asked for alone or in a row.
pub fn simulate_days(person: &Person, first_day: u32, count: u32) -> impl Iterator<Item = SimulatedDay> + '_ {
    (first_day..first_day.saturating_add(count)).map(|day| simulate_day(&person.plan(day), person.seed))
}
