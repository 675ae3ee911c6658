//! The form of a stream's key.

/// How long each of a key's two parts may be, bytes.
pub const KEY_PART_BYTES_MAX: usize = 64;

/// Whether a text can name a stream: `family/name`, each part 1 to [`KEY_PART_BYTES_MAX`] of `a-z A-Z 0-9 _ - .`, since
/// phones make keys such as `diary/trips-2020-09-13`.
pub fn is_key(text: &str) -> bool {
    let sound = |part: &str| {
        (1..=KEY_PART_BYTES_MAX).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    text.split_once('/').is_some_and(|(family, name)| sound(family) && sound(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_two_parts_of_plain_characters() {
        for good in ["background/location", "diary/trips-2020-09-13", "a/b.c"] {
            assert!(is_key(good), "{good:?}");
        }
        let long = format!("a/{}", "b".repeat(KEY_PART_BYTES_MAX + 1));
        for bad in ["", "location", "/", "a/", "/b", "a/b/c", "a/b c", "a/ü", long.as_str()] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
