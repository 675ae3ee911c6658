//! Imports: an export becomes a person again, a dump becomes entries of a person.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use cells_model::list::items;
use cells_model::sent::{SetAside, why_unreadable};
use cells_model::structure::depth_of;
use cells_model::text::{Member, members, value_of};
use runtime_store::{Batch, CheckedEntry, NewEntry, Store};
use runtime_user::people::PeopleError;
use runtime_user::{Area, Aside, EntryId, ImportError, StreamKey, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{Ask, Context};
use super::export::{AREAS, FORMAT};
use super::remedy::logged;
use crate::http::service::now;
use runtime_program::Failure;
use runtime_program::read_bytes;

/// Number of entries in one commit.
const ENTRIES_PER_COMMIT: usize = 20_000;
const IS_IT: &str = "check that the file is an export of `cellar user export`, or a JSON array of entries";

/// Imports an export as a new person, or a dump into a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportPerson {
    /// The person to import into; none: the person of the export, who must not exist here.
    pub into: Option<String>,
    /// The file: an absolute path.
    pub input: PathBuf,
}

/// The answer to [`ImportPerson`].
#[derive(Serialize, Deserialize)]
pub struct Imported {
    /// The person's id.
    pub id: String,
    /// The name of the person of an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The number of entries that were stored, by area.
    pub entries: BTreeMap<String, u64>,
    /// The number of entries that could not be read and were set aside.
    pub set_aside: u64,
    /// The connection string for the phone of an export's person. A secret, which is shown only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
}

impl Ask for ImportPerson {
    type Answer = Imported;

    fn makes_folder(&self) -> bool {
        self.into.is_none()
    }

    fn answer(self, context: &Context<'_>) -> Result<Imported, Failure> {
        let into = self.into.map(|person| context.find(&person)).transpose()?;
        import(context, into, &self.input)
    }
}

/// Reads a file into `into`, or as the person of the export.
fn import(context: &Context<'_>, into: Option<UserId>, input: &Path) -> Result<Imported, Failure> {
    let bytes = read_bytes(input).map_err(|error| {
        Failure::new(
            format!("cannot read {}: {error}", input.display()),
            "name a file that the host may read",
        )
    })?;
    let text = Decoded::of(&bytes);
    let is_export = value_of(&text.text, "format").map(|format| format.trim_matches('"')) == Some(FORMAT);
    match (is_export, into) {
        (true, None) => import_export(context, &text),
        (true, Some(_)) => Err(Failure::new("an export is a person of its own", "leave out --into")),
        (false, Some(user)) => {
            drop(text);
            let counts = context.runtime.diaries().import(user, &bytes, now());
            let counts = counts.map_err(|error| Failure::of(&error, IS_IT))?;
            let (stored, set_aside) = (counts.taken_in as u64, counts.set_aside as u64);
            let mut entries = BTreeMap::from([("timeseries".to_owned(), stored)]);
            if set_aside > 0 {
                entries.insert("errors".to_owned(), set_aside);
            }
            Ok(Imported { id: user.dashed(), name: None, entries, set_aside, connect: None })
        }
        (false, None) => Err(Failure::new("a dump names nobody", "name the person with --into PERSON")),
    }
}

/// Bytes decoded as text, and where some of them were not UTF-8.
struct Decoded<'a> {
    text: Cow<'a, str>,
    /// Offset of each U+FFFD that replaces invalid bytes, bytes from the start of the text.
    replaced: Vec<usize>,
}

impl<'a> Decoded<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self { text: Cow::Borrowed(text), replaced: Vec::new() };
        }
        let (mut text, mut replaced) = (String::with_capacity(bytes.len()), Vec::new());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                replaced.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self { text: Cow::Owned(text), replaced }
    }

    /// Whether a part of the text was valid UTF-8.
    fn was_text(&self, part: &str) -> bool {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        !self.replaced.iter().any(|at| (start..start + part.len()).contains(at))
    }
}

fn import_export(context: &Context<'_>, decoded: &Decoded<'_>) -> Result<Imported, Failure> {
    let runtime = context.runtime;
    let text: &str = &decoded.text;
    let unsound = |what: &str| Failure::new(what, IS_IT);
    let of_user = value_of(text, "user").ok_or_else(|| unsound("the export has no user"))?;
    let of_user: Value = serde_json::from_str(of_user).map_err(|error| Failure::of(&error, IS_IT))?;
    let user: Option<UserId> = of_user["id"].as_str().and_then(|id| id.parse().ok());
    let user = user.ok_or_else(|| unsound("the export's user has no id"))?;
    let name = of_user["name"].as_str().ok_or_else(|| unsound("the export's user has no name"))?;
    if runtime.people().is_suspended(user).is_some() {
        return Err(here_already(&PeopleError::Taken { user }));
    }
    // Everything is read before anything is stored.
    let sound = read(decoded)?;
    let created_ts = of_user["created_ts"].as_f64().unwrap_or_else(now);
    let imported = runtime.import_person(user, name, created_ts, |to| store(to, &sound));
    let (token, counts) = imported.map_err(|error| match error {
        ImportError::Fill(failure) => failure,
        ImportError::People(error @ PeopleError::Taken { .. }) => here_already(&error),
        error => logged(error),
    })?;
    Ok(Imported {
        id: user.dashed(),
        name: Some(name.to_owned()),
        entries: counts,
        set_aside: sound.aside.len() as u64,
        connect: Some(context.phone_address.connection(token.reveal())),
    })
}

