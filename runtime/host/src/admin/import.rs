//! Imports: an export becomes a person again, a dump becomes entries of a person.
//!
//! The file is read as a stream, twice: once to check all of it, once to store it. Memory: one entry, the batch that is
//! being made, and for an export the origins of its entries, 24 bytes each.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use cells_model::sent::{SetAside, why_unreadable};
use cells_model::structure::depth_of;
use cells_model::text::{Member, members, value_of};
use runtime_import::Bounds;
use runtime_store::{Batch, CheckedEntry, NewEntry, Store};
use runtime_user::people::PeopleError;
use runtime_user::stream::{BadStream, Bracket, JsonStream};
use runtime_user::{
    Area, Aside, BATCH_BYTES_MAX, EntryId, IMPORT_ENTRIES_MAX, ImportError, StreamKey, Types, UserId,
    is_private_document, why_unsound,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{Ask, Context};
use super::export::{AREAS, FORMAT};
use super::remedy::logged;
use crate::http::service::now;
use runtime_program::input::{EXPANDED_BYTES_MAX, EXPANSION_MAX};
use runtime_program::{Failure, Input};

/// Number of entries in one commit.
const ENTRIES_PER_COMMIT: usize = 20_000;
/// The buffer of a file, bytes.
const SOURCE_BYTES: usize = 1 << 16;
/// How many documents an export may have: a person has a few dozen.
const DOCUMENTS_MAX: usize = 65_536;
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
    let bounds = Bounds { expansion_max: EXPANSION_MAX, expanded_bytes_max: EXPANDED_BYTES_MAX };
    let open = || -> io::Result<Box<dyn io::Read>> {
        match runtime_import::open(input, bounds, None)?.archived()? {
            Some(whole) => Ok(Box::new(whole)),
            None => Ok(Box::new(Input::open(input)?)),
        }
    };
    let of_file = |error: io::Error| {
        Failure::new(
            format!("cannot read {}: {error}", input.display()),
            "name a file that the host may read",
        )
    };
    let mut stream = JsonStream::new(BufReader::new(open().map_err(of_file)?));
    let is_object = stream.skip_mark().and_then(|()| stream.peek()).map_err(unread)? == Some(b'{');
    drop(stream);
    match (is_object, into) {
        (true, None) => import_export(context, &open),
        (true, Some(_)) => Err(Failure::new("an export is a person of its own", "leave out --into")),
        (false, Some(user)) => {
            let counts = context.runtime.diaries().import_from(user, open, now());
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

/// Opens the file of an import from its start.
type Opens<'o> = &'o dyn Fn() -> io::Result<Box<dyn io::Read>>;

fn unread(error: BadStream) -> Failure {
    Failure::of(&error, IS_IT)
}

fn unsound(what: impl std::fmt::Display) -> Failure {
    Failure::new(what, IS_IT)
}

fn import_export(context: &Context<'_>, open: Opens<'_>) -> Result<Imported, Failure> {
    let runtime = context.runtime;
    // Everything is read before anything is stored.
    let types = runtime.catalogue().types();
    let checked = Checked::read(types, open)?;
    let Checked { user, name, created_ts, .. } = &checked;
    if runtime.people().is_suspended(*user).is_some() {
        return Err(here_already(&PeopleError::Taken { user: *user }));
    }
    let imported = runtime.import_person(*user, name, *created_ts, |to| store(to, types, &checked, open));
    let (token, counts) = imported.map_err(|error| match error {
        ImportError::Fill(failure) => failure,
        ImportError::People(error @ PeopleError::Taken { .. }) => here_already(&error),
        error => logged(error),
    })?;
    Ok(Imported {
        id: user.dashed(),
        name: Some(name.clone()),
        entries: counts,
        set_aside: checked.aside,
        connect: Some(context.phone_address.connection(token.reveal())),
    })
}

/// What an export says of itself, once all of it was read.
struct Checked {
    user: UserId,
    name: String,
    created_ts: f64,
    /// How many entries no stage could read.
    aside: u64,
    origins: Option<OriginsTold>,
}

/// The key of the digests and, for each area, the digests by id.
#[derive(Default)]
struct OriginsTold {
    key: Option<[u8; 32]>,
    areas: [Origins; AREAS.len()],
}

type Origins = HashMap<EntryId, u64>;

/// One part of an export, in the order of the file.
enum Part<'a> {
    /// The value of the member `format` or `user`.
    Fact(&'static str, &'a str),
    Document(String, Vec<u8>),
    /// An entry of the area with that index.
    Entry(usize, Read<'a>),
    OriginsKey([u8; 32]),
    Origin(usize, EntryId, u64),
}

/// An entry as it was read.
enum Read<'a> {
    Sound(Entry<'a>),
    Aside(Aside),
}

struct Entry<'a> {
    id: EntryId,
    key: StreamKey,
    metadata: &'a str,
    data: &'a str,
    extra: String,
    invalid: bool,
}

impl Checked {
    fn read(types: &Types, open: Opens<'_>) -> Result<Self, Failure> {
        let (mut format, mut of_user) = (None, None);
        let (mut aside, mut origins) = (0, None::<OriginsTold>);
        walk(types, open, &mut |part| {
            match part {
                Part::Fact("format", text) => format = Some(text.trim_matches('"').to_owned()),
                Part::Fact(_, text) => of_user = Some(text.to_owned()),
                Part::Entry(_, Read::Aside(_)) => aside += 1,
                Part::Entry(..) | Part::Document(..) => {}
                Part::OriginsKey(key) => origins.get_or_insert_default().key = Some(key),
                Part::Origin(area, id, origin) => {
                    origins.get_or_insert_default().areas[area].insert(id, origin);
                }
            }
            Ok(())
        })?;
        if format.as_deref() != Some(FORMAT) {
            return Err(unsound("the file is no export that this version reads"));
        }
        if origins.as_ref().is_some_and(|origins| origins.key.is_none()) {
            return Err(unsound("the origins of the export do not read"));
        }
        let of_user = of_user.ok_or_else(|| unsound("the export has no user"))?;
        let of_user: Value = serde_json::from_str(&of_user).map_err(|error| Failure::of(&error, IS_IT))?;
        let user = of_user["id"].as_str().and_then(|id| id.parse().ok());
        let user = user.ok_or_else(|| unsound("the export's user has no id"))?;
        let name = of_user["name"].as_str().ok_or_else(|| unsound("the export's user has no name"))?;
        let created_ts = of_user["created_ts"].as_f64().unwrap_or_else(now);
        Ok(Self { user, name: name.to_owned(), created_ts, aside, origins })
    }
}

/// Takes one part of an export.
type Takes<'t> = &'t mut dyn FnMut(Part<'_>) -> Result<(), Failure>;

/// Reads an export part by part.
fn walk(types: &Types, open: Opens<'_>, each: Takes<'_>) -> Result<(), Failure> {
    let source = open().map_err(|error| unread(error.into()))?;
    let mut stream = JsonStream::new(BufReader::with_capacity(SOURCE_BYTES, source));
    let mut bytes = Vec::new();
    stream.skip_mark().map_err(unread)?;
    let mut members = stream.open(Bracket::Object).map_err(unread)?;
    while stream.more(&mut members).map_err(unread)? {
        let name = stream.name().map_err(unread)?;
        match name.as_str() {
            "format" | "user" => {
                stream.value(&mut bytes).map_err(unread)?;
                let fact = if name == "user" { "user" } else { "format" };
                each(Part::Fact(fact, &String::from_utf8_lossy(&bytes)))?;
            }
            "documents" => walk_documents(&mut stream, each)?,
            "origins" => walk_origins(&mut stream, each)?,
            name => match AREAS.iter().position(|(known, _)| *known == name) {
                Some(area) => walk_area(&mut stream, types, area, each)?,
                None => stream.skip().map_err(unread)?,
            },
        }
    }
    stream.end().map_err(unread)
}

fn walk_documents(stream: &mut JsonStream<impl BufRead>, each: Takes<'_>) -> Result<(), Failure> {
    let (mut bytes, mut open) = (Vec::new(), stream.open(Bracket::Object).map_err(unread)?);
    let mut documents = 0;
    while stream.more(&mut open).map_err(unread)? {
        documents += 1;
        if documents > DOCUMENTS_MAX {
            return Err(unsound(format!("the export has more than {DOCUMENTS_MAX} documents")));
        }
        let name = stream.name().map_err(unread)?;
        let name: Option<String> = serde_json::from_str(&format!("\"{name}\"")).ok();
        stream.value(&mut bytes).map_err(unread)?;
        let value = String::from_utf8_lossy(&bytes);
        let content = match (value_of(&value, "json"), value_of(&value, "hex")) {
            (Some(content), _) => Some(content.as_bytes().to_vec()),
            (None, Some(hex)) => from_hex(hex.trim_matches('"')),
            _ => None,
        };
        let document = name.zip(content);
        let (name, content) = document.ok_or_else(|| unsound("a document of the export does not read"))?;
        if !is_private_document(&name) {
            each(Part::Document(name, content))?;
        }
    }
    Ok(())
}

fn walk_area(
    stream: &mut JsonStream<impl BufRead>,
    types: &Types,
    area: usize,
    each: Takes<'_>,
) -> Result<(), Failure> {
    let (mut bytes, mut open) = (Vec::new(), stream.open(Bracket::List).map_err(unread)?);
    let (name, mut index) = (AREAS[area].0, 0);
    while stream.more(&mut open).map_err(unread)? {
        if index == IMPORT_ENTRIES_MAX {
            return Err(unsound(format!("{name} has more than {IMPORT_ENTRIES_MAX} entries")));
        }
        stream.value(&mut bytes).map_err(unread)?;
        let (text, whole) = match std::str::from_utf8(&bytes) {
            Ok(text) => (Cow::Borrowed(text), true),
            Err(_) => (String::from_utf8_lossy(&bytes), false),
        };
        let read = read_entry(types, AREAS[area].1, &text, whole);
        let read = read.map_err(|why| unsound(format!("entry {index} of {name} does not read{why}")))?;
        each(Part::Entry(area, read))?;
        index += 1;
    }
    Ok(())
}

/// `{"key":"<64 hex>","timeseries":{"<24 hex>":"<16 hex>",…},…}`
fn walk_origins(stream: &mut JsonStream<impl BufRead>, each: Takes<'_>) -> Result<(), Failure> {
    let bad = || unsound("the origins of the export do not read");
    let (mut bytes, mut open) = (Vec::new(), stream.open(Bracket::Object).map_err(unread)?);
    let digits = |bytes: &[u8]| Some(std::str::from_utf8(bytes).ok()?.trim_matches('"').to_owned());
    let mut count = 0;
    while stream.more(&mut open).map_err(unread)? {
        let name = stream.name().map_err(unread)?;
        if name == "key" {
            stream.value(&mut bytes).map_err(unread)?;
            let key = digits(&bytes).and_then(|digits| from_hex(&digits)?.try_into().ok());
            each(Part::OriginsKey(key.ok_or_else(bad)?))?;
            continue;
        }
        let Some(area) = AREAS.iter().position(|(known, _)| *known == name) else {
            stream.skip().map_err(unread)?;
            continue;
        };
        let mut of_area = stream.open(Bracket::Object).map_err(unread)?;
        while stream.more(&mut of_area).map_err(unread)? {
            count += 1;
            if count > IMPORT_ENTRIES_MAX {
                return Err(unsound(format!("the export has more than {IMPORT_ENTRIES_MAX} origins")));
            }
            let id: Option<EntryId> = stream.name().map_err(unread)?.parse().ok();
            stream.value(&mut bytes).map_err(unread)?;
            let origin = digits(&bytes).and_then(|digits| u64::from_str_radix(&digits, 16).ok());
            let (id, origin) = id.zip(origin).ok_or_else(bad)?;
            each(Part::Origin(area, id, origin))?;
        }
    }
    Ok(())
}

/// An entry of an area; where it cannot be read and cannot be set aside either, the reason in words. `whole`: its bytes
/// were UTF-8.
fn read_entry<'a>(types: &Types, area: Area, text: &'a str, whole: bool) -> Result<Read<'a>, String> {
    // What phones sent is set aside. What the host itself wrote is from no export of ours if it does not read.
    let of_phones = matches!(area, Area::Timeseries | Area::Usercache);
    let why = if whole { why_unreadable(text, depth_of(text)) } else { Some(SetAside::NotUtf8) };
    match why {
        Some(why) if of_phones => return Ok(Read::Aside(Aside::new(text, why))),
        // Elsewhere, an entry with a replaced letter is as good as before.
        Some(SetAside::NotUtf8) | None => {}
        Some(why) => return Err(format!(": {why}")),
    }
    let entry = Entry::read(text).ok_or_else(String::new)?;
    match why_unsound(types, area, &entry.key, [entry.metadata, entry.data, &entry.extra]) {
        None => Ok(Read::Sound(entry)),
        Some(why) if of_phones => Ok(Read::Aside(Aside::new(text, why))),
        Some(why) => Err(format!(": {why}")),
    }
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

fn store(
    to: &Store,
    types: &Types,
    checked: &Checked,
    open: Opens<'_>,
) -> Result<BTreeMap<String, u64>, Failure> {
    let commit = |batch| to.commit(batch).map(drop).map_err(logged);
    let origins = checked.origins.as_ref();
    if let Some(key) = origins.and_then(|origins| origins.key) {
        to.adopt_origins_key(key).map_err(logged)?;
    }
    let mut counts: BTreeMap<String, u64> = AREAS.iter().map(|(name, _)| ((*name).to_owned(), 0)).collect();
    let (mut batch, mut entries, mut bytes) = (Batch::new(), 0, 0);
    walk(types, open, &mut |part| {
        match part {
            Part::Entry(area, Read::Sound(Entry { id, key, metadata, data, extra, invalid })) => {
                bytes += metadata.len() + data.len() + extra.len();
                let entry = NewEntry { id: Some(id), key, metadata, data, extra: &extra };
                let origin = origins.and_then(|origins| origins.areas[area].get(&id).copied()).unwrap_or(0);
                batch.insert(AREAS[area].1, CheckedEntry::from(entry).with_origin(origin));
                if invalid {
                    batch.mark_invalid(id);
                }
                *counts.entry(AREAS[area].0.to_owned()).or_default() += 1;
            }
            Part::Entry(_, Read::Aside(entry)) => entry.add(now(), &mut batch),
            Part::Document(name, content) => {
                bytes += content.len();
                batch.put_document(&name, content);
            }
            Part::Fact(..) | Part::OriginsKey(_) | Part::Origin(..) => return Ok(()),
        }
        entries += 1;
        if entries == ENTRIES_PER_COMMIT || bytes >= BATCH_BYTES_MAX {
            (entries, bytes) = (0, 0);
            commit(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
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
        let bytes = format!(
            r#"{{"format":"{FORMAT}","user":{USER},"timeseries":[{all}],"errors":[{}]}}"#,
            entry(4, "?")
        );
        let bytes = bytes.into_bytes();
        let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
        let checked = checked(&bytes).expect("readable");
        assert_eq!((checked.aside, checked.name.as_str()), (2, "Ada"));
        for bad in [r#""timeseries":[{]"#, r#""audit":[{"a":NaN}]"#, r#""errors":[1]"#] {
            let text = format!(r#"{{"format":"{FORMAT}","user":{USER},{bad}}}"#);
            assert!(self::checked(text.as_bytes()).is_err(), "{bad}");
        }
    }

    const USER: &str = r#"{"id":"0123456789abcdef0123456789abcdef","name":"Ada","created_ts":1.5}"#;

    fn checked(bytes: &[u8]) -> Result<Checked, Failure> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("export.json");
        std::fs::write(&path, bytes).expect("written");
        Checked::read(&Types::default(), &|| Ok(Box::new(Input::open(&path)?)))
    }

    #[test]
    fn entries_that_no_stage_can_read_are_set_aside_and_not_stored_as_they_are() {
        let entry = |data: &str| {
            let id = "576810cb4a9bba50e3fa1d4a";
            let metadata = r#"{"key":"background/location","write_ts":1}"#;
            format!(r#"{{"_id":{{"$oid":"{id}"}},"metadata":{metadata},"data":{data}}}"#)
        };
        for data in ["5", "\"text\"", "[1]", "{\"latitude\":\"north\"}", "{\"a\":tru}"] {
            let text = format!(r#"{{"format":"{FORMAT}","user":{USER},"timeseries":[{}]}}"#, entry(data));
            assert_eq!(checked(text.as_bytes()).expect("readable").aside, 1, "{data}");
        }
    }

    #[test]
    fn origins_that_do_not_read_are_refused() {
        let key = "07".repeat(32);
        let id = "576810cb4a9bba50e3fa1d4a";
        let origins = |key: &str, id: &str, origin: &str| {
            format!(r#"{{"key":"{key}","timeseries":{{}},"errors":{{"{id}":"{origin}"}}}}"#)
        };
        let read = |origins: &str| {
            checked(format!(r#"{{"format":"{FORMAT}","user":{USER},"origins":{origins}}}"#).as_bytes())
        };
        let told = read(&origins(&key, id, "00000000000000ff")).expect("sound").origins.expect("told");
        let errors = AREAS.iter().position(|(name, _)| *name == "errors").expect("an area");
        assert_eq!(
            (told.key, told.areas[errors].get(&id.parse().expect("hex"))),
            (Some([7; 32]), Some(&255))
        );
        for bad in [
            origins("07", id, "1"),
            origins(&key, "x", "1"),
            origins(&key, id, "x"),
            r#"{"errors":{"576810cb4a9bba50e3fa1d4a":"1"}}"#.to_owned(),
            "[".to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hex_reads_back_and_what_is_none_is_refused() {
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        assert_eq!(from_hex(""), Some(vec![]));
        assert_eq!((from_hex("0"), from_hex("0x")), (None, None));
    }
}
