//! One input of a person, with the members that stages need.

use cells_sdk::model::EntryId;
use cells_sdk::model::page::Entry;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The kind of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `manual/mode_confirm`
    ModeConfirm,
    /// `manual/purpose_confirm`
    PurposeConfirm,
    /// `manual/replaced_mode`
    ReplacedMode,
    /// `manual/trip_user_input`
    TripUserInput,
    /// `manual/place_user_input`
    PlaceUserInput,
    /// `manual/trip_addition_input`
    TripAddition,
    /// `manual/place_addition_input`
    PlaceAddition,
}

/// How an entry of the timeline stores inputs of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The label of the latest one.
    Label,
    /// The latest one, the whole entry.
    Form,
    /// All that were not undone, as whole entries.
    Additions,
}

impl Kind {
    /// Every kind, in the order in which the reference asks for them.
    pub const ALL: [Self; 7] = [
        Self::ModeConfirm,
        Self::PurposeConfirm,
        Self::ReplacedMode,
        Self::TripUserInput,
        Self::PlaceUserInput,
        Self::TripAddition,
        Self::PlaceAddition,
    ];

    /// The key of its entries.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ModeConfirm => "manual/mode_confirm",
            Self::PurposeConfirm => "manual/purpose_confirm",
            Self::ReplacedMode => "manual/replaced_mode",
            Self::TripUserInput => "manual/trip_user_input",
            Self::PlaceUserInput => "manual/place_user_input",
            Self::TripAddition => "manual/trip_addition_input",
            Self::PlaceAddition => "manual/place_addition_input",
        }
    }

    /// The keys of all kinds.
    pub fn keys() -> [&'static str; 7] {
        Self::ALL.map(Self::key)
    }

    /// The kind of that key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// The name under which `user_input` has it.
    pub fn name(self) -> &'static str {
        self.key().strip_prefix("manual/").expect("every key begins with `manual/`")
    }

    /// How entries store it.
    pub const fn held(self) -> Held {
        match self {
            Self::ModeConfirm | Self::PurposeConfirm | Self::ReplacedMode => Held::Label,
            Self::TripUserInput | Self::PlaceUserInput => Held::Form,
            Self::TripAddition | Self::PlaceAddition => Held::Additions,
        }
    }

    /// Whether it is about a stay; the others are about trips.
    pub const fn is_about_a_place(self) -> bool {
        matches!(self, Self::PlaceUserInput | Self::PlaceAddition)
    }
}

/// The status of an addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is active.
    Active,
    /// It undoes those with its `match_id`.
    Deleted,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its kind.
    pub kind: Kind,
    /// The id of its entry.
    pub id: EntryId,
    /// The beginning of the span that it is about, s.
    pub start_ts: f64,
    /// The end of the span that it is about, s.
    pub end_ts: f64,
    /// When the person entered it, s.
    pub write_ts: f64,
    /// The JSON text that an entry of the timeline shows: the label, or the whole entry.
    pub text: String,
    /// Its status; only additions can be undone.
    pub status: Status,
    /// Connects an addition and the one that undoes it.
    pub match_id: Option<Value>,
}

/// Why an input does not count. In the reference each of them stops the stage for the person.
#[derive(Debug, thiserror::Error)]
pub enum BadInput {
    /// Its key is not one of [`Kind::ALL`].
    #[error("{0} is not the key of an input about trips or stays")]
    Key(String),
    /// It is not JSON, or has no times.
    #[error("its data cannot be read")]
    Data(#[from] serde_json::Error),
    /// It is a label without one.
    #[error("it has no label")]
    NoLabel,
    /// It is neither `ACTIVE` nor `DELETED`.
    #[error("its status is unknown")]
    Status,
}

#[derive(Deserialize)]
struct Wire<'a> {
    start_ts: f64,
    end_ts: f64,
    #[serde(borrow, default)]
    label: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(default)]
    match_id: Option<Value>,
}

impl Input {
    /// Reads an entry of one of the keys.
    pub fn parse(entry: &Entry<'_>) -> Result<Self, BadInput> {
        let kind = Kind::of_key(entry.key).ok_or_else(|| BadInput::Key(entry.key.to_owned()))?;
        let wire: Wire<'_> = serde_json::from_str(entry.data)?;
        let status = match wire.status.map(RawValue::get) {
            // Only additions are asked for it.
            _ if kind.held() != Held::Additions => Status::Active,
            None | Some(r#""ACTIVE""#) => Status::Active,
            Some(r#""DELETED""#) => Status::Deleted,
            Some(_) => return Err(BadInput::Status),
        };
        let text = match kind.held() {
            Held::Label => wire.label.ok_or(BadInput::NoLabel)?.get(),
            Held::Form | Held::Additions => entry.text,
        };
        Ok(Self {
            kind,
            id: entry.id,
            start_ts: wire.start_ts,
            end_ts: wire.end_ts,
            write_ts: entry.write_ts,
            text: text.to_owned(),
            status,
            match_id: wire.match_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(key: &str, data: &str) -> Result<Input, BadInput> {
        let (id, text) = (EntryId([1; 12]), r#"{"the":"whole entry"}"#);
        let entry = Entry { id, key, invalid: false, write_ts: 7.0, time: 1.0, metadata: "{}", data, text };
        Input::parse(&entry)
    }

    // Row: "A late input on a stay without a duration"
    #[test]
    fn a_label_is_kept_alone_and_a_form_with_its_entry() {
        let data = r#"{"start_ts":1,"end_ts":2.5,"label":"bike"}"#;
        let label = parse("manual/mode_confirm", data).expect("sound");
        assert_eq!((label.text.as_str(), label.start_ts, label.end_ts), ("\"bike\"", 1.0, 2.5));
        for key in ["manual/trip_user_input", "manual/place_addition_input"] {
            assert_eq!(parse(key, data).expect("sound").text, r#"{"the":"whole entry"}"#);
        }
        assert!(matches!(
            parse("manual/mode_confirm", r#"{"start_ts":1,"end_ts":2}"#),
            Err(BadInput::NoLabel)
        ));
        assert!(parse("manual/trip_user_input", r#"{"start_ts":1,"end_ts":2}"#).is_ok());
    }

    // Row: "A late input on a stay without a duration"
    #[test]
    fn an_addition_counts_unless_its_status_is_deleted() {
        let status = |status: &str| {
            parse("manual/trip_addition_input", &format!(r#"{{"start_ts":1,"end_ts":2{status}}}"#))
        };
        assert_eq!(status("").expect("sound").status, Status::Active);
        assert_eq!(status(r#","status":"ACTIVE""#).expect("sound").status, Status::Active);
        assert_eq!(status(r#","status":"DELETED""#).expect("sound").status, Status::Deleted);
        assert!(matches!(status(r#","status":"deleted""#), Err(BadInput::Status)));
    }

    // Row: "A late input on a stay without a duration"
    #[test]
    fn an_input_without_a_span_or_of_an_unknown_kind_is_refused() {
        assert!(matches!(parse("manual/trip_user_input", r#"{"start_ts":1}"#), Err(BadInput::Data(_))));
        assert!(matches!(parse("manual/destination_confirm", "{}"), Err(BadInput::Key(_))));
    }

    #[test]
    fn a_kind_is_found_by_its_key_and_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_key(kind.key()), Some(kind));
            assert_eq!(kind.key(), format!("manual/{}", kind.name()));
        }
    }

    proptest! {
        #[test]
        fn the_parser_never_panics_whatever_the_data(data in "[{}\\[\\]\":,a-z0-9_.]{0,60}") {
            for key in Kind::keys() {
                let _ = parse(key, &data);
            }
        }
    }
}
