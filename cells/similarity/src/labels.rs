//! The labels of a trip, as in `user_input` of a confirmed trip.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Labels by kind, such as `mode_confirm`, in the order of the entry. `None`: the kind is there without a label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels(pub Vec<(String, Option<String>)>);

impl Labels {
    /// The label of that kind, where there is one.
    pub fn get(&self, kind: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == kind)?.1.as_deref()
    }
}

/// The labels and forms of a trip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing yet.
    #[default]
    Nothing,
    /// Labels that can be counted.
    Labels(Labels),
    /// A form, alone or among labels. The trip counts as labelled, but a form cannot be counted as a label.
    Form,
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels and forms by kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut labels = Labels::default();
        let mut is_form = false;
        while let Some((kind, label)) = map.next_entry::<String, Label>()? {
            match label {
                Label::Text(text) => labels.0.push((kind, Some(text))),
                Label::Missing => labels.0.push((kind, None)),
                Label::Form => is_form = true,
            }
        }
        Ok(match (is_form, labels.0.is_empty()) {
            (true, _) => Given::Form,
            (false, true) => Given::Nothing,
            (false, false) => Given::Labels(labels),
        })
    }
}

enum Label {
    Text(String),
    Missing,
    /// An object, as a form is, or anything else that is not a string.
    Form,
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor)
    }
}

struct LabelVisitor;

impl<'de> Visitor<'de> for LabelVisitor {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label or a form")
    }

    fn visit_str<E>(self, text: &str) -> Result<Label, E> {
        Ok(Label::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Label, E> {
        Ok(Label::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Label, E> {
        Ok(Label::Form)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Label, E> {
        Ok(Label::Form)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Label, E> {
        Ok(Label::Form)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Label, E> {
        Ok(Label::Form)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Label, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Label::Form)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Label, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Label::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given(text: &str) -> Given {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn labels_keep_the_order_of_the_entry() {
        let Given::Labels(labels) =
            given(r#"{"purpose_confirm":"work","mode_confirm":"bike","replaced_mode":null}"#)
        else {
            panic!("labels")
        };
        let kinds: Vec<_> = labels.0.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["purpose_confirm", "mode_confirm", "replaced_mode"]);
        assert_eq!((labels.get("mode_confirm"), labels.get("replaced_mode")), (Some("bike"), None));
    }

    // Row: "A label that is a number, a truth value or a list"
    #[test]
    fn a_form_among_labels_makes_it_a_form() {
        assert_eq!(given("{}"), Given::Nothing);
        assert_eq!(given(r#"{"trip_user_input":{"data":{"a":[1,{}]}},"mode_confirm":"bike"}"#), Given::Form);
        for label in [r#"["bike",2]"#, "7", "true"] {
            assert_eq!(given(&format!(r#"{{"mode_confirm":{label}}}"#)), Given::Form, "{label}");
        }
    }

    proptest! {
        #[test]
        fn the_reader_never_panics_whatever_the_text(text in r#"[{}\[\]":,a1 .ntrue]{0,30}"#) {
            let _ = serde_json::from_str::<Given>(&text);
        }
    }
}
