//! The way back: an export becomes a person again, a dump becomes entries of a person.

use std::collections::HashMap;
use std::path::Path;

use cells_model::text::{Member, members, value_of};
use runtime_store::{Batch, NewEntry, ReadEntry};
use runtime_user::{EntryId, Person, Runtime, StreamKey, UserId};
use serde_json::{Value, json};

use super::command::Door;
use super::export::{AREAS, FORMAT};
use crate::failure::Failure;
use crate::http::service::now;
use crate::phone::{elements, read_file};

/// How many entries one commit has.
const ENTRIES_PER_COMMIT: usize = 20_000;
const IS_IT: &str = "check that the file is an export of `cellar user export`, or a JSON array of entries";

/// Reads a file into `into`, or as the person of the export.
pub(super) fn import(
    runtime: &Runtime,
    door: &Door,
    into: Option<UserId>,
    input: &Path,
) -> Result<Value, Failure> {
    let text = read_file(input).map_err(|error| {
        Failure::new(
            format!("cannot read {}: {error}", input.display()),
            "name a file that the host may read",
        )
    })?;
    let is_export = value_of(&text, "format").map(|format| format.trim_matches('"')) == Some(FORMAT);
    match (is_export, into) {
        (true, None) => import_export(runtime, door, &text),
        (true, Some(_)) => Err(Failure::new("an export is a person of its own", "leave out --into")),
        (false, Some(user)) => {
            let count = runtime.import(user, text.as_bytes());
            let count = count.map_err(|error| Failure::of(&error, IS_IT))?;
            Ok(json!({ "id": user.dashed(), "entries": { "timeseries": count } }))
        }
        (false, None) => Err(Failure::new("a dump names nobody", "say whose it is with --into USER")),
    }
}

fn import_export(runtime: &Runtime, door: &Door, text: &str) -> Result<Value, Failure> {
    let unsound = |what: &str| Failure::new(what, IS_IT);
    let of_user = value_of(text, "user").ok_or_else(|| unsound("the export has no user"))?;
    let of_user: Value = serde_json::from_str(of_user).map_err(|error| Failure::of(&error, IS_IT))?;
    let user: Option<UserId> = of_user["id"].as_str().and_then(|id| id.parse().ok());
    let user = user.ok_or_else(|| unsound("the export's user has no id"))?;
    let name = of_user["name"].as_str().ok_or_else(|| unsound("the export's user has no name"))?;
    if runtime.people().is_suspended(user).is_some() {
        let what = format!("{} is here already", user.dashed());
        return Err(Failure::new(what, "erase that person first, or import elsewhere"));
    }
    // Everything is read before anything is stored.
    let sound = read(text)?;
    let created_ts = of_user["created_ts"].as_f64().unwrap_or_else(now);
    let token = runtime.people().add_as(user, name, created_ts);
    let token = token.map_err(|error| Failure::of(&error, "look into the host's log"))?;
    let stored = store(runtime, user, &sound);
    let counts = stored.inspect_err(|_| {
        // Half a person is nobody.
        let _ = runtime.erase(user);
    })?;
    Ok(json!({
        "id": user.dashed(),
        "name": name,
        "entries": counts,
        "connect": door.connection(token.reveal()),
    }))
}

struct Export<'a> {
    documents: Vec<(String, Vec<u8>)>,
    areas: Vec<Vec<Entry<'a>>>,
    /// Key of the digests and, for each area, the digests by id.
    origins: Option<([u8; 32], Vec<Origins>)>,
}

type Origins = HashMap<EntryId, u64>;

struct Entry<'a> {
    id: EntryId,
    key: StreamKey,
    metadata: &'a str,
    data: &'a str,
    extra: String,
    invalid: bool,
}

fn read(text: &str) -> Result<Export<'_>, Failure> {
    let unsound = |what: String| Failure::new(what, IS_IT);
    let mut documents = Vec::new();
    for document in members(value_of(text, "documents").unwrap_or("{}")) {
        let Member { name, value, .. } = document.map_err(|error| Failure::of(&error, IS_IT))?;
        let name: Option<String> = serde_json::from_str(&format!("\"{name}\"")).ok();
        let content = match (value_of(value, "json"), value_of(value, "hex")) {
            (Some(content), _) => Some(content.as_bytes().to_vec()),
            (None, Some(hex)) => from_hex(hex.trim_matches('"')),
            _ => None,
        };
        let document =
            name.zip(content).ok_or_else(|| unsound("a document of the export does not read".to_owned()))?;
        documents.push(document);
    }
    let mut areas = Vec::new();
    for (name, _) in AREAS {
        let found =
            elements(value_of(text, name).unwrap_or("[]")).map_err(|error| Failure::of(&error, IS_IT))?;
        let entries = found.into_iter().enumerate().map(|(index, entry)| {
            Entry::read(entry).ok_or_else(|| unsound(format!("entry {index} of {name} does not read")))
        });
        areas.push(entries.collect::<Result<Vec<_>, _>>()?);
    }
    let origins = value_of(text, "origins").map(|of| {
        read_origins(of).ok_or_else(|| unsound("the origins of the export do not read".to_owned()))
    });
    Ok(Export { documents, areas, origins: origins.transpose()? })
}

