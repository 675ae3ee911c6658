//! The new first point of a trip that was moved to its place: the phone's point there, at the new moment.

use cells_locations::{Found, at_time, first_that_fits};
use cells_sdk::model::EntryId;
use cells_sdk::model::text::{self, Member};
use cells_sdk::{ReadEntries, RunError};

use crate::moved::Moved;
use crate::points::{KEY, ZoneTable, sample};
use crate::section::Cleaned;

/// Members that the new point has of its own.
const OWN: [&str; 7] = ["ts", "local_dt", "fmt_time", "speed", "distance", "mode", "section"];

/// The data of the point, which belongs to `section`. If the phone's point is deleted, the place replaces it.
pub fn read<R: ReadEntries>(
    runtime: &mut R,
    moved: &Moved,
    section: &Cleaned,
    id: EntryId,
) -> Result<String, RunError> {
    let found = match moved.point_ts {
        Some(ts) => at_time(runtime, KEY, ts, true)?,
        None => Vec::new(),
    };
    let mut zones = ZoneTable::default();
    let mut found = found;
    found.retain(|entry| sample(&entry.metadata, &entry.data, &mut zones).is_some());
    let is_there = |entry: &Found| {
        let read = sample(&entry.metadata, &entry.data, &mut ZoneTable::default());
        read.is_some_and(|sample| sample.loc == moved.location)
    };
    let mut members = match first_that_fits(&found, is_there) {
        Some(entry) => said(&entry.data),
        None => Vec::new(),
    };
    let has = |members: &[String], name: &str| members.iter().any(|member| member.starts_with(name));
    if !has(&members, r#""loc":"#) {
        let [longitude, latitude] = moved.location.coordinates;
        let loc = json(&moved.location);
        members =
            vec![format!(r#""latitude":{},"longitude":{},"loc":{loc}"#, json(&latitude), json(&longitude))];
    }
    if !has(&members, r#""heading":"#) {
        members.push(r#""heading":0.0"#.to_owned());
    }
    let start = &section.start;
    members.push(format!(
        r#""ts":{},"local_dt":{},"fmt_time":{},"speed":0.0,"distance":0.0,"mode":{},"section":{}"#,
        json(&start.ts),
        json(&start.local_dt),
        json(&start.fmt_time),
        section.mode.number(),
        json(&id),
    ));
    Ok(format!("{{{}}}", members.join(",")))
}

/// The phone's point at the place, without the new point's own members. Where a point must have a number, null is left
/// out.
fn said(data: &str) -> Vec<String> {
    let sound = |member: &Member<'_>| match member.name {
        "altitude" | "heading" => text::number(member.value).is_some(),
        name => !OWN.contains(&name),
    };
    let members = text::members(data).map_while(Result::ok).filter(sound);
    members.map(|member| format!("\"{}\":{}", member.name, member.value)).collect()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the types hold only what JSON can represent")
}
