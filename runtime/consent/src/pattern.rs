//! Patterns of streams: `family/name`, where a whole part may be `*`.

use cells_contract::is_key;

/// Whether a text is a pattern: a stream's key, of which a whole part may be `*`.
pub fn is_pattern(text: &str) -> bool {
    let Some((family, name)) = text.split_once('/') else { return false };
    let plain = |part: &str| if part == "*" { "any".to_owned() } else { part.to_owned() };
    is_key(&format!("{}/{}", plain(family), plain(name)))
}

/// Whether a pattern covers a stream's key.
pub fn covers_key(pattern: &str, key: &str) -> bool {
    is_within(key, pattern)
}

/// Whether the pattern `outer` covers all that `inner` covers.
pub fn is_within(inner: &str, outer: &str) -> bool {
    let (Some(inner), Some(outer)) = (inner.split_once('/'), outer.split_once('/')) else { return false };
    let covers = |outer: &str, inner: &str| outer == "*" || outer == inner;
    covers(outer.0, inner.0) && covers(outer.1, inner.1)
}

/// The pattern of what both cover; `None`: nothing.
pub(crate) fn shared(one: &str, other: &str) -> Option<String> {
    let part = |one: &str, other: &str| match (one, other) {
        ("*", any) | (any, "*") => Some(any.to_owned()),
        (one, other) => (one == other).then(|| one.to_owned()),
    };
    let (one, other) = (one.split_once('/')?, other.split_once('/')?);
    Some(format!("{}/{}", part(one.0, other.0)?, part(one.1, other.1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_whole_part_alone() {
        for good in ["*/*", "background/*", "*/location", "background/location"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in ["", "*", "background", "back*/location", "a/b/c", "**/a", "a/ b"] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn what_two_patterns_share_is_covered_by_both() {
        let all = ["*/*", "a/*", "*/b", "a/b", "c/*", "c/d"];
        for one in all {
            for other in all {
                let shared = shared(one, other);
                for key in ["a/b", "a/d", "c/b", "c/d", "x/y"] {
                    let both = covers_key(one, key) && covers_key(other, key);
                    assert_eq!(shared.as_ref().is_some_and(|shared| covers_key(shared, key)), both);
                }
                assert_eq!(is_within(one, other), shared.as_deref() == Some(one), "{one} {other}");
            }
        }
    }
}
