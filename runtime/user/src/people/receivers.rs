//! A person's receivers: devices that report with an app from the shops, each over a path that only it knows.
//!
//! * Invariants: the host keeps the digest of a path and never the path; a revoked receiver leads nowhere from the moment
//!   at which the call that revokes it returns; a receiver's path leads to one person and one app.
//! * Not here: whether a device of the owner has signed for it (`owner/roster`), what it sends (`cells/receivers`).

use std::sync::Arc;

use handshake::receiver::PathSecret;
use handshake::roster::TOKENS_MAX;
use handshake::token::TokenHash;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::{People, PeopleError};
use crate::data::stamp::Stamp;

/// Most receivers in use of one person.
pub const RECEIVERS_MAX: usize = 32;
/// How many revoked ones are remembered; beyond it the oldest are forgotten.
const REVOKED_KEPT: usize = 64;
/// A day, ms: a receiver's last contact is kept to the day, so that it costs no write at each request.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A device that reports with an app from the shops, as its person's record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Digest of its path, 64 hex digits.
    pub path_hash: String,
    /// The app, as the paths of `cells/receivers` name it.
    pub app: String,
    /// The owner's name for it.
    pub name: String,
    /// The time zone of what it sends; `None`: by the longitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When it was added, ms since 1970.
    pub added_ms: u64,
    /// Its first contact, ms since 1970: what its owner waits for while they set the app up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen_ms: Option<u64>,
    /// Its last contact, to the day, ms since 1970; `None`: it waits for the first point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
    /// When it was revoked, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
}

/// What a receiver's path leads to.
#[derive(Debug, Clone)]
pub struct Receiving {
    /// The person.
    pub user: UserId,
    /// Digest of the path.
    pub hash: TokenHash,
    /// The app.
    pub app: Arc<str>,
    /// The time zone of what it sends, if the owner gave one.
    pub time_zone: Option<Arc<str>>,
    /// Its last contact, to the day, ms since 1970.
    last_seen_ms: Option<u64>,
}

impl Receiving {
    /// The stamp of what it brings.
    pub fn stamp(&self) -> Stamp {
        Stamp::of_receiver(&self.hash)
    }

    /// Whether a contact now is worth a line in the record.
    pub fn is_news(&self, now_ms: u64) -> bool {
        self.last_seen_ms != Some(day_of(now_ms))
    }
}

fn day_of(ms: u64) -> u64 {
    ms - ms % DAY_MS
}

impl Receiver {
    /// The digest of its path while it is in use.
    pub fn hash(&self) -> Option<TokenHash> {
        if self.revoked_ms.is_some() { None } else { self.path_hash.parse().ok() }
    }

    /// Its id: the stamp of what it brings.
    pub fn id(&self) -> String {
        let hash = self.path_hash.parse::<TokenHash>();
        hash.map(|hash| Stamp::of_receiver(&hash).to_string()).unwrap_or_default()
    }

    pub(super) fn receiving(&self, user: UserId) -> Option<(TokenHash, Receiving)> {
        let hash = self.hash()?;
        let receiving = Receiving {
            user,
            hash,
            app: self.app.as_str().into(),
            time_zone: self.time_zone.as_deref().map(Arc::from),
            last_seen_ms: self.last_seen_ms,
        };
        Some((hash, receiving))
    }
}

