//! One entry as [`Memory`](super::Memory) keeps it.

use std::collections::BTreeMap;

use cells_model::EntryId;
use serde_json::{Value, value::RawValue};

use crate::{Area, TimeField};

/// An entry in memory; the texts are kept byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The area that it is in.
    pub area: Area,
    /// Its id; unchanged when it is imported, set aside or replaced.
    pub id: EntryId,
    /// Such as `background/location`.
    pub key: String,
    /// A JSON object.
    pub metadata: String,
    /// A JSON object.
    pub data: String,
    /// Further members without braces, or empty.
    pub extra: String,
    /// Whether it is hidden from queries that do not ask for invalid entries.
    pub invalid: bool,
    pub(super) times: Times,
    pub(super) origin: Option<Origin>,
}

/// An entry that a phone put: the identity by which a resend is recognised, and the content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    identity: (String, String, u64),
    metadata: String,
    data: String,
}

impl Origin {
    pub(super) fn same_identity(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

/// Times by the number of the field; NaN where the entry has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times([f64; 6]);

impl PartialEq for Times {
    fn eq(&self, other: &Self) -> bool {
        self.0.map(f64::to_bits) == other.0.map(f64::to_bits)
    }
}

impl Times {
    fn read(metadata: &Value, data: &Value) -> Self {
        let time = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let of_data = |name| data.get(name).map_or(f64::NAN, time);
        let write_ts = metadata.get("write_ts").map_or(f64::NAN, time);
        let [ts, start, end, enter, exit] = ["ts", "start_ts", "end_ts", "enter_ts", "exit_ts"].map(of_data);
        Self([write_ts, ts, start, end, enter, exit])
    }

    pub(super) fn get(&self, field: TimeField) -> f64 {
        let [write_ts, ts, start, end, enter, exit] = self.0;
        match field {
            TimeField::WriteTs => write_ts,
            TimeField::DataTs => ts,
            TimeField::StartTs => start,
            TimeField::EndTs => end,
            TimeField::EnterTs => enter,
            TimeField::ExitTs => exit,
            TimeField::Position => {
                [ts, start, enter, exit, write_ts].into_iter().find(|time| !time.is_nan()).unwrap_or(f64::NAN)
            }
        }
    }
}

impl Stored {
    /// Refuses texts that are not JSON objects, as the runtime does.
    pub(super) fn new(area: Area, id: EntryId, key: &str, texts: [&str; 3]) -> Result<Self, String> {
        let [metadata, data, extra] = texts;
        let object = |text: &str, what: &str| match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(format!("{what} of {key} is not an object")),
            Err(error) => Err(format!("{what} of {key} is not JSON: {error}")),
        };
        let times = match area {
            // An entry that was set aside keeps its data as sent, which may be a string.
            Area::Errors => Times::read(&object(metadata, "metadata")?, &read_any(data, key)?),
            Area::Timeseries | Area::Usercache => {
                Times::read(&object(metadata, "metadata")?, &object(data, "data")?)
            }
        };
        object(&format!("{{{extra}}}"), "extra")?;
        let [metadata, data, extra] = [metadata, data, extra].map(str::to_owned);
        Ok(Self { area, id, key: key.to_owned(), metadata, data, extra, invalid: false, times, origin: None })
    }

    /// Reads one entry of a dump, `{"_id":{"$oid":…},"metadata":{…},"data":{…},…}`; `user_id` is dropped.
    pub(super) fn from_dump(area: Area, text: &RawValue) -> Result<Self, String> {
        let bad = |error: serde_json::Error| format!("not an entry: {error}");
        let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(text.get()).map_err(bad)?;
        let mut take = |name: &str| members.remove(name).ok_or(format!("an entry without {name}: {text}"));
        let id: EntryId = serde_json::from_str(take("_id")?.get()).map_err(bad)?;
        let (metadata, data) = (take("metadata")?.get(), take("data")?.get());
        let key = serde_json::from_str::<Value>(metadata).map_err(bad)?;
        let key = key["key"].as_str().ok_or("an entry whose metadata has no key")?;
        members.remove("user_id");
        let invalid = members.remove("invalid").is_some_and(|flag| flag.get() == "true");
        let extra: Vec<_> =
            members.iter().map(|(name, value)| format!("{}:{value}", Value::from(&name[..]))).collect();
        Ok(Self { invalid, ..Self::new(area, id, key, [metadata, data, &extra.join(",")])? })
    }

    pub(super) fn origin_of_put(&self) -> Origin {
        let kind = self.metadata()["type"].as_str().unwrap_or_default().to_owned();
        let write_ts = self.times.get(TimeField::WriteTs).to_bits();
        let identity = (kind, self.key.clone(), write_ts);
        Origin { identity, metadata: self.metadata.clone(), data: self.data.clone() }
    }

    /// That time, s; NaN where the entry has none.
    pub fn time(&self, field: TimeField) -> f64 {
        self.times.get(field)
    }

    /// Its metadata, parsed.
    pub fn metadata(&self) -> Value {
        serde_json::from_str(&self.metadata).expect("checked when it was made")
    }

    /// Its data, parsed.
    pub fn data(&self) -> Value {
        serde_json::from_str(&self.data).expect("checked when it was made")
    }

    /// Its further members, parsed, such as `error`.
    pub fn extra(&self) -> Value {
        serde_json::from_str(&format!("{{{}}}", self.extra)).expect("checked when it was made")
    }
}

fn read_any(text: &str, key: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("data of {key} is not JSON: {error}"))
}
