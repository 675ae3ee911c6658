//! The head in an answer: each answer to a request for the data of an open store says, in a field of its head, where the
//! store stands after it. The connection vouches for it, as for the rest of the answer.

use crate::body::INTEGER_MAX;
use crate::encoding::Digest32;
use crate::keys::Head;
use data_encoding::BASE64URL_NOPAD;

/// The name of the field.
pub const HEAD_FIELD: &str = "upc-head";

/// A field that is none of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {HEAD_FIELD} is not a number, a dot and 43 characters of base64url")]
pub struct BadHeadField;

/// The text of the field: the number of commits, a dot, and the hash in base64url.
pub fn head_field(head: &Head) -> String {
    format!("{}.{}", head.seq, BASE64URL_NOPAD.encode(&head.hash.0))
}

/// Reads what [`head_field`] wrote.
///
/// # Errors
/// [`BadHeadField`].
pub fn read_head_field(text: &str) -> Result<Head, BadHeadField> {
    let (seq, hash) = text.split_once('.').ok_or(BadHeadField)?;
    let plain = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
    let seq = seq.parse::<u64>().ok().filter(|seq| plain && *seq <= INTEGER_MAX).ok_or(BadHeadField)?;
    let hash = BASE64URL_NOPAD.decode(hash.as_bytes()).map_err(|_| BadHeadField)?;
    Ok(Head { seq, hash: Digest32(hash.try_into().map_err(|_| BadHeadField)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_reads_back_and_any_text_is_read_or_refused(
            seq in 0..=INTEGER_MAX, hash in any::<[u8; 32]>(), text in ".{0,60}",
        ) {
            let head = Head { seq, hash: Digest32(hash) };
            prop_assert_eq!(read_head_field(&head_field(&head)), Ok(head));
            let _ = read_head_field(&text);
        }
    }

    #[test]
    fn only_one_spelling_is_a_head() {
        let hash = "A".repeat(43);
        assert_eq!(read_head_field(&format!("0.{hash}")), Ok(Head::EMPTY));
        for bad in [
            "",
            ".",
            "1",
            &hash,
            &format!("+1.{hash}"),
            &format!(" 1.{hash}"),
            &format!("1.{hash}="),
            &format!("1.{}", &hash[1..]),
            &format!("9007199254740993.{hash}"),
            &format!("-1.{hash}"),
        ] {
            assert_eq!(read_head_field(bad), Err(BadHeadField), "{bad}");
        }
    }
}
