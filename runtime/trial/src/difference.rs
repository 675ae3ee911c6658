//! What two results have not in common, in a few lines.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// How many lines of a difference are told.
const LINES_MAX: usize = 24;
/// How many equal lines stand around a difference.
const AROUND: usize = 1;

/// The lines that only one of both has, with `-` for `wanted` and `+` for `got`; empty where they are equal.
pub(crate) fn between(wanted: &[Value], got: &[Value]) -> Vec<String> {
    if wanted == got {
        return Vec::new();
    }
    let [wanted, got] = [wanted, got].map(|values| {
        let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
        values.iter().map(pretty).collect::<Vec<_>>().join("\n")
    });
    let difference = TextDiff::from_lines(&wanted, &got);
    let mut lines = Vec::new();
    for group in difference.grouped_ops(AROUND) {
        for change in group.iter().flat_map(|step| difference.iter_changes(step)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end()));
        }
    }
    let further = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if further > 0 {
        lines.push(format!("… and {further} lines more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_small_and_says_which_side_has_what() {
        let many: Vec<_> = (0..100).map(|number| json!({ "number": number })).collect();
        assert!(between(&many, &many).is_empty());
        let mut other = many.clone();
        other[50] = json!({ "number": "fifty" });
        let told = between(&many, &other);
        assert!(told.contains(&"-   \"number\": 50".to_owned()), "{told:?}");
        assert!(told.contains(&"+   \"number\": \"fifty\"".to_owned()) && told.len() < 8, "{told:?}");
        assert!(between(&many, &[]).last().is_some_and(|last| last.contains("lines more")));
    }
}
