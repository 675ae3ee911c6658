//! Google's three forms of a location history.

use cells_json::text::{self, value_of};
use cells_model::background::MotionType;

use super::{Record, each_member, moment, number};
use crate::entry::motion_of;
use crate::number::pair;
use crate::{Fix, Motion, Reading};

/// Whole numbers of this part of a degree.
const E7: f64 = 1e7;
/// Older files have numbers that passed through 32 bits: 2^32 in this part of a degree too many.
const WRAPPED: f64 = 4_294_967_296.0;

/// Degrees of a whole number of E7, which may have overflowed in its writer. `most`: 90 or 180.
fn degrees(e7: f64, most: f64) -> f64 {
    let unwrapped = if e7 > most * E7 { e7 - WRAPPED } else { e7 };
    unwrapped / E7
}

/// A record of `Records.json`.
pub fn record(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let raw = record.text;
    let (mut fix, mut more, mut activities) = (Fix { ts: f64::NAN, ..Fix::default() }, false, None);
    let (mut latitude, mut longitude) = (None, None);
    each_member(raw, |name, value| match name {
        "latitudeE7" => latitude = text::number(value),
        "longitudeE7" => longitude = text::number(value),
        "timestamp" | "timestampMs" => fix.ts = moment(value).unwrap_or(f64::NAN),
        "accuracy" => fix.accuracy = number(value),
        "altitude" => fix.altitude = number(value),
        "velocity" => fix.speed = number(value),
        "heading" => fix.heading = number(value),
        _ => {
            more = true;
            if name == "activity" {
                activities = Some(value);
            }
        }
    })?;
    if fix.ts.is_nan() {
        return Err("it has no time");
    }
    if let Some(activities) = activities {
        each_item(activities, |activity| {
            if let Some(motion) = observed(activity) {
                record.give(Reading::Motion(motion));
            }
        });
    }
    fix.latitude = degrees(latitude.ok_or("it has no latitude")?, 90.0);
    fix.longitude = degrees(longitude.ok_or("it has no longitude")?, 180.0);
    record.give_fix(fix, if more { raw } else { "" })
}

/// `{"activity":[{"type":"STILL","confidence":100},…],"timestamp":"…"}`: the most likely one.
fn observed(activity: &str) -> Option<Motion> {
    let ts = moment(value_of(activity, "timestamp").or_else(|| value_of(activity, "timestampMs"))?)?;
    let mut best: Option<(f64, MotionType)> = None;
    each_item(value_of(activity, "activity")?, |guess| {
        let confidence = value_of(guess, "confidence").and_then(number).unwrap_or(0.0);
        let kind = value_of(guess, "type").and_then(text::string).map(|word| motion_of(&word));
        // A rail or a road beside the vehicle itself says less than that.
        if let Some(kind) = kind.filter(|_| best.is_none_or(|(known, _)| confidence > known)) {
            best = Some((confidence, kind));
        }
    });
    motion(ts, best?.1, Some(best?.0))
}

fn motion(ts: f64, kind: MotionType, confidence: Option<f64>) -> Option<Motion> {
    let confidence = confidence.filter(|confidence| (0.0..=100.0).contains(confidence));
    crate::moment::is_a_moment(ts).then_some(Motion { ts, kind, confidence })
}

/// The items of a list that stands in a record.
fn each_item<'a>(list: &'a str, mut each: impl FnMut(&'a str)) {
    let items = cells_json::list::items(list.as_bytes()).unwrap_or_default();
    items.into_iter().filter_map(|item| std::str::from_utf8(item).ok()).for_each(|item| each(item.trim()));
}

