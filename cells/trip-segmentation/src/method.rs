//! Which method finds the trips, depending on how the phones choose their fixes.

use cells_locations::{ANY_CADENCE, Sampling};

use crate::points::{Behind, Points, Segments};
use crate::signals::Signals;
use crate::{app_method, distance_method, time_method};

/// The trips of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// Trips as rows of [`Points`].
    pub segments: Segments,
    /// The method that gives its name to all of them.
    pub method: Sampling,
}

impl Segmentation {
    /// The result without points.
    pub fn none() -> Self {
        Self { segments: Segments::default(), method: UNNAMED_IS_TIME }
    }
}

/// Finds the trips of a run that reads up to `run_end`, s, with that behind it; the points are not empty.
///
/// All points go to the only method that any of them names. If both of the reference's are named, each gets the rows
/// from the first to the last that name it. Points that an app chose in another way have their own method where no
/// point names one of the reference's.
pub fn segment(points: &Points, signals: &Signals, run_end: f64, behind: Behind) -> Segmentation {
    let method = first_named(points).unwrap_or(UNNAMED_IS_TIME);
    let other = match method {
        Sampling::Time => Some(Sampling::Distance),
        Sampling::Distance => Some(Sampling::Time),
        Sampling::App => None,
    };
    let segments = match other.filter(|other| points.sampling.contains(&Some(*other))) {
        Some(other) => segment_mixed(points, signals, run_end, [method, other]),
        None => segment_by(method, points, 0..points.len(), signals, behind),
    };
    Segmentation { segments, method }
}

/// The method where no point names its sampling, as in histories from other apps. The reference fails on them for ever.
/// The method for points in time ends trips both at stays and at silences, so it suits either sampling.
const UNNAMED_IS_TIME: Sampling = Sampling::Time;

/// The first of the reference's samplings that a point names; else the app's, if any point names that.
pub fn first_named(points: &Points) -> Option<Sampling> {
    let named = || points.sampling.iter().copied().flatten();
    named().find(|sampling| *sampling != Sampling::App).or_else(|| named().next())
}

/// The reference's rule for an owner who changed phones within the window: the ranges are cut by rows, but the signals
/// by write times between the points' own times, and the trips are put in the order of the ranges. Ranges that overlap
/// (both phones at once, or there and back) give overlapping trips; of two ranges that begin at the same moment only
/// the later method's trips remain.
fn segment_mixed(points: &Points, signals: &Signals, run_end: f64, methods: [Sampling; 2]) -> Segments {
    let mut parts = methods.map(|method| {
        let names_it = |named: &Option<Sampling>| *named == Some(method);
        let first = points.sampling.iter().position(names_it).expect("both are named");
        let last = points.sampling.iter().rposition(names_it).expect("both are named");
        let until = points.ts.get(last + 1).copied().unwrap_or(run_end);
        let own = signals.written_within(points.ts[first], until);
        // Each ends somewhere: a part of a back-log is read like the window of a run at its end.
        (points.ts[first], segment_by(method, points, first..last + 1, &own, Behind::Nothing))
    });
    let done_through = parts.iter().filter_map(|(_, part)| part.done_through).reduce(f64::max);
    parts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(first, a), (second, b)] = parts;
    let kept = if first == second { Vec::new() } else { a.trips };
    Segments { trips: [kept, b.trips].concat(), done_through, ..Segments::default() }
}

fn segment_by(
    method: Sampling,
    points: &Points,
    rows: std::ops::Range<usize>,
    signals: &Signals,
    behind: Behind,
) -> Segments {
    let first = rows.start;
    let track = points.track(rows);
    let mut segments = match method {
        Sampling::Time => time_method::segment(track, signals, behind),
        Sampling::Distance => distance_method::segment(track, signals, behind),
        Sampling::App => return app_method::segment(points, first..first + track.ts.len()),
    };
    for (start, end) in &mut segments.trips {
        (*start, *end) = (*start + first, *end + first);
    }
    segments
}

/// The name of the source of a method's results: the reference's, where the method is.
pub fn source(method: Sampling) -> &'static str {
    match method {
        Sampling::Time => "DwellSegmentationTimeFilter",
        Sampling::Distance => "DwellSegmentationDistFilter",
        Sampling::App => ANY_CADENCE,
    }
}
