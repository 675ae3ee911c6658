//! Bounds on the parts of local times, as requests of the reference's clients have them in `from_local_date` and
//! `to_local_date`.
//!
//! * Each part is bounded by itself: June to August of three years, not one span of days. Where from is above to, the part
//!   wraps around: from November to February.

use cells_model::text;
use serde_json::{Map, Value};

/// Bounds on the parts of a local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDates {
    /// Name, from, to.
    parts: Vec<(String, i64, i64)>,
}

impl LocalDates {
    /// Parts that are not whole numbers, such as the zone, are not bounded. `None`: the two name different parts.
    pub fn between(from: &Map<String, Value>, to: &Map<String, Value>) -> Option<Self> {
        if from.len() != to.len() {
            return None;
        }
        let mut parts = Vec::new();
        for (name, from) in from {
            let to = to.get(name)?;
            if let (Some(from), Some(to)) = (from.as_i64(), to.as_i64()) {
                parts.push((name.clone(), from, to));
            }
        }
        Some(Self { parts })
    }

    /// Whether the member `name` of an object, as JSON text, is such a local time. An object without the member, or whose
    /// local time lacks one of the parts, is none.
    pub fn has(&self, object: &str, name: &str) -> bool {
        let Some(local) = text::member(object, name) else { return false };
        self.parts.iter().all(|(part, from, to)| {
            let value = text::value_of(local.value, part).and_then(|value| value.parse::<i64>().ok());
            value.is_some_and(|value| {
                if from <= to { (*from..=*to).contains(&value) } else { value >= *from || value <= *to }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn between(from: &Value, to: &Value) -> Option<LocalDates> {
        LocalDates::between(from.as_object()?, to.as_object()?)
    }

    #[test]
    fn each_part_is_bounded_by_itself_and_wraps_around() {
        let winters = between(&json!({ "year": 2016, "month": 11 }), &json!({ "year": 2018, "month": 2 }));
        let winters = winters.expect("the same parts");
        for (local, wanted) in [
            (json!({ "year": 2016, "month": 1 }), true),
            (json!({ "year": 2017, "month": 12, "day": 3 }), true),
            (json!({ "year": 2017, "month": 6 }), false),
            (json!({ "year": 2019, "month": 1 }), false),
            (json!({ "year": 2017 }), false),
        ] {
            let data = json!({ "local_dt": local }).to_string();
            assert_eq!(winters.has(&data, "local_dt"), wanted, "{local}");
            assert!(!winters.has(&data, "start_local_dt"));
        }
    }

    #[test]
    fn two_dates_name_the_same_parts() {
        assert_eq!(between(&json!({ "year": 1 }), &json!({ "month": 1 })), None);
        assert_eq!(between(&json!({ "year": 1 }), &json!({ "year": 1, "month": 1 })), None);
        let zoned = json!({ "timezone": "UTC" });
        assert!(between(&zoned, &zoned).expect("the same parts").has(r#"{"local_dt":{}}"#, "local_dt"));
    }
}
