//! The check itself: one pass over the text, which stores nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Field, Kind};

/// Keys have far fewer members than this; one bit each.
const FIELDS_MAX: usize = 64;

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true, nullable: false }
}

const POINT: [Field; 2] = [needed("type", Kind::Text), needed("coordinates", Kind::List)];
const ID: [Field; 1] = [needed("$oid", Kind::Text)];
const LOCAL_DT: [Field; 8] = [
    needed("year", Kind::Whole),
    needed("month", Kind::Whole),
    needed("day", Kind::Whole),
    needed("hour", Kind::Whole),
    needed("minute", Kind::Whole),
    needed("second", Kind::Whole),
    needed("weekday", Kind::Whole),
    needed("timezone", Kind::Text),
];

pub(super) fn check(fields: &[&[Field]], data: &str) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_str(data);
    let found = Members { fields }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    let missing = fields
        .iter()
        .copied()
        .flatten()
        .enumerate()
        .find(|(index, field)| field.needed && found & 1 << index == 0);
    missing.map_or(Ok(()), |(_, field)| Err(format!("{} is missing", field.name)))
}

/// Collects which of the fields are present, one bit each.
struct Members<'f> {
    fields: &'f [&'f [Field]],
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = u64;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = u64;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut found = 0;
        while let Some(name) = map.next_key_seed(Name)? {
            let mut fields = self.fields.iter().copied().flatten().enumerate();
            match fields.find(|(_, field)| field.name == name) {
                Some((index, field)) => {
                    debug_assert!(index < FIELDS_MAX);
                    map.next_value_seed(Checked(*field))?;
                    found |= 1 << index;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// A member's name, borrowed unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// A member's value, checked against its kind.
struct Checked(Field);

impl Checked {
    /// Errors never repeat values: they may be places.
    fn wrong<E: de::Error>(&self) -> E {
        E::custom(format_args!("{} is not {}", self.0.name, self.0.kind))
    }

    fn one_of<E: de::Error>(&self, kinds: &[Kind]) -> Result<(), E> {
        if kinds.contains(&self.0.kind) { Ok(()) } else { Err(self.wrong()) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Whole => "a whole number",
            Self::Text => "a string",
            Self::Flag => "true or false",
            Self::Point => "a GeoJSON point",
            Self::LocalDt => "a local time",
            Self::Id => "an id",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.one_of(&[Kind::Flag])
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.one_of(&[Kind::Number, Kind::Whole])
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.one_of(&[Kind::Number, Kind::Whole])
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        // 7.0 is whole: tools that read a column with gaps write it so.
        if self.0.kind == Kind::Whole && number.fract() == 0.0 {
            Ok(())
        } else {
            self.one_of(&[Kind::Number])
        }
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.one_of(&[Kind::Text])
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.0.nullable { Ok(()) } else { Err(self.wrong()) }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.one_of::<A::Error>(&[Kind::List])?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let inner: &[Field] = match self.0.kind {
            Kind::Object => &[],
            Kind::Point => &POINT,
            Kind::LocalDt => &LOCAL_DT,
            Kind::Id => &ID,
            _ => return Err(self.wrong()),
        };
        let found = Members { fields: &[inner] }.visit_map(map)?;
        let complete =
            inner.iter().enumerate().all(|(index, field)| !field.needed || found & 1 << index != 0);
        if complete { Ok(()) } else { Err(self.wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::keys::{KEYS, check, find, is_analysis, taken_in_key};
    use proptest::prelude::*;

    const TRANSITION: &str = r#"{"curr_state":1,"transition":null,"ts":1.5,"fmt_time":"x","local_dt":
        {"year":2020,"month":9,"day":13,"hour":5,"minute":26,"second":40,"weekday":6,"timezone":"UTC"},"more":[{}]}"#;

    #[test]
    fn required_members_must_be_present_with_their_types_and_others_are_ignored() {
        assert_eq!(check("statemachine/transition", TRANSITION), Ok(()));
        let without = TRANSITION.replace("curr_state", "x");
        assert_eq!(check("statemachine/transition", &without), Err("curr_state is missing".to_owned()));
        for (from, to, want) in [
            ("\"ts\":1.5", "\"ts\":\"1.5\"", "ts is not a number"),
            ("\"ts\":1.5", "\"ts\":null", "ts is not a number"),
            ("\"curr_state\":1", "\"curr_state\":1.5", "curr_state is not a whole number"),
            ("\"year\":2020,", "", "local_dt is not a local time"),
        ] {
            let error = check("statemachine/transition", &TRANSITION.replace(from, to)).expect_err(to);
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn a_wrong_value_is_not_repeated_in_the_reason() {
        let error = check("background/location", r#"{"latitude":"47.123456"}"#).expect_err("no number");
        assert!(!error.contains("47"), "{error}");
    }

    #[test]
    fn an_unregistered_key_accepts_any_object() {
        assert_eq!(check("own/thing", r#"{"a":[1]}"#), Ok(()));
        assert!(check("own/thing", "[1]").is_err());
        assert!(check("own/thing", "{} {}").is_err());
        assert!(check("own/thing", r#"{"a":NaN}"#).is_err());
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(KEYS.is_sorted_by(|a, b| a.key < b.key));
        for info in KEYS {
            assert!(info.members().count() < super::FIELDS_MAX, "{}", info.key);
            assert_eq!(find(info.key).map(|found| found.key), Some(info.key));
        }
        assert!(is_analysis("segmentation/raw_trip") && is_analysis("analysis/own"));
        assert!(!is_analysis("background/location") && !is_analysis("stats/pipeline_time"));
        assert_eq!(taken_in_key("background/activity"), "background/motion_activity");
    }

    proptest! {
        #[test]
        fn the_check_never_panics_whatever_the_text(text in r#"[{}\[\]",:\\a1.e-]{0,40}"#, key in 0..KEYS.len()) {
            let _ = KEYS[key].check(&text);
            let _ = KEYS[key].check(&format!("{{\"ts\":{text}}}"));
        }
    }
}
