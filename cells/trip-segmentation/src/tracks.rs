//! Separates two physical devices with one name, by what is physically possible.
//!
//! Two phones of one kind that show the same token look like one device whose points jump. A single jump is a bad fix,
//! and a journey by plane does not come back; but points that leave a track and return to it again and again, faster
//! than any travel, come from another device.
//!
//! * A *detour* is a run of points, each more than `FAR_M` off the track before and after it, that would have to be
//!   visited faster than `DETOUR_M_S`.
//! * Three detours to one place: a device stays there. Its points are those near that place, except where the carried
//!   device comes there: the carried device's points are recognised by their rhythm.
//! * Three detours that form a separate track: two devices are carried.
//! * A place where a device has stayed is stored, so that a short window gives the same result as a long one.

use cells_geometry::{Position, distance};

use crate::spread::{STAY_M, middle};

/// A point this near a track may belong to it, m.
const FAR_M: f64 = 250.0;
/// No person travels a detour at this speed, m/s.
const DETOUR_M_S: f64 = 50.0;
/// A track that moves continues at a speed that exists on the ground, m/s, and soon: two bad fixes are no track.
const TRACK_M_S: f64 = 100.0;
const TRACK_S: f64 = 120.0;
/// How many detours make a device.
const DETOURS_MIN: usize = 3;
/// How many points, and seconds, a detour may have.
const DETOUR_POINTS: usize = 8;
const DETOUR_S: f64 = 300.0;
/// Detours to one place end this near each other, m.
const PLACE_M: f64 = 150.0;
/// And they must be this far apart in time, s: a person who walks by is gone by then.
const PLACE_S: f64 = 600.0;
/// How far from a place its device's points may be, m.
const RADIUS_M: std::ops::RangeInclusive<f64> = FAR_M..=400.0;
/// A single point up to this many times as far away is a bad fix of that device.
const BAD_FIX: f64 = 3.0;
/// The most detours that are examined: more add no information.
const DETOURS_MAX: usize = 400;
/// The most devices that may stay somewhere.
const STAYS_MAX: usize = 8;

/// The rhythm of a carried phone is below this, s.
const RHYTHM_S_MAX: f64 = 120.0;
/// The rhythm where it cannot be measured, s.
const RHYTHM_S: f64 = 30.0;
/// How much a rhythm may vary.
const RHYTHM: std::ops::RangeInclusive<f64> = 0.4..=1.6;
/// The factor by which a speed may vary.
const FASTER: f64 = 3.0;
/// A speed below this is never too fast, m/s.
const SPEED_M_S: f64 = 5.0;
/// How long a carried device is followed where it stands at another one's place, s: longer than its phone takes to
/// notice a stay.
const STANDING_S: f64 = 400.0;

/// A place at which a device stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stay {
    /// The middle of the place.
    pub place: Position,
    /// Within this distance, m.
    pub radius_m: f64,
    /// When the points that show it were written, s.
    pub since: f64,
}

/// One point that came under a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// s
    pub ts: f64,
    /// s
    pub write_ts: f64,
    /// Where.
    pub position: Position,
}

/// The assignment of points to devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tracks {
    /// For each point the number of its track; 0 is that of the carried device.
    pub track_of: Vec<usize>,
    /// How many devices stay somewhere: they have the numbers from 1 on.
    pub stays: usize,
    /// New places at which a device stays.
    pub found: Vec<Stay>,
}

/// Separates the devices with one name; `known`: the places where some of them stay.
pub fn split(points: &[Point], known: &[Stay]) -> Tracks {
    let mut tracks = Tracks { track_of: vec![0; points.len()], ..Tracks::default() };
    let mut number = 0;
    for stay in known {
        number += 1;
        take_stay(points, &mut tracks.track_of, stay, number);
    }
    while known.len() + tracks.found.len() < STAYS_MAX {
        let rows: Vec<usize> = rows_of(&tracks.track_of, 0);
        let Some(stay) = find_stay(points, &detours(points, &rows)) else { break };
        if !take_stay(points, &mut tracks.track_of, &stay, number + 1) {
            break;
        }
        number += 1;
        tracks.found.push(stay);
    }
    tracks.stays = known.len() + tracks.found.len();
    let rows = rows_of(&tracks.track_of, 0);
    let detours = detours(points, &rows);
    if let Some(first) = detours.first().filter(|_| is_a_track(points, &detours)) {
        associate(points, &rows, first, &mut tracks.track_of, number + 1);
    }
    tracks
}

fn rows_of(track_of: &[usize], track: usize) -> Vec<usize> {
    (0..track_of.len()).filter(|row| track_of[*row] == track).collect()
}

/// A point off a track, and the track's point before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Detour {
    before: usize,
    off: usize,
}

