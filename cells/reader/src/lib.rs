//! Reads what it is asked to read, and says what it got: an endpoint by which tests see what a grant lets through.
//!
//! The request is a JSON object: `find` (`entries`, `ids`, `count`, `locations`, or `spin`, which never ends), `keys`,
//! `time` (`write_ts`, `ts`, `start_ts`, `end_ts`, `enter_ts`, `exit_ts` or `position`), `start`, `end` (s), `descending`,
//! and for `ids` the `ids` as hexadecimal digits. The answer is JSON: `{"entries":[…]}`, `{"count":n}`,
//! `{"locations":{…}}` or `{"failure":"…"}`.
//!
//! A request without a body is answered with its head: `{"method":…,"rest":…,"query":…,"headers":{…},"scope":…}`, where
//! `headers` has those that the contract names and one that it does not.

use cells_sdk::model::EntryId;
use cells_sdk::{
    Exchange, Level, LocationSource, Log, Pages, Query, ReadEntries, Request, RequestHead, Response,
    RunError, TimeField, read_body,
};
use serde::Deserialize;
use serde_json::{Value, json};

const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The headers that it asks for: the last one is none that a cell may read.
const HEADERS: [&str; 5] = ["accept", "accept-language", "content-type", "if-none-match", "user-agent"];

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
pub fn handle<R: ReadEntries + Exchange + Log + RequestHead>(
    runtime: &mut R,
    request: &Request,
) -> Result<Response, String> {
    let body = read_body(runtime, REQUEST_BYTES_MAX).map_err(|failure| failure.to_string())?;
    let answer = match body.is_empty() {
        true => head(runtime, request),
        false => {
            let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            runtime.log(Level::Info, &format!("asked for {} at {:?}", wanted.find, request.rest));
            let failure = |error: RunError| json!({ "failure": error.to_string() });
            read(runtime, &wanted).unwrap_or_else(failure)
        }
    };
    let body = answer.to_string().into_bytes();
    Ok(Response { status: 200, content_type: "application/json".to_owned(), body })
}

fn head<R: RequestHead>(runtime: &mut R, request: &Request) -> Value {
    let headers = HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), runtime.header(name)?.into())));
    let headers: serde_json::Map<String, Value> = headers.collect();
    json!({ "method": runtime.method(), "rest": request.rest, "query": runtime.query(), "headers": headers,
            "scope": runtime.scope() })
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
