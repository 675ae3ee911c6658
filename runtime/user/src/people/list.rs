//! The people of this host: one folder for each person, a few bytes in memory.
//!
//! `people/<2 hex>/<32 hex>/person.json` names the person and holds the digests of the tokens; the store is in the
//! same folder. Only ids and digests are in memory, so an idle person costs about a hundred bytes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use handshake::token::{AppForm, Token, TokenHash, hash_of_shown};
use runtime_types::UserId;

use super::record::{RECORD_FILE, STORE_FOLDER, holds_data, read_record, remove_folder};
use super::{KeyMode, PeopleError, PersonRecord, Standing};
use crate::files;

#[derive(Default)]
struct Known {
    people: BTreeMap<UserId, Standing>,
    tokens: HashMap<TokenHash, UserId>,
}

/// All people of this host.
pub struct People {
    root: PathBuf,
    known: RwLock<Known>,
}

impl People {
    /// Reads all records below `data`.
    pub fn open(data: &Path) -> Result<Self, PeopleError> {
        let root = data.join("people");
        files::create_folder(&root).map_err(|source| PeopleError::Disk { path: root.clone(), source })?;
        let people = Self { root, known: RwLock::default() };
        for record in people.records()? {
            people.learn(&record);
        }
        Ok(people)
    }

    fn learn(&self, record: &PersonRecord) {
        let Some(user) = record.user() else { return };
        let standing = Standing { suspended: record.suspended, keys: record.keys };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // A new person has no tokens yet, and searching the tokens of all people would make adding people quadratic.
        if known.people.insert(user, standing).is_some() {
            known.tokens.retain(|_, owner| *owner != user);
        }
        for hash in record.tokens.iter().filter_map(|text| text.parse::<TokenHash>().ok()) {
            known.tokens.insert(hash, user);
        }
    }

    /// All records, in the order of ids.
    pub fn records(&self) -> Result<Vec<PersonRecord>, PeopleError> {
        let mut records = Vec::new();
        for shelf in self.subfolders(&self.root)? {
            for folder in self.subfolders(&shelf)? {
                let path = folder.join(RECORD_FILE);
                if fs::symlink_metadata(&path).is_ok() {
                    records.push(read_record(&path)?);
                } else if holds_data(&folder) {
                    return Err(PeopleError::NoRecord { path });
                }
            }
        }
        records.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(records)
    }

