//! Properties that hold for any bytes. Property tests and fuzz targets call the same functions; each panics where its
//! property is violated.

use serde_json::Value;

use crate::{BadBody, Form, Splitter, parse_usual};
use cells_model::sent::parse;

/// For any entry, the stored part is JSON, contains the identity, and has a key that names a stream.
///
/// # Panics
/// Where that does not hold.
pub fn an_entry_is_kept_as_json(bytes: &[u8]) {
    let Ok(parsed) = parse(bytes, 3) else { return };
    let metadata: Value = serde_json::from_str(&parsed.metadata).expect("metadata is JSON");
    assert!(metadata.is_object());
    assert_eq!(metadata["write_ts"].as_f64(), Some(parsed.write_ts));
    assert!(metadata["key"].is_string() && metadata["type"].is_string());
    serde_json::from_str::<Value>(&parsed.data).expect("data is JSON");
    assert!(parsed.data.starts_with('{') || parsed.aside.is_some());
    assert!(cells_model::keys::is_key(&parsed.key));
}

/// The fast path gives the same result as the general parser.
///
/// # Panics
/// Where that does not hold.
pub fn the_fast_path_agrees_with_the_parser(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((length, entry)) = parse_usual(text) else { return };
    let body = format!(r#"{{"the_entry":{}}}"#, &text[..length]);
    let (_, entries) = split(body.as_bytes(), &[]).expect("a sound entry");
    let [(alone, depth)] = &entries[..] else { panic!("{} entries", entries.len()) };
    assert_eq!(alone.as_slice(), &bytes[..length], "the same end");
    assert_eq!(Ok(entry), parse(alone, *depth));
}

/// The text of an entry, and how deep it nests.
pub type DeepEntry = (Vec<u8>, usize);

/// The entries of a body with their depths, or why it has none, when it arrives in pieces that end at `cuts`.
pub fn split(body: &[u8], cuts: &[usize]) -> Result<(Form, Vec<DeepEntry>), BadBody> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut splitter, mut entries, mut start) = (Splitter::new(), Vec::new(), 0);
    for end in cuts.into_iter().chain([body.len()]) {
        let mut piece = &body[start..end];
        while let Some(entry) = splitter.next(&mut piece)? {
            entries.push((entry.bytes.to_vec(), entry.depth));
        }
        start = end;
    }
    Ok((splitter.finish()?, entries))
}

/// The result for a body does not depend on the cuts.
///
/// # Panics
/// Where that does not hold.
pub fn cuts_change_nothing(body: &[u8], cuts: &[usize]) {
    let (whole, cut) = (split(body, &[]), split(body, cuts));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        // If a body has two errors, the cut may decide which is found first.
        (whole, cut) => assert_eq!(whole.is_ok(), cut.is_ok()),
    }
}
