//! The device that brought an entry: the identity that its connection proved, never what a phone says about itself.
//!
//! A put keeps the stamp beside the entry, among its further members, so that the texts that a phone sent are
//! unchanged: they show whether it sends the same entry again. When a stage accepts the entry, the runtime writes the
//! stamp into `metadata.device` and replaces any value from a phone or cell. Entries that arrived another way have
//! none.

use std::collections::HashMap;
use std::fmt;

use cells_model::device::DEVICE;
use cells_model::text::{self, Object, value_of};
use handshake::encoding::DeviceId;
use handshake::token::{TokenHash, hash_of_shown};
use runtime_types::EntryId;

/// How many bytes of a token's digest are in its stamp: one person has few tokens.
const TOKEN_BYTES: usize = 8;
/// The longest stamp, bytes.
pub(crate) const STAMP_BYTES_MAX: usize = 64;

/// The name of a device in the entries that it brings: letters, digits and dashes. Not a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp(String);

impl Stamp {
    /// The stamp of a paired device: its id.
    pub fn of_device(device: DeviceId) -> Self {
        Self(device.to_string())
    }

    /// The stamp of a token, given as text; `None` if the text is not a token. The token cannot be derived from it.
    pub fn of_token(token: &str) -> Option<Self> {
        let hash = hash_of_shown(token)?;
        Some(Self(format!("token-{}", digits(&hash))))
    }

    /// The stamp of a receiver, by the digest of its path: the path cannot be derived from it.
    pub fn of_receiver(hash: &TokenHash) -> Self {
        Self(format!("receiver-{}", digits(hash)))
    }

    /// The stamp of a passkey, from its id.
    pub fn of_passkey(id: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, id);
        Self(format!("passkey-{}", data_encoding::HEXLOWER.encode(&digest.as_ref()[..TOKEN_BYTES])))
    }

    /// Parses a stamp.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_stamp = (1..=STAMP_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        is_stamp.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stamp as a member of an object, without braces.
    pub(crate) fn member(&self) -> String {
        format!("\"{DEVICE}\":\"{}\"", self.0)
    }

    /// The metadata with this stamp; `None` if it is not an object that can be changed.
    pub(crate) fn stamped(&self, metadata: &str) -> Option<String> {
        if value_of(metadata, DEVICE).is_some() {
            let mut members = Object::read(metadata).ok()?;
            while members.remove(DEVICE).is_some() {}
            return Some(members.write(&self.member()));
        }
        text::with_members(metadata, &self.member())
    }
}

/// The first digits of a digest.
fn digits(hash: &TokenHash) -> String {
    hash.as_bytes()[..TOKEN_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many entries are noted: a few times as many as a stage accepts within one run. Others are looked up.
const NOTED_MAX: usize = 65_536;

/// The devices that brought the waiting entries that a run has read.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    stamps: Vec<(String, Option<Stamp>)>,
    by_id: HashMap<EntryId, usize>,
}

impl Waiting {
    /// Notes the stamp of an entry of the usercache, from its further members.
    pub fn note(&mut self, id: EntryId, extra: &str) {
        if self.by_id.len() < NOTED_MAX {
            let place = self.place(extra);
            self.by_id.insert(id, place);
        }
    }

    /// The device that brought an entry; `None`: the run has not read the entry.
    pub fn of(&self, id: EntryId) -> Option<Option<&Stamp>> {
        self.by_id.get(&id).map(|place| self.stamps[*place].1.as_ref())
    }

    fn place(&mut self, extra: &str) -> usize {
        if let Some(place) = self.stamps.iter().rposition(|(known, _)| known == extra) {
            return place;
        }
        self.stamps.push((extra.to_owned(), stamp_in(extra)));
        self.stamps.len() - 1
    }
}

/// The further members of a waiting entry as cells see them: without the stamp, which is shown once the entry is
/// accepted.
pub(crate) fn shown(extra: &str) -> &str {
    let members = extra.strip_prefix("\"device\":\"").and_then(|rest| rest.strip_suffix('"'));
    if members.is_some_and(|stamp| !stamp.contains('"')) { "" } else { extra }
}

/// The stamp among the further members of an entry.
pub(crate) fn stamp_in(extra: &str) -> Option<Stamp> {
    if extra.is_empty() {
        return None;
    }
    let members = format!("{{{extra}}}");
    value_of(&members, DEVICE).and_then(text::string).and_then(|stamp| Stamp::parse(&stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ012345";

    fn stamp(text: &str) -> Stamp {
        Stamp::parse(text).expect("plain")
    }

    #[test]
    fn a_token_has_one_stamp_however_it_is_typed_and_the_stamp_holds_nothing_of_it() {
        let shown = Stamp::of_token(TOKEN).expect("a token");
        assert_eq!(Stamp::of_token(&TOKEN.to_lowercase()), Some(shown.clone()));
        assert_eq!(shown.as_str().len(), "token-".len() + 2 * TOKEN_BYTES);
        assert_eq!(Stamp::parse(shown.as_str()), Some(shown.clone()));
        assert_ne!(Stamp::of_token(&TOKEN.replace('Z', "Y")), Some(shown));
        assert_eq!(Stamp::of_token("nonsense"), None);
    }

    #[test]
    fn a_stamp_takes_the_place_of_whatever_claims_to_be_one() {
        for (before, after) in [
            ("{}", r#"{"device":"a"}"#),
            (r#"{"key":"b/c"}"#, r#"{"key":"b/c","device":"a"}"#),
            (r#"{"device":"forged","key":"b/c"}"#, r#"{"key":"b/c","device":"a"}"#),
            (r#"{"device":{"a":1},"key":"b/c","device":7}"#, r#"{"key":"b/c","device":"a"}"#),
        ] {
            assert_eq!(stamp("a").stamped(before).as_deref(), Some(after));
        }
        assert_eq!(stamp("a").stamped("[]"), None);
    }

    #[test]
    fn cells_see_what_else_there_is_of_a_waiting_entry() {
        assert_eq!(shown(&stamp("a").member()), "");
        for other in ["", r#""more":[1]"#, r#""device":"a","more":"b""#] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn what_a_run_has_read_is_known_by_its_id() {
        let (mut waiting, id) = (Waiting::default(), |number| EntryId([number; 12]));
        waiting.note(id(1), &stamp("a").member());
        waiting.note(id(2), "");
        waiting.note(id(3), r#""more":[1],"device":"b""#);
        waiting.note(id(4), r#""device":"no stamp""#);
        let of = |number| waiting.of(id(number)).map(|stamp| stamp.map(Stamp::as_str));
        assert_eq!(
            [of(1), of(2), of(3), of(4), of(5)],
            [Some(Some("a")), Some(None), Some(Some("b")), Some(None), None]
        );
    }
}