/// Points that would have to be visited faster than any travel, each once.
fn detours(points: &[Point], rows: &[usize]) -> Vec<Detour> {
    let metres = |a: usize, b: usize| distance(points[a].position, points[b].position);
    let mut found: Vec<Detour> = Vec::new();
    for (at, before) in rows.iter().copied().enumerate() {
        let off = detour_behind(points, &rows[at..], metres).unwrap_or(&[]);
        found.extend(off.iter().map(|off| Detour { before, off: *off }));
        if found.len() >= DETOURS_MAX {
            break;
        }
    }
    found
}

/// The points between the first one and the next on its track, if all of them are off it and out of reach.
fn detour_behind<'r>(
    points: &[Point],
    rows: &'r [usize],
    metres: impl Fn(usize, usize) -> f64,
) -> Option<&'r [usize]> {
    let before = *rows.first()?;
    for (behind, row) in rows.iter().copied().enumerate().take(DETOUR_POINTS + 2).skip(1) {
        let seconds = points[row].ts - points[before].ts;
        if seconds > DETOUR_S {
            return None;
        }
        let step = metres(before, row);
        // On the track, or near the point before: no detour, or its end.
        let goes_on = step <= TRACK_M_S * seconds && seconds <= TRACK_S;
        let (off, back) = (&rows[1..behind], step <= FAR_M || goes_on);
        let is_off = |off: &usize| {
            let (there, home) = (metres(before, *off), metres(*off, row));
            there.min(home) > FAR_M.max(2.0 * step) && there + home > DETOUR_M_S * seconds
        };
        if step <= FAR_M && off.is_empty() {
            return None;
        }
        if back && !off.is_empty() && off.iter().all(is_off) {
            return Some(off);
        }
    }
    None
}

/// The place that most detours lead to, or from.
fn find_stay(points: &[Point], detours: &[Detour]) -> Option<Stay> {
    let off: Vec<usize> = detours.iter().map(|detour| detour.off).collect();
    if let Some(stay) = crowd(points, &off) {
        return Some(stay);
    }
    // The device that stays may send more points: then the other one's points are the detours.
    let before: Vec<usize> = detours.iter().map(|detour| detour.before).collect();
    if is_a_track(points, detours) { crowd(points, &before) } else { None }
}

/// The place at which most of these points lie, if there are enough.
fn crowd(points: &[Point], rows: &[usize]) -> Option<Stay> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows.dedup();
    let near = |place: Position| -> Vec<usize> {
        rows.iter().copied().filter(|row| distance(points[*row].position, place) <= PLACE_M).collect()
    };
    let most = rows.iter().map(|row| near(points[*row].position)).max_by_key(Vec::len)?;
    let seconds = points[*most.last()?].ts - points[*most.first()?].ts;
    if most.len() < DETOURS_MIN || seconds < PLACE_S {
        return None;
    }
    let positions: Vec<Position> = most.iter().map(|row| points[*row].position).collect();
    let place = middle(&positions)?;
    let mut away: Vec<f64> = positions.iter().map(|position| distance(*position, place)).collect();
    away.sort_by(f64::total_cmp);
    let radius_m = (2.5 * away[away.len() * 3 / 4]).clamp(*RADIUS_M.start(), *RADIUS_M.end());
    // The third detour makes it certain.
    let since = points[most[DETOURS_MIN - 1]].write_ts;
    Some(Stay { place, radius_m, since })
}

/// Whether the points of detours form a separate track, on which most have a next one within reach.
fn is_a_track(points: &[Point], detours: &[Detour]) -> bool {
    let mut off: Vec<usize> = detours.iter().map(|detour| detour.off).collect();
    off.sort_unstable();
    off.dedup();
    // If two devices send equally many points, each one's points are detours off the other's track.
    let goes_on = |(at, row): (usize, &usize)| {
        let point = &points[*row];
        let soon = off[at + 1..].iter().map(|row| &points[*row]);
        let mut soon = soon.take_while(|next| next.ts - point.ts <= TRACK_S);
        soon.any(|next| distance(point.position, next.position) <= DETOUR_M_S * (next.ts - point.ts))
    };
    off.len() >= DETOURS_MIN && 2 * off.iter().enumerate().filter(|off| goes_on(*off)).count() >= off.len()
}

/// Assigns the points near a place to the device that stays there, except those of the carried device. Returns whether
/// there were any.
fn take_stay(points: &[Point], track_of: &mut [usize], stay: &Stay, number: usize) -> bool {
    let rows = rows_of(track_of, 0);
    let within = within(points, &rows, stay);
    let pace = Pace::of(points, &rows, &within);
    let mut carried = vec![false; rows.len()];
    for at in 0..rows.len() {
        if within[at] {
            continue;
        }
        carried[at] = true;
        let walk = |step: isize, carried: &mut Vec<bool>| {
            let next = |at: usize| at.checked_add_signed(step).filter(|next| *next < rows.len());
            if next(at).is_some_and(|next| within[next]) {
                follow_pace(points, &rows, &within, (at, step), pace, carried);
            }
        };
        walk(1, &mut carried);
        walk(-1, &mut carried);
    }
    let mut any = false;
    for (at, row) in rows.iter().enumerate() {
        if !carried[at] {
            track_of[*row] = number;
            any = true;
        }
    }
    any
}

