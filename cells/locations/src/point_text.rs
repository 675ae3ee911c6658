//! The parts of a point that stages copy: its moment and its place, as in its own text.

use std::borrow::Cow;

use cells_sdk::model::Point;
use cells_sdk::model::text::{members, number, optional, string, value_of};
use cells_sdk::model::time::{BadTime, LocalDt, SERVER_ZONE, local};

/// The parts of a point's data that stages copy. Points of phones have all of them after the import; an imported
/// history may lack the local time, and then the stage computes it.
#[derive(Debug, Clone, PartialEq)]
pub struct PointText<'a> {
    /// s
    pub ts: f64,
    /// The place: from its GeoJSON, or otherwise its coordinates.
    pub loc: Point,
    /// The text of its `local_dt`, whatever that is.
    pub local_dt: Option<&'a str>,
    /// Local time of `ts`.
    pub fmt_time: Option<Cow<'a, str>>,
}

/// Why a point cannot be read: the member that is absent or of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or of another kind")]
pub struct BadPoint(pub &'static str);

impl<'a> PointText<'a> {
    /// Reads the data of a point.
    pub fn read(data: &'a str) -> Result<Self, BadPoint> {
        let (mut ts, mut latitude, mut longitude) = (None, None, None);
        let (mut loc, mut local_dt, mut fmt_time) = (None, None, None);
        for member in members(data).map_while(Result::ok) {
            match member.name {
                "ts" => ts = number(member.value),
                "latitude" => latitude = number(member.value),
                "longitude" => longitude = number(member.value),
                "loc" => loc = serde_json::from_str(member.value).ok(),
                "local_dt" => local_dt = Some(member.value),
                "fmt_time" => fmt_time = optional(member.value, string).ok_or(BadPoint("fmt_time"))?,
                _ => {}
            }
        }
        let ts = ts.ok_or(BadPoint("ts"))?;
        let latitude = latitude.ok_or(BadPoint("latitude"))?;
        let longitude = longitude.ok_or(BadPoint("longitude"))?;
        Ok(Self { ts, loc: loc.unwrap_or(Point::at(longitude, latitude)), local_dt, fmt_time })
    }

    /// The zone of the phone, as the point's local time names it, or otherwise its `metadata`, or otherwise the
    /// server's.
    pub fn zone<'t>(&self, metadata: &'t str) -> Cow<'t, str>
    where
        'a: 't,
    {
        let own = self.local_dt.and_then(|local_dt| value_of(local_dt, "timezone")).and_then(string);
        own.or_else(|| value_of(metadata, "time_zone").and_then(string)).unwrap_or(Cow::Borrowed(SERVER_ZONE))
    }

    /// Its computed local time: in that zone, or in the server's where it is unknown.
    pub fn work_out_local_time(&self, metadata: &str) -> Result<(LocalDt, String), BadTime> {
        local(self.ts, &self.zone(metadata)).or_else(|_| local(self.ts, SERVER_ZONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"{"ts":1.5,"latitude":1,"longitude":2,"loc":{"type":"Point","coordinates":[4,3]},"local_dt":{"timezone":"Asia/Tokyo"},"fmt_time":"then"}"#;

    #[test]
    fn a_point_says_when_and_where_it_was() {
        let point = PointText::read(SOUND).expect("sound");
        assert_eq!((point.ts, point.loc), (1.5, Point::at(4.0, 3.0)));
        assert_eq!((point.fmt_time.as_deref(), &*point.zone("{}")), (Some("then"), "Asia/Tokyo"));
    }

    #[test]
    fn missing_or_malformed_members_are_taken_from_other_members() {
        for loc in ["null", "3", r#"{"type":"Line"}"#] {
            let data = format!(r#"{{"ts":1,"latitude":1,"longitude":2,"loc":{loc},"fmt_time":null}}"#);
            let point = PointText::read(&data).expect("sound");
            assert_eq!((point.loc, point.fmt_time, point.local_dt), (Point::at(2.0, 1.0), None, None));
        }
        for local_dt in ["null", "3", "{}", r#"{"timezone":null}"#] {
            let data = format!(r#"{{"ts":1,"latitude":1,"longitude":2,"local_dt":{local_dt}}}"#);
            let point = PointText::read(&data).expect("sound");
            assert_eq!(point.zone(r#"{"time_zone":"Europe/Zurich"}"#), "Europe/Zurich");
            assert_eq!(point.zone("{}"), SERVER_ZONE);
        }
    }

    #[test]
    fn local_time_is_worked_out_in_the_servers_zone_if_the_points_zone_is_unknown() {
        let point = PointText::read(r#"{"ts":0,"latitude":1,"longitude":2}"#).expect("sound");
        let fmt_time = |metadata: &str| point.work_out_local_time(metadata).map(|(_, fmt_time)| fmt_time);
        assert_eq!(fmt_time(r#"{"time_zone":"Asia/Tokyo"}"#).as_deref(), Ok("1970-01-01T09:00:00+09:00"));
        assert_eq!(fmt_time(r#"{"time_zone":"No/Where"}"#), fmt_time("{}"));
    }

    #[test]
    fn a_point_without_time_or_place_is_refused_and_the_missing_member_is_named() {
        for (from, to, missing) in [
            ("\"ts\":1.5,", "", "ts"),
            ("\"latitude\":1", "\"latitude\":\"1\"", "latitude"),
            ("\"longitude\":2", "\"longitude\":null", "longitude"),
            ("\"then\"", "3", "fmt_time"),
        ] {
            assert_eq!(PointText::read(&SOUND.replace(from, to)), Err(BadPoint(missing)));
        }
    }
}
