//! The new first point of a trip that was moved to its place: what the phone said there, at the new moment.

use cells_locations::at_time;
use cells_sdk::ReadEntries;
use cells_sdk::model::{EntryId, text};

use crate::CleanError;
use crate::moved::Moved;
use crate::points::KEY;
use crate::section::Cleaned;

/// Members that are the new point's own.
const OWN: [&str; 7] = ["ts", "local_dt", "fmt_time", "speed", "distance", "mode", "section"];

/// The data of the point, which belongs to `section`. Where the phone's point is gone, the place stands for it.
pub fn read<R: ReadEntries>(
    runtime: &mut R,
    moved: &Moved,
    section: &Cleaned,
    id: EntryId,
) -> Result<String, CleanError> {
    let found = match moved.point_ts {
        Some(ts) => at_time(runtime, KEY, ts, true)?,
        None => Vec::new(),
    };
    let mut members = Vec::new();
    let (mut placed, mut directed) = (false, false);
    for member in found.first().iter().flat_map(|entry| text::members(&entry.data)).map_while(Result::ok) {
        placed |= member.name == "loc";
        directed |= member.name == "heading";
        if !OWN.contains(&member.name) {
            members.push(format!("\"{}\":{}", member.name, member.value));
        }
    }
    if !placed {
        let [longitude, latitude] = moved.location.coordinates;
        let loc = json(&moved.location);
        members.clear();
        members.push(format!(
            r#""latitude":{},"longitude":{},"loc":{loc}"#,
            json(&latitude),
            json(&longitude)
        ));
    }
    if !placed || !directed {
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

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the types hold nothing that JSON has not")
}