impl People {
    /// Adds a receiver. Durable when it returns; the secret of its path is shown only here.
    ///
    /// # Errors
    /// [`PeopleError::TooManyReceivers`], [`PeopleError::BadName`], and where the record cannot be written.
    pub fn add_receiver(
        &self,
        user: UserId,
        (app, name): (&str, &str),
        time_zone: Option<&str>,
        now_ms: u64,
    ) -> Result<(PathSecret, Receiver), PeopleError> {
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(PeopleError::BadName);
        }
        let secret = PathSecret::random().map_err(|_| PeopleError::NoRandomness)?;
        let receiver = Receiver {
            path_hash: secret.hash().to_string(),
            app: app.to_owned(),
            name: name.to_owned(),
            time_zone: time_zone.map(str::to_owned),
            added_ms: now_ms,
            first_seen_ms: None,
            last_seen_ms: None,
            revoked_ms: None,
        };
        let mut full = None;
        self.change(user, |record| {
            let (receivers, tokens) =
                (record.receivers.iter().filter_map(Receiver::hash).count(), record.tokens.len());
            if receivers >= RECEIVERS_MAX || receivers + tokens >= TOKENS_MAX {
                full = Some(PeopleError::TooManyReceivers { receivers, tokens });
            } else {
                record.receivers.push(receiver.clone());
            }
        })?;
        full.map_or(Ok((secret, receiver)), Err)
    }

    /// All receivers of a person, revoked ones included, in the order in which they came.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub fn receivers(&self, user: UserId) -> Result<Vec<Receiver>, PeopleError> {
        Ok(self.show(&user.to_string())?.receivers)
    }

    /// Revokes the receiver with that id, at once and for ever. Durable when it returns.
    ///
    /// # Errors
    /// [`PeopleError::NoReceiver`], and where the record cannot be written.
    pub fn revoke_receiver(&self, user: UserId, id: &str, now_ms: u64) -> Result<(), PeopleError> {
        let mut found = false;
        self.change(user, |record| {
            for receiver in record.receivers.iter_mut().filter(|receiver| receiver.id() == id) {
                found = true;
                receiver.revoked_ms.get_or_insert(now_ms);
            }
            let revoked = record.receivers.iter().filter(|receiver| receiver.revoked_ms.is_some()).count();
            let mut over = revoked.saturating_sub(REVOKED_KEPT);
            record.receivers.retain(|receiver| {
                let goes = over > 0 && receiver.revoked_ms.is_some();
                over -= usize::from(goes);
                !goes
            });
        })?;
        if found { Ok(()) } else { Err(PeopleError::NoReceiver(id.to_owned())) }
    }

    /// What the path with that segment leads to. Looked up by digest, so the time taken reveals nothing of a path.
    pub fn receiving(&self, segment: &str) -> Option<Receiving> {
        let hash = PathSecret::parse(segment)?.hash();
        self.known().receivers.get(&hash).cloned()
    }

    /// Notes the day of a receiver's contact. Writes the disk where it [is news](Receiving::is_news).
    ///
    /// # Errors
    /// Where the record cannot be written.
    pub fn note_receiver(&self, receiving: &Receiving, now_ms: u64) -> Result<(), PeopleError> {
        let hash = receiving.hash;
        if !self.known().receivers.get(&hash).is_some_and(|known| known.is_news(now_ms)) {
            return Ok(());
        }
        self.change(receiving.user, |record| {
            for receiver in record.receivers.iter_mut().filter(|receiver| receiver.hash() == Some(hash)) {
                if receiver.last_seen_ms.is_none() {
                    receiver.first_seen_ms = Some(now_ms);
                }
                receiver.last_seen_ms = Some(day_of(now_ms));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    #[test]
    fn a_receiver_is_known_by_its_path_until_it_is_revoked_and_only_its_digest_is_on_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let people = People::open(folder.path()).expect("opened");
        let (ada, _) = people.add("Ada", 0.0).expect("added");
        let (secret, receiver) =
            people.add_receiver(ada, ("owntracks", "phone"), Some("Europe/Berlin"), NOW_MS).expect("added");
        let segment = secret.reveal();
        let check = |people: &People| {
            let receiving = people.receiving(&segment).expect("known");
            assert_eq!((receiving.user, &*receiving.app), (ada, "owntracks"));
            assert_eq!(receiving.time_zone.as_deref(), Some("Europe/Berlin"));
            assert_eq!(receiving.stamp().to_string(), receiver.id());
            assert!(people.authenticate(&segment).is_none());
        };
        check(&people);
        let text = std::fs::read_to_string(people.folder(ada).join("person.json")).expect("a record");
        assert!(!text.contains(segment.as_str()) && text.contains(&receiver.path_hash));
        let again = People::open(folder.path()).expect("opened");
        check(&again);
        again.note_receiver(&again.receiving(&segment).expect("known"), NOW_MS).expect("noted");
        assert!(!again.receiving(&segment).expect("known").is_news(NOW_MS + 1_000));
        assert!(again.receiving(&segment).expect("known").is_news(NOW_MS + DAY_MS));
        again.note_receiver(&again.receiving(&segment).expect("known"), NOW_MS + DAY_MS).expect("noted");
        let noted = again.receivers(ada).expect("listed").remove(0);
        let seen = (noted.first_seen_ms, noted.last_seen_ms);
        assert_eq!(seen, (Some(NOW_MS), Some(day_of(NOW_MS + DAY_MS))), "the first contact stays");
        again.revoke_receiver(ada, &receiver.id(), NOW_MS).expect("revoked");
        assert!(again.receiving(&segment).is_none());
        let listed = again.receivers(ada).expect("listed");
        assert_eq!((listed.len(), listed[0].revoked_ms), (1, Some(NOW_MS)));
        let other = again.revoke_receiver(ada, "receiver-00", NOW_MS);
        assert!(matches!(other, Err(PeopleError::NoReceiver(_))));
    }

    #[test]
    fn attack_240_receivers_are_bounded_and_revoked_ones_make_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let people = People::open(folder.path()).expect("opened");
        let (ada, _) = people.add("Ada", 0.0).expect("added");
        let add = |name: &str| people.add_receiver(ada, ("traccar", name), None, NOW_MS);
        for number in 0..RECEIVERS_MAX {
            add(&format!("phone {number}")).expect("added");
        }
        assert!(matches!(add("more"), Err(PeopleError::TooManyReceivers { receivers: RECEIVERS_MAX, .. })));
        let first = people.receivers(ada).expect("listed")[0].id();
        people.revoke_receiver(ada, &first, NOW_MS).expect("revoked");
        add("more").expect("there is room");
        for name in ["", "a\nb", &"n".repeat(101)] {
            assert!(matches!(add(name), Err(PeopleError::BadName)));
        }
    }

    #[test]
    fn whoever_is_erased_has_no_receivers() {
        let folder = tempfile::tempdir().expect("a folder");
        let people = People::open(folder.path()).expect("opened");
        let (ada, _) = people.add("Ada", 0.0).expect("added");
        let (secret, _) = people.add_receiver(ada, ("overland", "phone"), None, NOW_MS).expect("added");
        people.leave(ada).expect("gone");
        assert!(people.receiving(&secret.reveal()).is_none());
    }
}