    fn subfolders(&self, folder: &Path) -> Result<Vec<PathBuf>, PeopleError> {
        let disk = |source| PeopleError::Disk { path: folder.to_owned(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(disk)? {
            let entry = entry.map_err(disk)?;
            if entry.file_type().map_err(disk)?.is_dir() {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// The folder of one person.
    pub fn folder(&self, user: UserId) -> PathBuf {
        let hex = user.to_string();
        self.root.join(&hex[..2]).join(hex)
    }

    /// The folder of that person's store.
    pub(crate) fn store_folder(&self, user: UserId) -> PathBuf {
        self.folder(user).join(STORE_FOLDER)
    }

    /// Adds a person whose store the host opens by itself, with a token for a phone that cannot pair; the token is
    /// shown only here. Durable when it returns.
    pub fn add(&self, name: &str, now: f64) -> Result<(UserId, Token), PeopleError> {
        let user = UserId(random_id()?);
        let token = self.add_as(user, name, now)?;
        Ok((user, token))
    }

    /// As [`Self::add`], for a person who has an id already, as in an import.
    pub fn add_as(&self, user: UserId, name: &str, now: f64) -> Result<Token, PeopleError> {
        let token = Token::random().map_err(|_| PeopleError::NoRandomness)?;
        self.add_record(user, name, now, KeyMode::Unattended, vec![token.hash().to_string()])?;
        Ok(token)
    }

    /// Adds a person who will pair a phone, which then holds the key of the store. Durable when it returns.
    pub fn add_owner(&self, name: &str, now: f64) -> Result<UserId, PeopleError> {
        let user = UserId(random_id()?);
        self.add_record(user, name, now, KeyMode::Lease, Vec::new())?;
        Ok(user)
    }

    fn add_record(
        &self,
        user: UserId,
        name: &str,
        now: f64,
        keys: KeyMode,
        tokens: Vec<String>,
    ) -> Result<(), PeopleError> {
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(PeopleError::BadName);
        }
        let (id, name) = (user.to_string(), name.to_owned());
        self.store(user, &PersonRecord { id, name, created_ts: now, suspended: false, tokens, keys })
    }

    /// Records who can open the store from now on; the slots must have been changed before.
    pub fn set_keys(&self, user: UserId, keys: KeyMode) -> Result<(), PeopleError> {
        let mut record = self.show(&user.to_string())?;
        record.keys = keys;
        self.store(user, &record)
    }

    fn store(&self, user: UserId, record: &PersonRecord) -> Result<(), PeopleError> {
        let folder = self.folder(user);
        let path = folder.join(RECORD_FILE);
        let disk = |source| PeopleError::Disk { path: path.clone(), source };
        files::create_folder(&folder).map_err(disk)?;
        let text = serde_json::to_vec_pretty(record)
            .map_err(|source| PeopleError::Record { path: path.clone(), source })?;
        files::replace(&path, &text).map_err(disk)?;
        self.learn(record);
        Ok(())
    }

    /// The record of the person with that id or that name.
    pub fn show(&self, name_or_id: &str) -> Result<PersonRecord, PeopleError> {
        if let Ok(user) = name_or_id.parse::<UserId>() {
            let path = self.folder(user).join(RECORD_FILE);
            if path.exists() {
                return read_record(&path);
            }
        }
        let mut found: Vec<_> =
            self.records()?.into_iter().filter(|record| record.name == name_or_id).collect();
        match (found.pop(), found.len()) {
            (Some(record), 0) => Ok(record),
            (Some(_), others) => {
                Err(PeopleError::Ambiguous { name: name_or_id.to_owned(), count: others + 1 })
            }
            (None, _) => Err(PeopleError::Nobody(name_or_id.to_owned())),
        }
    }

    /// The id of the person with that id or that name.
    pub fn find(&self, name_or_id: &str) -> Result<UserId, PeopleError> {
        let record = self.show(name_or_id)?;
        record.user().ok_or_else(|| PeopleError::Nobody(name_or_id.to_owned()))
    }

    /// Refuses a person's calls from now on, or accepts them again.
    pub fn suspend(&self, user: UserId, suspended: bool) -> Result<(), PeopleError> {
        let mut record = self.show(&user.to_string())?;
        record.suspended = suspended;
        self.store(user, &record)
    }

    /// Refuses a person's calls from now on, whether or not the disk records it: for erasing, which may be what makes
    /// room on the disk.
    pub(crate) fn shut_out(&self, user: UserId) -> Result<(), PeopleError> {
        let mut record = self.show(&user.to_string())?;
        record.suspended = true;
        match self.store(user, &record) {
            Err(PeopleError::Disk { path, source }) => {
                tracing::warn!(user = %user.short(), path = %path.display(), error = %source, "suspended in memory alone");
                self.learn(&record);
                Ok(())
            }
            stored => stored,
        }
    }

    /// Gives a person another token, in an app's form if one is given; the old ones stay valid unless `revoke_others`.
    pub fn new_token(
        &self,
        user: UserId,
        form: Option<&AppForm>,
        revoke_others: bool,
    ) -> Result<Token, PeopleError> {
        let mut record = self.show(&user.to_string())?;
        let token = Token::random().map_err(|_| PeopleError::NoRandomness)?;
        if revoke_others {
            record.tokens.clear();
        }
        let hash = form.map_or_else(|| token.hash(), |form| token.hash_in(form));
        record.tokens.push(hash.to_string());
        self.store(user, &record)?;
        Ok(token)
    }

    /// Removes a person and the folder; the store's key must have been destroyed before.
    pub fn remove(&self, user: UserId) -> Result<(), PeopleError> {
        let folder = self.folder(user);
        let disk = |source| PeopleError::Disk { path: folder.clone(), source };
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.people.remove(&user);
            known.tokens.retain(|_, owner| *owner != user);
        }
        remove_folder(&folder).map_err(disk)?;
        files::sync_folder(folder.parent().unwrap_or(&self.root)).map_err(disk)
    }

    /// The person whose token that is. Tokens are looked up by digest, so the time taken reveals nothing about a
    /// token.
    pub fn authenticate(&self, token: &str) -> Option<UserId> {
        let hash = hash_of_shown(token)?;
        self.known.read().unwrap_or_else(PoisonError::into_inner).tokens.get(&hash).copied()
    }

    /// Whether any person has a valid token.
    pub fn has_tokens(&self) -> bool {
        !self.known.read().unwrap_or_else(PoisonError::into_inner).tokens.is_empty()
    }

    /// `None`: no person has that id.
    pub fn standing(&self, user: UserId) -> Option<Standing> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).people.get(&user).copied()
    }

    /// Whether the person is suspended; `None`: no person has that id.
    pub fn is_suspended(&self, user: UserId) -> Option<bool> {
        self.standing(user).map(|standing| standing.suspended)
    }

    /// All ids, in order.
    pub fn users(&self) -> Vec<UserId> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).people.keys().copied().collect()
    }

    /// How many people there are.
    pub fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).people.len()
    }
}