struct Export<'a> {
    documents: Vec<(String, Vec<u8>)>,
    areas: Vec<Vec<Entry<'a>>>,
    /// Entries that cannot be read.
    aside: Vec<Aside>,
    /// The key of the digests and, for each area, the digests by id.
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

fn read<'a>(decoded: &'a Decoded<'_>) -> Result<Export<'a>, Failure> {
    let text: &str = &decoded.text;
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
    let (mut areas, mut aside) = (Vec::new(), Vec::new());
    for (name, area) in AREAS {
        let found = value_of(text, name).unwrap_or("[]");
        let found = items(found.as_bytes()).map_err(|error| Failure::of(&error, IS_IT))?;
        let mut entries = Vec::with_capacity(found.len());
        for (index, item) in found.into_iter().enumerate() {
            let entry = std::str::from_utf8(item).expect("a text is cut at its brackets and commas");
            match why_not(decoded, entry) {
                // Only in these two areas: elsewhere, an entry with a replaced letter is as good as before.
                Some(why) if matches!(area, Area::Timeseries | Area::Usercache) => {
                    aside.push(Aside::new(entry, why))
                }
                Some(SetAside::NotUtf8) | None => {
                    let read = Entry::read(entry);
                    entries
                        .push(read.ok_or_else(|| unsound(format!("entry {index} of {name} does not read")))?);
                }
                Some(why) => return Err(unsound(format!("entry {index} of {name} does not read: {why}"))),
            }
        }
        areas.push(entries);
    }
    let origins = value_of(text, "origins").map(|of| {
        read_origins(of).ok_or_else(|| unsound("the origins of the export do not read".to_owned()))
    });
    Ok(Export { documents, areas, aside, origins: origins.transpose()? })
}

/// Why an entry of an export cannot be read, if it cannot.
fn why_not(decoded: &Decoded<'_>, entry: &str) -> Option<SetAside> {
    if decoded.was_text(entry) { why_unreadable(entry, depth_of(entry)) } else { Some(SetAside::NotUtf8) }
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

fn here_already(error: &PeopleError) -> Failure {
    Failure::of(error, "erase that person first, or import elsewhere")
}

fn store(to: &Store, export: &Export<'_>) -> Result<BTreeMap<String, u64>, Failure> {
    let failed = |error| Failure::of(&error, "look into the host's log; nothing of the import is kept");
    let commit = |batch| to.commit(batch).map(drop).map_err(failed);
    let mut origins = vec![Origins::new(); AREAS.len()];
    if let Some((key, told)) = &export.origins {
        to.adopt_origins_key(*key).map_err(failed)?;
        origins.clone_from(told);
    }
    let mut counts = BTreeMap::new();
    for (((name, area), entries), origins) in AREAS.into_iter().zip(&export.areas).zip(&origins) {
        counts.insert(name.to_owned(), entries.len() as u64);
        for some in entries.chunks(ENTRIES_PER_COMMIT) {
            let mut batch = Batch::new();
            for Entry { id, key, metadata, data, extra, invalid } in some {
                let entry = NewEntry { id: Some(*id), key: key.clone(), metadata, data, extra };
                let origin = origins.get(id).copied().unwrap_or(0);
                batch.insert(area, CheckedEntry::from(entry).with_origin(origin));
                if *invalid {
                    batch.mark_invalid(*id);
                }
            }
            commit(batch)?;
        }
    }
    let mut batch = Batch::new();
    export.aside.iter().for_each(|entry| entry.add(now(), &mut batch));
    for (name, content) in &export.documents {
        batch.put_document(name, content.clone());
    }
    commit(batch)?;
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
    fn one_bad_entry_of_an_export_is_set_aside_and_the_others_are_read() {
        let entry = |id: u8, data: &str| {
            format!(
                r#"{{"_id":{{"$oid":"5768{id:020x}"}},"metadata":{{"key":"a/b","type":"m","write_ts":1}},"data":{{"x":"{data}"}}}}"#
            )
        };
        let all = [entry(1, "é"), entry(2, "?"), entry(3, "\\ud800")].join(",");
        let bytes = format!(r#"{{"timeseries":[{all}],"errors":[{}]}}"#, entry(4, "?")).into_bytes();
        let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
        let decoded = Decoded::of(&bytes);
        let export = read(&decoded).expect("readable");
        let counts: Vec<_> = export.areas.iter().map(Vec::len).collect();
        assert_eq!((counts, export.aside.len()), (vec![1, 0, 1, 0], 2));
        assert!(read(&Decoded::of(br#"{"timeseries":[{]}"#)).is_err());
        assert!(read(&Decoded::of(br#"{"audit":[{"a":NaN}]}"#)).is_err());
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
