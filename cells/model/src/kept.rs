//! Writing an entry back without losing what the reader does not know.

use serde::de::{DeserializeOwned, Error as _, Visitor, value};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};

use crate::text::{self, members};

/// A typed reading of an entry's data together with the members that its type does not name, so that a
/// changed entry can be written back whole. Those members keep their texts; numbers of the others keep their value.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    /// The members that the type names.
    pub known: T,
    /// All other members: `"name":value` as they were, joined by commas.
    pub rest: String,
}

impl<T: DeserializeOwned> Kept<T> {
    /// Reads an object. `T` is a struct that serde reads member by member.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let known = serde_json::from_str(text)?;
        let names = names::<T>();
        let mut rest = String::new();
        // A text that serde has read is valid.
        for member in members(text).map_while(Result::ok) {
            let name = text::string(&text[member.name_range()]);
            if name.is_some_and(|name| names.contains(&&*name)) {
                continue;
            }
            if !rest.is_empty() {
                rest.push(',');
            }
            rest.push_str(&text[member.range()]);
        }
        Ok(Self { known, rest })
    }
}

impl<T: Serialize> Kept<T> {
    /// The whole object as JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let known = serde_json::to_string(&self.known)?;
        if self.rest.is_empty() {
            return Ok(known);
        }
        text::with_members(&known, &self.rest).ok_or_else(|| serde_json::Error::custom("expected an object"))
    }
}

/// The names of a struct's members, in the order of its declaration.
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names = &[][..];
    // The call always fails: only the names are needed.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// Reads nothing, but records the names of the members that it was asked for.
struct Names<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = names;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A GeoJSON point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Point {
    /// Always a point.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schemas", schemars(extend("const" = "Point"), with = "String"))]
    pub kind: PointKind,
    /// Longitude, latitude, degrees.
    pub coordinates: [f64; 2],
}

/// The one kind of geometry that entries carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PointKind {
    /// `"type":"Point"`
    #[default]
    Point,
}

impl Point {
    /// The point at those degrees.
    pub fn at(longitude_deg: f64, latitude_deg: f64) -> Self {
        Self { kind: PointKind::Point, coordinates: [longitude_deg, latitude_deg] }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Reading {
        name: String,
        reading: Value,
        ts: f64,
    }

    #[test]
    fn members_that_a_type_does_not_name_are_written_back() {
        let text = r#"{"name":"n", "later":{"a":[1.50]} ,"reading":1.5,"ts":2.5,"more" : 1e2}"#;
        let mut kept: Kept<Reading> = Kept::read(text).expect("sound");
        assert_eq!(kept.rest, r#""later":{"a":[1.50]},"more" : 1e2"#);
        kept.known.name = "m".to_owned();
        let back: Value = serde_json::from_str(&kept.write().expect("plain")).expect("JSON");
        assert_eq!(back, serde_json::from_str::<Value>(&text.replace("\"n\"", "\"m\"")).expect("JSON"));
    }

    #[test]
    fn a_member_whose_name_has_an_escape_is_recognised() {
        let kept: Kept<Reading> =
            Kept::read(r#"{"n\u0061me":"n","reading":1,"ts":2,"\u0061":3}"#).expect("sound");
        assert_eq!((&*kept.known.name, &*kept.rest), ("n", r#""\u0061":3"#));
        let known: Kept<Reading> = Kept { rest: String::new(), ..kept };
        assert_eq!(known.write().expect("plain"), r#"{"name":"n","reading":1,"ts":2.0}"#);
    }

    #[test]
    fn an_object_of_another_form_is_refused() {
        for text in ["", "[]", r#"{"name":"n"}"#, r#"{"name":"n","reading":1,"ts":2"#] {
            assert!(Kept::<Reading>::read(text).is_err(), "{text}");
        }
    }
}
