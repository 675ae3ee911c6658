//! Points at even times: a section's fixes, interpolated every 30 s and at its end.
//!
//! * Latitude and longitude are interpolated linearly between the fixes before and after; see
//!   [`cells_geometry::between`] for the 180th meridian and the poles.
//! * The altitude is interpolated between the nearest fixes that have one. A point before the first of these or after
//!   the last has none. Not as the reference: there a fix without an altitude loses the points beside it.
//! * A point without a place, for instance where the two first fixes have the same moment, is left out; the other
//!   points keep their numbers.

use cells_geometry::{Position, between, distance, heading, over};

use crate::points::{INTERVAL_S, Sample};

/// One point of a resampled section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// s
    pub ts: f64,
    /// The place, degrees.
    pub position: Position,
    /// m; NaN where it is unknown.
    pub altitude: f64,
    /// As in [`Sample::zone`].
    pub zone: u16,
    /// From the point before, m.
    pub distance: f64,
    /// From the point before, m/s.
    pub speed: f64,
    /// From the point before, degrees.
    pub heading: f64,
    /// Its number in the section, counting points that were left out.
    pub idx: u32,
}

/// How many points a track will give, before those without numbers are left out.
pub fn count(samples: &[Sample]) -> f64 {
    match samples {
        [] => 0.0,
        [_] => 1.0,
        [first, .., last] => ((last.ts - first.ts) / INTERVAL_S).ceil().max(0.0) + 1.0,
    }
}

/// Resamples a track of two fixes or more.
pub fn resample(samples: &[Sample]) -> Vec<Step> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let line = Line::through(samples);
    let zones = Zones::of(samples);
    let between = count(samples) as usize - 1;
    let mut steps: Vec<Step> = Vec::with_capacity(between + 1);
    let mut previous: Option<(f64, Position)> = None;
    for number in 0..=between {
        let ts = if number == between { last.ts } else { first.ts + number as f64 * INTERVAL_S };
        let (position, altitude) = (line.at(ts), line.altitude_at(ts));
        let (mut metres, mut speed, mut direction) = (0.0, 0.0, 0.0);
        if let Some((previous_ts, previous)) = previous {
            metres = distance(previous, position);
            speed = over(metres, ts - previous_ts);
            direction = heading(previous, position);
        }
        previous = Some((ts, position));
        let idx = u32::try_from(number).unwrap_or(u32::MAX);
        let step = Step {
            ts,
            position,
            altitude,
            zone: zones.at(ts),
            distance: metres,
            speed,
            heading: direction,
            idx,
        };
        if step.is_sound() {
            steps.push(step);
        }
    }
    steps
}

impl Step {
    fn is_sound(&self) -> bool {
        let numbers = [self.distance, self.speed, self.heading];
        self.position.is_finite() && numbers.into_iter().all(f64::is_finite)
    }
}

/// Fixes in the order of their moments, for interpolation.
struct Line {
    samples: Vec<Sample>,
    /// Moment and altitude of the fixes that have one.
    altitudes: Vec<(f64, f64)>,
}

impl Line {
    fn through(samples: &[Sample]) -> Self {
        let mut samples = samples.to_vec();
        // An added end may come before the fixes; fixes of one moment keep their order.
        if !samples.is_sorted_by(|a, b| a.ts <= b.ts) {
            samples.sort_by(|a, b| a.ts.total_cmp(&b.ts));
        }
        let known = samples.iter().filter(|sample| sample.altitude.is_finite());
        let altitudes = known.map(|sample| (sample.ts, sample.altitude)).collect();
        Self { samples, altitudes }
    }

    /// Where the line is at `ts`. Outside the fixes the nearest two decide.
    fn at(&self, ts: f64) -> Position {
        let behind = self.samples.partition_point(|sample| sample.ts < ts).clamp(1, self.samples.len() - 1);
        let (low, high) = (&self.samples[behind - 1], &self.samples[behind]);
        between(low.position, high.position, ts - low.ts, high.ts - low.ts)
    }

    /// The altitude of the line at `ts`, m; NaN outside the fixes whose altitude is known.
    fn altitude_at(&self, ts: f64) -> f64 {
        let behind = self.altitudes.partition_point(|(known_ts, _)| *known_ts < ts);
        match (behind.checked_sub(1).map(|before| self.altitudes[before]), self.altitudes.get(behind)) {
            (Some((low_ts, low)), Some((high_ts, high))) => {
                (high - low) / (high_ts - low_ts) * (ts - low_ts) + low
            }
            (None, Some((first_ts, first))) if *first_ts == ts => *first,
            _ => f64::NAN,
        }
    }
}

/// The zone of a track at each time.
struct Zones {
    /// Zone, first and last moment; the last moment of one is the first of the next.
    spans: Vec<(u16, f64, f64)>,
}

impl Zones {
    fn of(samples: &[Sample]) -> Self {
        let mut spans: Vec<(u16, f64, f64)> = Vec::new();
        for sample in samples {
            match spans.last_mut() {
                Some((zone, _, end)) if *zone == sample.zone => *end = sample.ts,
                last => {
                    if let Some((.., end)) = last {
                        *end = sample.ts;
                    }
                    spans.push((sample.zone, sample.ts, sample.ts));
                }
            }
        }
        Self { spans }
    }