/// Which points are at the place, including bad fixes: single points outside.
fn within(points: &[Point], rows: &[usize], stay: &Stay) -> Vec<bool> {
    let away: Vec<f64> = rows.iter().map(|row| distance(points[*row].position, stay.place)).collect();
    let outside: Vec<usize> = (0..rows.len()).filter(|at| away[*at] > stay.radius_m).collect();
    let mut within: Vec<bool> = away.iter().map(|away| *away <= stay.radius_m).collect();
    for (number, at) in outside.iter().enumerate() {
        let neighbours = [number.checked_sub(1), Some(number + 1)].into_iter().flatten();
        let mut neighbours = neighbours.filter_map(|number| outside.get(number));
        let seconds = |other: usize| (points[rows[other]].ts - points[rows[*at]].ts).abs();
        let alone = neighbours.all(|other| seconds(*other) > RHYTHM_S_MAX);
        within[*at] = alone && away[*at] <= BAD_FIX * stay.radius_m;
    }
    within
}

/// How the points of a carried device follow one another.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The usual time between two points, s.
    rhythm_s: f64,
    /// How fast it may be, m/s.
    speed_m_s_max: f64,
}

impl Pace {
    /// The pace of the points that are not at the place.
    fn of(points: &[Point], rows: &[usize], within: &[bool]) -> Self {
        let outside = rows.iter().zip(within).filter(|(_, within)| !**within).map(|(row, _)| &points[*row]);
        let outside: Vec<&Point> = outside.collect();
        let seconds = |pair: &[&Point]| pair[1].ts - pair[0].ts;
        let steps = || outside.windows(2).filter(|pair| (1e-3..=RHYTHM_S_MAX).contains(&seconds(pair)));
        let speed = |pair: &[&Point]| distance(pair[0].position, pair[1].position) / seconds(pair);
        Self {
            rhythm_s: median(steps().map(seconds)).unwrap_or(RHYTHM_S),
            speed_m_s_max: median(steps().map(speed))
                .map_or(SPEED_M_S, |speed| SPEED_M_S.max(FASTER * speed)),
        }
    }
}

fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

/// From a point of the carried device into the place: its next points are those at its pace, until it stands.
fn follow_pace(
    points: &[Point],
    rows: &[usize],
    within: &[bool],
    (from, step): (usize, isize),
    Pace { rhythm_s, speed_m_s_max }: Pace,
    carried: &mut [bool],
) {
    let mut last = from;
    let (mut stands_at, mut since) = (points[rows[from]].position, points[rows[from]].ts);
    loop {
        let (point, mut best) = (&points[rows[last]], None::<(f64, usize)>);
        let mut at = last;
        while let Some(next) = at.checked_add_signed(step).filter(|next| *next < rows.len()) {
            at = next;
            let other = &points[rows[at]];
            let seconds = (other.ts - point.ts).abs();
            if !within[at] || seconds > RHYTHM.end() * rhythm_s {
                break;
            }
            let reachable = distance(other.position, point.position) <= STAY_M.max(speed_m_s_max * seconds);
            let off = (seconds - rhythm_s).abs();
            if seconds >= RHYTHM.start() * rhythm_s && reachable && best.is_none_or(|(best, _)| off < best) {
                best = Some((off, at));
            }
        }
        let Some((_, next)) = best else { return };
        let point = &points[rows[next]];
        if distance(point.position, stands_at) > STAY_M {
            (stands_at, since) = (point.position, point.ts);
        }
        if (point.ts - since).abs() > STANDING_S {
            return;
        }
        carried[next] = true;
        last = next;
    }
}

/// Assigns each point to the nearer of two devices that are both carried, forward and backward from where there are
/// certainly two.
fn associate(points: &[Point], rows: &[usize], first: &Detour, track_of: &mut [usize], number: usize) {
    let place = |row: usize| rows.iter().position(|known| *known == row).unwrap_or(0);
    let (before, off) = (place(first.before), place(first.off));
    track_of[first.off] = number;
    let mut walk = |order: &mut dyn Iterator<Item = usize>| {
        let mut last = [first.before, first.off];
        for at in order {
            let point = &points[rows[at]];
            let cost = |from: usize| {
                let (metres, seconds) =
                    (distance(point.position, points[from].position), (point.ts - points[from].ts).abs());
                let impossible = metres > FAR_M && metres > DETOUR_M_S * seconds;
                (impossible, metres)
            };
            let costs = last.map(cost);
            let nearer = costs[0].0.cmp(&costs[1].0).then(costs[0].1.total_cmp(&costs[1].1));
            let device = usize::from(nearer.is_gt());
            track_of[rows[at]] = if device == 0 { 0 } else { number };
            last[device] = rows[at];
        }
    };
    walk(&mut (off + 1..rows.len()));
    walk(&mut (0..before).rev());
}

#[cfg(test)]
mod tests;