/// 16 random bytes from the operating system.
fn random_id() -> Result<[u8; 16], PeopleError> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| PeopleError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_again_after_a_restart_by_token_name_and_id() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let (user, token) = people.add("Ada", 1.0).expect("added");
        let reopened = People::open(data.path()).expect("opens");
        assert_eq!(reopened.authenticate(token.reveal()), Some(user));
        assert_eq!(reopened.find("Ada").expect("known"), user);
        assert_eq!(reopened.find(&user.to_string()).expect("known"), user);
        assert_eq!(reopened.authenticate("nonsense"), None);
    }

    #[test]
    fn no_token_is_on_disk() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let (user, token) = people.add("Ada", 1.0).expect("added");
        let text = fs::read_to_string(people.folder(user).join("person.json")).expect("a record");
        assert!(!text.contains(token.reveal()));
    }

    #[test]
    fn a_revoked_token_opens_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let (user, old) = people.add("Ada", 1.0).expect("added");
        let new = people.new_token(user, None, true).expect("a token");
        assert_eq!(people.authenticate(old.reveal()), None);
        assert_eq!(people.authenticate(new.reveal()), Some(user));
        people.suspend(user, true).expect("suspended");
        assert_eq!(people.is_suspended(user), Some(true));
        people.remove(user).expect("removed");
        assert_eq!((people.authenticate(new.reveal()), people.is_suspended(user)), (None, None));
        assert!(!people.folder(user).exists());
    }

    #[test]
    fn data_without_its_record_is_nobodys_and_an_empty_folder_is_left_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let (user, _) = people.add("Ada", 1.0).expect("added");
        let record = people.folder(user).join(RECORD_FILE);
        fs::rename(&record, data.path().join("kept")).expect("moved");
        assert_eq!(
            People::open(data.path()).expect("opens").count(),
            0,
            "what a crash leaves of adding somebody"
        );
        fs::create_dir(people.folder(user).join(STORE_FOLDER)).expect("made");
        let refused = People::open(data.path()).err().expect("refused");
        assert!(refused.to_string().contains("person.json"), "{refused}");
        fs::write(&record, "").expect("written");
        assert!(matches!(People::open(data.path()), Err(PeopleError::Record { .. })));
        fs::rename(data.path().join("kept"), &record).expect("moved");
        let people = People::open(data.path()).expect("opens");
        people.remove(user).expect("removed");
        assert!(!people.folder(user).exists());
    }

    #[test]
    fn two_people_of_one_name_need_their_ids() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        people.add("Ada", 1.0).expect("added");
        people.add("Ada", 1.0).expect("added");
        assert!(matches!(people.find("Ada"), Err(PeopleError::Ambiguous { count: 2, .. })));
        assert!(matches!(people.add("a\nb", 1.0), Err(PeopleError::BadName)));
    }
}
