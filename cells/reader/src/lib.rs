//! Reads what it is asked to read, and says what it got: an endpoint by which tests see what a grant lets through.
//!
//! The request is a JSON object: `find` (`entries`, `ids`, `count`, `locations`, or `spin`, which never ends), `keys`,
//! `time` (`write_ts`, `ts`, `start_ts`, `end_ts`, `enter_ts`, `exit_ts` or `position`), `start`, `end` (s), `descending`,
//! and for `ids` the `ids` as hexadecimal digits. The answer is JSON: `{"entries":[…]}`, `{"count":n}`,
//! `{"locations":{…}}` or `{"failure":"…"}`.

use cells_sdk::model::EntryId;
use cells_sdk::{
    Exchange, Level, LocationSource, Log, Pages, Query, ReadEntries, Request, Response, RunError, TimeField,
    read_body,
};
use serde::Deserialize;
use serde_json::{Value, json};

const REQUEST_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
struct Wanted {
    find: String,
    #[serde(default)]
    keys: Vec<String>,
    time: Option<String>,
    start: Option<f64>,
    end: Option<f64>,
    #[serde(default)]
    descending: bool,
    #[serde(default)]
    ids: Vec<EntryId>,
}

/// Answers what the body asks.
pub fn handle<R: ReadEntries + Exchange + Log>(
    runtime: &mut R,
    request: &Request,
) -> Result<Response, String> {
    let body = read_body(runtime, REQUEST_BYTES_MAX).map_err(|failure| failure.to_string())?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    runtime.log(Level::Info, &format!("asked for {} at {:?}", wanted.find, request.rest));
    let answer = match read(runtime, &wanted) {
        Ok(answer) => answer,
        Err(error) => json!({ "failure": error.to_string() }),
    };
    let body = answer.to_string().into_bytes();
    Ok(Response { status: 200, content_type: "application/json".to_owned(), body })
}

fn read<R: ReadEntries>(runtime: &mut R, wanted: &Wanted) -> Result<Value, RunError> {
    let keys: Vec<&str> = wanted.keys.iter().map(String::as_str).collect();
    let field = match wanted.time.as_deref() {
        Some("write_ts") => TimeField::WriteTs,
        Some("ts") => TimeField::DataTs,
        Some("start_ts") => TimeField::StartTs,
        Some("end_ts") => TimeField::EndTs,
        Some("enter_ts") => TimeField::EnterTs,
        Some("exit_ts") => TimeField::ExitTs,
        _ => TimeField::Position,
    };
    let query = Query::of(&keys, field).between(wanted.start, wanted.end);
    let query = if wanted.descending { query.latest_first() } else { query };
    match wanted.find.as_str() {
        "spin" => loop {
            std::hint::black_box(runtime.count(&query)?);
        },
        "count" => Ok(json!({ "count": runtime.count(&query)? })),
        "locations" => {
            let mut columns = runtime.find_locations(&query)?;
            let mut all = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            loop {
                let rows = columns.next_rows(1_024)?;
                if rows.ts.is_empty() {
                    break;
                }
                all.0.extend(rows.ts);
                all.1.extend(rows.write_ts);
                all.2.extend(rows.latitude);
                all.3.extend(rows.longitude);
            }
            let (ts, write_ts, latitude, longitude) = all;
            Ok(
                json!({ "locations": { "ts": ts, "write_ts": write_ts, "latitude": latitude, "longitude": longitude } }),
            )
        }
        "ids" => entries(Pages::find_ids(runtime, &keys, &wanted.ids)?),
        _ => entries(Pages::find(runtime, &query)?),
    }
}

fn entries<C: cells_sdk::EntrySource>(mut pages: Pages<C>) -> Result<Value, RunError> {
    let mut all = Vec::new();
    while let Some(page) = pages.next_page(1 << 16)? {
        for entry in page.entries() {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
            all.push(json!({ "id": entry.id.to_string(), "key": entry.key, "write_ts": entry.write_ts,
                "time": entry.time, "metadata": parsed(entry.metadata), "data": parsed(entry.data),
                "text": entry.text }));
        }
    }
    Ok(json!({ "entries": all }))
}

cells_sdk::export_endpoint!(handle);