    /// The zone of the span that contains `ts`; of several, which share a moment, the longest, or the first of those.
    fn at(&self, ts: f64) -> u16 {
        if let [(zone, ..)] = self.spans[..] {
            return zone;
        }
        let mut best: Option<(u16, f64)> = None;
        for (zone, start, end) in &self.spans {
            let longer = best.is_none_or(|(_, length)| end - start > length);
            if (*start..=*end).contains(&ts) && longer {
                best = Some((*zone, end - start));
            }
        }
        // If fixes are out of order, a moment may be in no span.
        best.or(self.spans.first().map(|(zone, ..)| (*zone, 0.0))).map_or(0, |(zone, _)| zone)
    }
}

#[cfg(test)]
mod tests {
    use cells_sdk::model::Point;
    use proptest::prelude::*;

    use super::*;

    fn fix(ts: f64, latitude: f64) -> Sample {
        let (position, loc) = (Position { latitude, longitude: 8.0 }, Point::at(8.0, latitude));
        Sample { ts, position, loc, altitude: 400.0, zone: 0 }
    }

    fn times(steps: &[Step]) -> Vec<f64> {
        steps.iter().map(|step| step.ts).collect()
    }

    #[test]
    fn a_section_has_a_point_every_30_s_and_one_at_its_end() {
        let steps = resample(&[fix(100.0, 47.0), fix(170.0, 47.007)]);
        assert_eq!(times(&steps), [100.0, 130.0, 160.0, 170.0]);
        assert!((steps[1].position.latitude - 47.003).abs() < 1e-9);
        assert_eq!((steps[0].distance, steps[0].speed, steps[0].heading, steps[0].idx), (0.0, 0.0, 0.0, 0));
        assert!((steps[3].speed - steps[3].distance / 10.0).abs() < 1e-9 && steps[3].idx == 3);
    }

    #[test]
    fn an_end_on_a_full_step_is_there_once() {
        assert_eq!(times(&resample(&[fix(0.0, 47.0), fix(60.0, 47.1)])), [0.0, 30.0, 60.0]);
    }

    // Row: "A point without an altitude costs"
    #[test]
    fn an_altitude_is_interpolated_between_fixes_that_have_one_and_absent_outside_them() {
        let high = |ts, altitude| Sample { altitude, ..fix(ts, 47.0 + ts / 1e4) };
        let nan = f64::NAN;
        let altitudes = |fixes: &[Sample]| -> Vec<Option<f64>> {
            let steps = resample(fixes);
            assert!(steps.iter().enumerate().all(|(number, step)| step.idx as usize == number));
            steps.iter().map(|step| step.altitude.is_finite().then_some(step.altitude)).collect()
        };
        assert_eq!(
            altitudes(&[high(0.0, 400.0), high(40.0, nan), high(90.0, 430.0), high(120.0, 500.0)]),
            [Some(400.0), Some(410.0), Some(420.0), Some(430.0), Some(500.0)]
        );
        assert_eq!(
            altitudes(&[high(0.0, nan), high(30.0, 400.0), high(90.0, 430.0), high(120.0, nan)]),
            [None, Some(400.0), Some(415.0), Some(430.0), None]
        );
        assert_eq!(altitudes(&[high(0.0, nan), high(45.0, 400.0), high(60.0, nan)]), [None; 3]);
        assert_eq!(altitudes(&[high(0.0, nan), high(60.0, nan)]), [None; 3]);
    }

    // Row: "Longitudes are interpolated"
    #[test]
    fn a_drive_over_the_180th_meridian_is_as_long_as_one_elsewhere() {
        let drive = |longitude: f64| -> Vec<Sample> {
            let fix = |n: u32| {
                let longitude = cells_geometry::wrapped(longitude + f64::from(n) * 0.004);
                let position = Position { latitude: -16.8, longitude };
                Sample { position, loc: Point::at(longitude, -16.8), ..fix(f64::from(n) * 31.0, -16.8) }
            };
            (0..40).map(fix).collect()
        };
        let (here, there) = (resample(&drive(179.93)), resample(&drive(20.0)));
        assert_eq!(times(&here), times(&there));
        for (here, there) in here.iter().zip(&there) {
            assert!((here.distance - there.distance).abs() < 1e-6, "{here:?} {there:?}");
            assert!((here.heading - there.heading).abs() < 1e-6 && here.position.longitude.abs() <= 180.0);
        }
    }

    #[test]
    fn two_first_fixes_of_one_moment_cost_the_first_step_and_the_next_one() {
        let steps = resample(&[fix(0.0, 47.0), fix(0.0, 47.1), fix(90.0, 47.2)]);
        assert_eq!(times(&steps), [60.0, 90.0]);
        assert!(resample(&[fix(5.0, 47.0), fix(5.0, 47.1)]).is_empty());
    }

    #[test]
    fn a_moment_on_the_border_of_two_zones_belongs_to_the_longer_stay() {
        let zoned = |ts, zone| Sample { zone, ..fix(ts, 47.0) };
        let fixes = [zoned(0.0, 1), zoned(30.0, 1), zoned(60.0, 2), zoned(300.0, 2)];
        let zones: Vec<u16> = resample(&fixes).iter().map(|step| step.zone).collect();
        assert_eq!(zones[..4], [1, 1, 2, 2]);
    }

    proptest! {
        #[test]
        fn steps_are_valid_and_never_more_than_counted(
            fixes in prop::collection::vec((0.0..1e5, -90.0..90.0, any::<f64>()), 1..20),
        ) {
            let fixes: Vec<Sample> = fixes
                .into_iter()
                .map(|(ts, latitude, altitude)| Sample { altitude, ..fix(ts, latitude) })
                .collect();
            if fixes.len() > 1 {
                let steps = resample(&fixes);
                prop_assert!(steps.len() as f64 <= count(&fixes));
                prop_assert!(steps.iter().all(Step::is_sound));
            }
        }
    }
}