/// An object of a monthly file: a stay, or a way between two.
pub fn semantic(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let text = record.text;
    if let Some(visit) = value_of(text, "placeVisit") {
        let [start, end] = span_of(visit)?;
        let place = value_of(visit, "location").and_then(place_of).ok_or("it has no place")?;
        return stay(record, place, [start, end]);
    }
    let segment = value_of(text, "activitySegment").ok_or("it is neither a visit nor an activity")?;
    let [start, end] = span_of(segment)?;
    let place = |name: &str| value_of(segment, name).and_then(place_of);
    if let Some(word) = value_of(segment, "activityType").and_then(text::string) {
        record.motions(start, end, motion_of(&word), None);
    }
    let [from, to] = [place("startLocation"), place("endLocation")];
    if from.is_none() && to.is_none() {
        return Err("it has no place");
    }
    if let Some([latitude, longitude]) = from {
        record.give_fix(Fix { ts: start, latitude, longitude, ..Fix::default() }, text)?;
    }
    let points =
        value_of(segment, "simplifiedRawPath").and_then(|path| value_of(path, "points")).unwrap_or("[]");
    let mut between = Vec::new();
    each_item(points, |point| {
        let ts = value_of(point, "timestamp").or_else(|| value_of(point, "timestampMs")).and_then(moment);
        let e7 = |name: &str, most| Some(degrees(number(value_of(point, name)?)?, most));
        if let (Some(ts), Some(latitude), Some(longitude)) = (ts, e7("latE7", 90.0), e7("lngE7", 180.0)) {
            let accuracy = value_of(point, "accuracyMeters").and_then(number);
            between.push(Fix { ts, latitude, longitude, accuracy, ..Fix::default() });
        }
    });
    for fix in between {
        record.give_fix(fix, "")?;
    }
    match to {
        Some([latitude, longitude]) => {
            record.give_fix(Fix { ts: end, latitude, longitude, ..Fix::default() }, "")
        }
        None => Ok(()),
    }
}

/// Start and end of `duration`, s.
fn span_of(object: &str) -> Result<[f64; 2], &'static str> {
    let duration = value_of(object, "duration").ok_or("it has no time")?;
    let at = |names: [&str; 2]| names.into_iter().find_map(|name| moment(value_of(duration, name)?));
    let start = at(["startTimestamp", "startTimestampMs"]).ok_or("it has no time")?;
    let end = at(["endTimestamp", "endTimestampMs"]).ok_or("it has no time")?;
    if end >= start { Ok([start, end]) } else { Err("it ends before it begins") }
}

fn place_of(place: &str) -> Option<[f64; 2]> {
    let e7 = |name: &str, most| Some(degrees(number(value_of(place, name)?)?, most));
    Some([e7("latitudeE7", 90.0)?, e7("longitudeE7", 180.0)?])
}

impl Record<'_, '_> {
    /// A motion that lasted: told at its start and, so that the next begins there, at its end.
    fn motions(&mut self, start: f64, end: f64, kind: MotionType, confidence: Option<f64>) {
        let ends = if end > start { vec![start, end] } else { vec![start] };
        for ts in ends {
            if let Some(motion) = motion(ts, kind, confidence) {
                self.give(Reading::Motion(motion));
            }
        }
    }
}

/// A stay is a fix when it begins and one when it ends; the record is kept with the first.
fn stay(record: &mut Record<'_, '_>, place: [f64; 2], [start, end]: [f64; 2]) -> Result<(), &'static str> {
    let raw = record.text;
    let [latitude, longitude] = place;
    let at = |ts: f64| Fix { ts, latitude, longitude, ..Fix::default() };
    record.give_fix(at(start), raw)?;
    if end > start { record.give_fix(at(end), "") } else { Ok(()) }
}

/// An object of `Timeline.json`, of an Android phone or of an iPhone.
pub fn timeline(record: &mut Record<'_, '_>) -> Result<(), &'static str> {
    let text = record.text;
    let has = |name: &str| value_of(text, name);
    if let Some(position) = has("position") {
        return raw_position(record, position);
    }
    if let Some(observed) = has("activityRecord") {
        return raw_activity(record, observed);
    }
    if has("wifiScan").is_some() {
        // Names of networks: nothing that a stage reads.
        return Ok(());
    }
    let at = |name: &str| has(name).and_then(moment);
    let start = at("startTime").ok_or("it has no time")?;
    let end = at("endTime").unwrap_or(start);
    if end < start {
        return Err("it ends before it begins");
    }
    if let Some(visit) = has("visit") {
        let candidate = value_of(visit, "topCandidate").ok_or("its visit has no candidate")?;
        let place = value_of(candidate, "placeLocation").and_then(place_text).ok_or("it has no place")?;
        return stay(record, place, [start, end]);
    }
    if let Some(activity) = has("activity") {
        return way(record, activity, [start, end]);
    }
    match has("timelinePath") {
        Some(path) => path_points(record, path, start),
        None if has("timelineMemory").is_some() => Ok(()),
        None => Err("it is neither a visit, an activity nor a path"),
    }
}