/// `{"key":"<64 hex>","timeseries":{"<24 hex>":"<16 hex>",…},…}`
fn read_origins(text: &str) -> Option<([u8; 32], Vec<Origins>)> {
    let key = from_hex(value_of(text, "key")?.trim_matches('"'))?.try_into().ok()?;
    let of_area = |name| {
        let told = members(value_of(text, name).unwrap_or("{}")).map(|found| {
            let Member { name: id, value: origin, .. } = found.ok()?;
            Some((id.parse().ok()?, u64::from_str_radix(origin.trim_matches('"'), 16).ok()?))
        });
        told.collect()
    };
    Some((key, AREAS.into_iter().map(|(name, _)| of_area(name)).collect::<Option<_>>()?))
}

impl<'a> Entry<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (mut id, mut metadata, mut data, mut extra, mut invalid) =
            (None, None, None, String::new(), false);
        for found in members(text) {
            let Member { name, value, .. } = found.ok()?;
            match name {
                "_id" => id = value_of(value, "$oid")?.trim_matches('"').parse().ok(),
                "user_id" => {}
                "metadata" => metadata = Some(value),
                "data" => data = Some(value),
                "invalid" => invalid = value == "true",
                _ => {
                    if !extra.is_empty() {
                        extra.push(',');
                    }
                    extra.push_str(&format!("\"{name}\":{value}"));
                }
            }
        }
        let (metadata, data) = (metadata?, data?);
        let key = StreamKey::parse(value_of(metadata, "key")?.trim_matches('"')).ok()?;
        Some(Self { id: id?, key, metadata, data, extra, invalid })
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::try_from(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?).ok()).collect()
}

fn store(runtime: &Runtime, user: UserId, export: &Export<'_>) -> Result<Value, Failure> {
    let failed = |error| Failure::of(&error, "look into the host's log; nothing of the import is kept");
    let person: std::sync::Arc<Person> = runtime.person(user).map_err(failed)?;
    let commit = |batch| {
        person.store.commit(batch).map(drop).map_err(|error| Failure::of(&error, "look into the host's log"))
    };
    let mut origins = vec![Origins::new(); AREAS.len()];
    if let Some((key, told)) = &export.origins {
        let kept = person.store.adopt_origins_key(*key);
        kept.map_err(|error| Failure::of(&error, "look into the host's log"))?;
        origins.clone_from(told);
    }
    let mut counts = json!({});
    for (((name, area), entries), origins) in AREAS.into_iter().zip(&export.areas).zip(&origins) {
        counts[name] = entries.len().into();
        for some in entries.chunks(ENTRIES_PER_COMMIT) {
            let mut batch = Batch::new();
            for Entry { id, key, metadata, data, extra, invalid } in some {
                let entry = NewEntry { id: Some(*id), key: key.clone(), metadata, data, extra };
                let origin = origins.get(id).copied().unwrap_or(0);
                batch.insert(area, ReadEntry::from(entry).with_origin(origin));
                if *invalid {
                    batch.mark_invalid(*id);
                }
            }
            commit(batch)?;
        }
    }
    let mut batch = Batch::new();
    for (name, content) in &export.documents {
        batch.put_document(name, content.clone());
    }
    commit(batch)?;
    // Whether the stages had come to all of it where it was exported, nobody knows.
    runtime.data_arrived(user);
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_export_keeps_everything() {
        let text = r#"{"_id":{"$oid":"576810cb4a9bba50e3fa1d4a"},"user_id":{"$uuid":"x"},"metadata":{"key":"a/b"},
            "data":{"x": 1.50},"invalid":true,"error":{"why":"x"},"more":[1]}"#;
        let entry = Entry::read(text).expect("sound");
        assert_eq!((entry.data, entry.invalid), (r#"{"x": 1.50}"#, true));
        assert_eq!(entry.extra, r#""error":{"why":"x"},"more":[1]"#);
        assert!(Entry::read(r#"{"metadata":{"key":"a/b"},"data":{}}"#).is_none());
    }

    #[test]
    fn origins_that_do_not_read_are_refused() {
        let key = "07".repeat(32);
        let id = "576810cb4a9bba50e3fa1d4a";
        let text = |key: &str, id: &str, origin: &str| {
            format!(r#"{{"key":"{key}","timeseries":{{}},"errors":{{"{id}":"{origin}"}}}}"#)
        };
        let (read, areas) = read_origins(&text(&key, id, "00000000000000ff")).expect("sound");
        let errors = AREAS.iter().position(|(name, _)| *name == "errors").expect("an area");
        assert_eq!((read, areas[errors].get(&id.parse().expect("hex"))), ([7; 32], Some(&255)));
        for bad in
            [text("07", id, "1"), text(&key, "x", "1"), text(&key, id, "x"), "{}".to_owned(), "[".to_owned()]
        {
            assert!(read_origins(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hex_reads_back_and_what_is_none_is_refused() {
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        assert_eq!(from_hex(""), Some(vec![]));
        assert_eq!((from_hex("0"), from_hex("0x")), (None, None));
    }
}
