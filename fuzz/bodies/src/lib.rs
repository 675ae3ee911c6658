//! What happens to bytes that strangers may choose, with what must hold whatever they are.
//!
//! Each function is the body of one fuzz target and of one property test. It panics where the promise is broken.
//!
//! * Not here: how bytes are found (a fuzzer with coverage in `fuzz/`, a generator with shape in the tests).

mod entries;
pub mod imports;
mod strangers;
#[cfg(test)]
mod tests;

pub use entries::{put_and_take_in, receivers, request_for_entries};
pub use strangers::{
    aggregator, client_hello, device_table, package, public_key, qr_text, roster, sealed, study, typed_code,
    upc_bodies,
};

use cells_model::page::Page;
use cells_model::rows;
use cells_model::text;

pub use runtime_store::block::fuzz_decode as block_decode;

/// A body: it must survive any bytes.
pub type Body = fn(&[u8]);

/// A target by its name and its body.
pub const TARGETS: [(&str, Body); 32] = [
    ("json_entry", put_and_take_in),
    ("json_members", json_members),
    ("json_request", request_for_entries),
    ("block_decode", block_decode),
    ("pages_and_rows", pages_and_rows),
    ("client_hello", client_hello),
    ("qr_text", qr_text),
    ("typed_code", typed_code),
    ("public_key", public_key),
    ("upc_bodies", upc_bodies),
    ("sealed", sealed),
    ("device_table", device_table),
    ("roster", roster),
    ("package", package),
    ("study", study),
    ("import_gpx", imports::gpx),
    ("import_kml", imports::kml),
    ("import_tcx", imports::tcx),
    ("import_fit", imports::fit),
    ("import_csv", imports::csv),
    ("import_geojson", imports::geojson),
    ("import_google_records", imports::google_records),
    ("import_google_semantic", imports::google_semantic),
    ("import_google_timeline", imports::google_timeline),
    ("import_owntracks_rec", imports::owntracks_rec),
    ("import_owntracks", imports::owntracks),
    ("import_traccar", imports::traccar),
    ("import_emission", imports::emission),
    ("import_packed", imports::packed),
    ("import_archived", imports::archived),
    ("receivers", receivers),
    ("aggregator", aggregator),
];

/// The scanner of members ends on any text, and what it takes for members are slices of the text in their order.
/// Where the text is a JSON object, it finds what a parser finds.
pub fn json_members(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let found: Vec<_> = text::members(text).collect();
    let sound: Option<Vec<_>> = found.iter().cloned().collect::<Result<_, _>>().ok();
    if let Some(members) = &sound {
        let starts = members.iter().map(|member| member.value_start);
        assert!(starts.is_sorted(), "values stand in the order of the text");
    }
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        let members = sound.expect("an object that parses has members that are found");
        assert!(members.len() >= object.len(), "a name may come twice, none is lost");
        for member in members {
            assert!(text::is_json(member.value), "a value is JSON again: {}", member.value);
            let is_number = matches!(serde_json::from_str(member.value), Ok(serde_json::Value::Number(_)));
            assert_eq!(text::number(member.value).is_some(), is_number, "a number is one: {}", member.value);
        }
    }
}

/// A page or a buffer of rows either is refused, or every entry in it can be read.
pub fn pages_and_rows(bytes: &[u8]) {
    if let Ok(page) = Page::read(bytes) {
        assert!(page.entries().all(|entry| entry.text.len() >= entry.metadata.len() + entry.data.len()));
    }
    if let Ok(rows) = rows::read(bytes) {
        let texts: usize = rows.iter().map(|row| row.metadata.len() + row.data.len() + row.extra.len()).sum();
        assert!(texts <= bytes.len(), "a row's texts are part of the buffer");
    }
}