fn raw_position(record: &mut Record<'_, '_>, position: &str) -> Result<(), &'static str> {
    let [latitude, longitude] = ["LatLng", "latLng"]
        .into_iter()
        .find_map(|name| place_text(value_of(position, name)?))
        .ok_or("it has no place")?;
    let ts = value_of(position, "timestamp").and_then(moment).ok_or("it has no time")?;
    let of = |name: &str| value_of(position, name).and_then(number);
    let fix = Fix {
        ts,
        latitude,
        longitude,
        altitude: of("altitudeMeters"),
        accuracy: of("accuracyMeters"),
        speed: of("speedMetersPerSecond"),
        heading: None,
    };
    record.give_fix(fix, "")
}

fn raw_activity(record: &mut Record<'_, '_>, observed: &str) -> Result<(), &'static str> {
    let ts = value_of(observed, "timestamp").and_then(moment).ok_or("it has no time")?;
    let mut best: Option<(f64, MotionType)> = None;
    each_item(value_of(observed, "probableActivities").unwrap_or("[]"), |guess| {
        let share = value_of(guess, "confidence").and_then(number).unwrap_or(0.0);
        let kind = value_of(guess, "type").and_then(text::string).map(|word| motion_of(&word));
        if let Some(kind) = kind.filter(|_| best.is_none_or(|(known, _)| share > known)) {
            best = Some((share, kind));
        }
    });
    let (share, kind) = best.ok_or("it has no activity")?;
    // These confidences are shares of one.
    let motion = motion(ts, kind, Some(share * 100.0)).ok_or("its time is not between 1970 and 2100")?;
    record.give(Reading::Motion(motion));
    Ok(())
}

fn way(record: &mut Record<'_, '_>, activity: &str, [start, end]: [f64; 2]) -> Result<(), &'static str> {
    let raw = record.text;
    let place = |name: &str| value_of(activity, name).and_then(place_text);
    let candidate = value_of(activity, "topCandidate");
    if let Some(word) = candidate.and_then(|candidate| value_of(candidate, "type")).and_then(text::string) {
        record.motions(start, end, motion_of(&word), None);
    }
    let [from, to] = [place("start"), place("end")];
    let ends = [(start, from), (end, to)];
    if from.is_none() && to.is_none() {
        return Err("it has no place");
    }
    let mut raw = raw;
    for (ts, place) in ends {
        if let Some([latitude, longitude]) = place {
            record.give_fix(Fix { ts, latitude, longitude, ..Fix::default() }, raw)?;
            raw = "";
        }
    }
    Ok(())
}

/// Points with a time of their own (Android), or so many minutes behind the start (iPhone).
fn path_points(record: &mut Record<'_, '_>, path: &str, start: f64) -> Result<(), &'static str> {
    let mut points = Vec::new();
    each_item(path, |point| {
        let later = value_of(point, "durationMinutesOffsetFromStartTime").and_then(number);
        let ts = value_of(point, "time").and_then(moment).or_else(|| Some(start + later? * 60.0));
        points.push((ts, value_of(point, "point").and_then(place_text)));
    });
    let mut wrong = Ok(());
    for (ts, place) in points {
        let fix = match (ts, place) {
            (Some(ts), Some([latitude, longitude])) => Fix { ts, latitude, longitude, ..Fix::default() },
            _ => {
                wrong = Err("a point of its path has no time or no place");
                continue;
            }
        };
        if let Err(why) = record.give_fix(fix, "") {
            wrong = Err(why);
        }
    }
    wrong
}

/// A place as a text, or as an object that has one: `"35.1°, 139.1°"`, `"geo:35.1,139.1"`, `{"latLng":"…"}`.
fn place_text(value: &str) -> Option<[f64; 2]> {
    match text::string(value) {
        Some(text) => pair(&text),
        None => pair(&text::string(value_of(value, "latLng").or_else(|| value_of(value, "point"))?)?),
    }
}
