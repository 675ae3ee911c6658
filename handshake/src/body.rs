//! Reading the JSON bodies of `/.upc/`, on either side: foreign bytes in, a typed body or [`Code::Malformed`] out.
//!
//! * Accepted: one object of at most [`BODY_BYTES_MAX`] bytes of UTF-8, nested at most [`DEPTH_MAX`] deep, with
//!   no number beyond [`INTEGER_MAX`] on either side of zero. Unknown keys are ignored.
//! * Refused: a key that occurs twice in one object, known or not, at any depth. Two readers could each use a different
//!   one of the two.
//! * Why it reads twice: the first pass checks the shape and keeps only keys, so that a body with a secret leaves no
//!   copy of it behind; both passes use the same parser.
//! * Not here: what the bodies say ([`crate::pairing`]), and HTTP.

use crate::error::Code;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

/// Longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of objects and lists; the body itself is the first.
pub const DEPTH_MAX: usize = 8;
/// Largest number: up to here every reader of JSON agrees on every integer.
pub const INTEGER_MAX: u64 = 1 << 53;

/// Reads a body.
///
/// # Errors
/// [`Code::Malformed`], without a reason: the sender of the body knows what is wrong with it.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Code> {
    let text = Some(bytes).filter(|bytes| bytes.len() <= BODY_BYTES_MAX);
    let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(Code::Malformed)?;
    let mut shape = serde_json::Deserializer::from_str(text);
    let sound = Shape { depth_left: DEPTH_MAX }.deserialize(&mut shape).and_then(|()| shape.end());
    sound.map_err(|_| Code::Malformed)?;
    let mut typed = serde_json::Deserializer::from_str(text);
    Object::deserialize(&mut typed).map(|body: Object<T>| body.0).map_err(|_| Code::Malformed)
}

/// A value that must be written as an object; derived readers would also accept a list.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// For `#[serde(deserialize_with)]` on a field that is an object.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// For `#[serde(default, deserialize_with)]` on a field that is an object or absent.
pub(crate) fn object_or_none<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(|found: Option<Object<T>>| found.map(|object| object.0))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Visits any value and keeps none; an error where the rules of this module are broken.
#[derive(Clone, Copy)]
struct Shape {
    depth_left: usize,
}

impl Shape {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1);
        depth_left.map(|depth_left| Self { depth_left }).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON within the limits of a body")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        if value <= INTEGER_MAX { Ok(()) } else { Err(E::custom("number too large")) }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_u64(value.unsigned_abs())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if value.abs() <= INTEGER_MAX as f64 { Ok(()) } else { Err(E::custom("number too large")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while list.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sample {
        number: u64,
        #[serde(default, deserialize_with = "object_or_none")]
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        word: String,
    }

    fn sample(text: &str) -> Result<Sample, Code> {
        read(text.as_bytes())
    }

    const PLAIN: Result<Sample, Code> = Ok(Sample { number: 1, inner: None });

    #[test]
    fn unknown_keys_are_ignored_whatever_they_hold() {
        assert_eq!(sample(r#"{"number":1}"#), PLAIN);
        let later = r#" {"later":{"a":[-1,2.5,null,true,"x"],"b":{"a":1}},"number":1} "#;
        assert_eq!(sample(later), PLAIN);
        let inner = Some(Inner { word: "x".into() });
        let text = r#"{"number":1,"inner":{"word":"x"}}"#;
        assert_eq!(sample(text), Ok(Sample { number: 1, inner }));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_every_depth_also_where_it_is_unknown() {
        for text in [
            r#"{"number":1,"number":1}"#,
            r#"{"number":1,"x":0,"x":0}"#,
            r#"{"number":1,"x":0,"\u0078":0}"#,
            r#"{"number":1,"x":[{"y":{"z":1,"z":1}}]}"#,
            r#"{"number":1,"inner":{"word":"a","word":"a"}}"#,
        ] {
            assert_eq!(sample(text), Err(Code::Malformed), "{text}");
        }
        assert_eq!(sample(r#"{"number":1,"x":{"y":1},"z":{"y":1}}"#), PLAIN);
    }

    #[test]
    fn numbers_end_where_readers_begin_to_disagree() {
        for (number, taken) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("-9007199254740992", true),
            ("-9007199254740993", false),
            ("18446744073709551615", false),
            ("-9223372036854775808", false),
            ("99999999999999999999999", false),
            ("1e300", false),
            ("1e999", false),
        ] {
            let text = format!(r#"{{"number":1,"x":{number}}}"#);
            assert_eq!(sample(&text).is_ok(), taken, "{number}");
        }
        assert_eq!(sample(r#"{"number":1.0}"#), Err(Code::Malformed));
    }

    #[test]
    fn a_body_is_bounded_in_bytes_and_in_depth() {
        let padded = |bytes: usize| format!(r#"{{"number":1{}}}"#, " ".repeat(bytes - 12));
        assert_eq!(sample(&padded(BODY_BYTES_MAX)), PLAIN);
        assert_eq!(sample(&padded(BODY_BYTES_MAX + 1)), Err(Code::Malformed));
        let nested =
            |depth: usize| format!(r#"{{"number":1,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(sample(&nested(DEPTH_MAX - 1)), PLAIN);
        assert_eq!(sample(&nested(DEPTH_MAX)), Err(Code::Malformed));
        assert_eq!(sample(&nested(8_000)), Err(Code::Malformed));
    }

    #[test]
    fn what_is_no_single_object_is_refused() {
        for text in ["", "null", "1", "[1]", r#"[1,null]"#, r#"{"number":1}{}"#, r#"{"number":1"#] {
            assert_eq!(sample(text), Err(Code::Malformed), "{text}");
        }
        assert_eq!(sample(r#"{"number":1,"inner":["x"]}"#), Err(Code::Malformed), "an object as a list");
        assert_eq!(sample("\u{feff}{\"number\":1}"), Err(Code::Malformed), "a byte order mark");
        assert_eq!(read::<Sample>(b"{\"number\":1,\"x\":\"\xff\"}"), Err(Code::Malformed), "not UTF-8");
        assert_eq!(sample(r#"{"number":1,"x":"\ud800"}"#), Err(Code::Malformed), "half a character");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<Sample>(&bytes);
        }

        #[test]
        fn no_json_makes_the_reader_panic(text in r#"[\[\]{}:,"a-b0-9.e\\ -]{0,60}"#) {
            let _ = read::<Sample>(text.as_bytes());
        }
    }
}
