//! A day of somebody as the apps from the shops report it, in each app's documented form; the values are ours.

use serde_json::{Value, json};

/// When the day begins, s: 2023-11-14T07:00:00Z.
pub const DAY_S: f64 = 1_699_945_200.0;
/// A degree of latitude, m.
const DEGREE_M: f64 = 111_195.0;
const KNOT_M_S: f64 = 1_852.0 / 3_600.0;

/// A fix.
#[derive(Debug, Clone, Copy)]
pub struct Fix {
    pub ts: f64,
    pub latitude: f64,
    pub longitude: f64,
    pub speed_m_s: f64,
}

/// Home, 20 minutes of travel at 10 m/s, two hours elsewhere, and back. `rests`: a fix every 30 s also at rest, as an app
/// that keeps an interval sends; otherwise only while it moves.
pub fn day(rests: bool) -> Vec<Fix> {
    let (mut fixes, mut ts, mut latitude) = (Vec::new(), DAY_S, 46.5);
    let rest = |ts: &mut f64, latitude: f64, seconds: f64, fixes: &mut Vec<Fix>| {
        let end = *ts + seconds;
        while *ts < end {
            if rests || *ts + 30.0 >= end {
                // A receiver at rest is a metre or two off.
                let off = if (*ts as u64 / 30).is_multiple_of(2) { 0.000_01 } else { 0.0 };
                fixes.push(Fix { ts: *ts, latitude: latitude + off, longitude: 6.6, speed_m_s: 0.0 });
            }
            *ts += 30.0;
        }
    };
    rest(&mut ts, latitude, 1_800.0, &mut fixes);
    for direction in [1.0, -1.0] {
        for _ in 0..40 {
            latitude += direction * 300.0 / DEGREE_M;
            fixes.push(Fix { ts, latitude, longitude: 6.6, speed_m_s: 10.0 });
            ts += 30.0;
        }
        rest(&mut ts, latitude, 7_200.0, &mut fixes);
    }
    fixes
}

fn iso(ts: f64) -> String {
    jiff::Timestamp::from_second(ts as i64).expect("within the calendar").to_string()
}

/// A request: method, query with its question mark, body.
pub type Sent = (&'static str, String, String);

/// OwnTracks, in its HTTP mode: one object a request, km/h.
pub fn owntracks(fixes: &[Fix]) -> Vec<Sent> {
    let one = |fix: &Fix| {
        let body = json!({ "_type": "location", "lat": fix.latitude, "lon": fix.longitude, "tst": fix.ts as u64,
            "acc": 12, "alt": 380, "vac": 3, "vel": (fix.speed_m_s * 3.6).round() as u64, "cog": 0, "batt": 80,
            "bs": 1, "t": "u", "m": 2, "tid": "ad", "conn": "m", "created_at": fix.ts as u64 + 1,
            "topic": "owntracks/http/ad" });
        ("POST", String::new(), body.to_string())
    };
    fixes.iter().map(one).collect()
}

/// A feature of Overland.
pub fn feature(fix: &Fix) -> Value {
    let motion = if fix.speed_m_s > 0.0 { "driving" } else { "stationary" };
    json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [fix.longitude, fix.latitude] },
        "properties": { "timestamp": iso(fix.ts), "altitude": 380, "speed": fix.speed_m_s,
            "horizontal_accuracy": 10, "vertical_accuracy": 4, "motion": [motion], "battery_state": "unplugged",
            "battery_level": 0.5, "wifi": "", "device_id": "phone" } })
}

/// Overland: batches of features, m/s.
pub fn overland(fixes: &[Fix]) -> Vec<Sent> {
    let batch = |fixes: &[Fix]| {
        let locations: Vec<_> = fixes.iter().map(feature).collect();
        ("POST", String::new(), json!({ "locations": locations, "current": {} }).to_string())
    };
    fixes.chunks(50).map(batch).collect()
}

/// Traccar Client from version 9 on: JSON, m/s.
pub fn traccar_9(fixes: &[Fix]) -> Vec<Sent> {
    let one = |fix: &Fix| {
        let moving = fix.speed_m_s > 0.0;
        let kind = if moving { "in_vehicle" } else { "still" };
        let body = json!({ "location": { "timestamp": iso(fix.ts), "coords": { "latitude": fix.latitude,
            "longitude": fix.longitude, "accuracy": 9.5, "speed": fix.speed_m_s, "heading": 0, "altitude": 380 },
            "is_moving": moving, "odometer": 0, "event": "motionchange", "extras": {},
            "battery": { "level": 0.5, "is_charging": false }, "activity": { "type": kind, "confidence": 90 } },
            "device_id": "123456" });
        ("POST", String::new(), body.to_string())
    };
    fixes.iter().map(one).collect()
}

/// Traccar Client up to version 8, and OsmAnd: a query, knots.
pub fn traccar_8(fixes: &[Fix]) -> Vec<Sent> {
    let one = |(index, fix): (usize, &Fix)| {
        // Seconds or milliseconds, by POST or GET: both occur.
        let ts = if index % 2 == 0 { fix.ts } else { fix.ts * 1_000.0 };
        let (lat, lon, speed) = (fix.latitude, fix.longitude, fix.speed_m_s / KNOT_M_S);
        let query = format!(
            "?id=123456&timestamp={ts}&lat={lat}&lon={lon}&speed={speed}&bearing=0.0&altitude=380.0&accuracy=9.5&batt=50.0"
        );
        (if index % 3 == 0 { "GET" } else { "POST" }, query, String::new())
    };
    fixes.iter().enumerate().map(one).collect()
}

/// GPSLogger with the printed template: a query, m/s.
pub fn gpslogger(fixes: &[Fix]) -> Vec<Sent> {
    let one = |fix: &Fix| {
        let query = format!(
            "?lat={}&lon={}&timestamp={}&speed={}&bearing=0.0&altitude=380.0&accuracy=9.5&batt=50.0&charging=false&prov=gps&sat=9",
            fix.latitude, fix.longitude, fix.ts, fix.speed_m_s
        );
        ("GET", query, String::new())
    };
    fixes.iter().map(one).collect()
}
