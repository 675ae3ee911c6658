//! The people of this host: one folder for each person, a few bytes in memory.
//!
//! `people/<2 hex>/<32 hex>/person.json` names the person and holds the digests of the tokens; the store is in the
//! same folder. Only ids and digests are in memory, so an idle person costs about a hundred bytes.
//!
//! * Invariants: a person comes and goes by one rename of the folder. `<32 hex>.<16 hex>.adding` is a person who is not
//!   here yet, and is removed at the next start; `<32 hex>.erasing` is one who is not here any more, and is erased then.
//!   A person whose files are damaged is listed and not served, and nobody else notices.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use handshake::token::{AppForm, Token, TokenHash, hash_of_shown};
use runtime_store::remove_tree;
use runtime_types::UserId;

use super::receivers::Receiving;
use super::record::{RECORD_FILE, STORE_FOLDER, holds_data, read_record, write_record};
use super::{Damage, KeyMode, PeopleError, PersonRecord, Standing};
use crate::files;

/// The end of the name of a folder whose person is not here yet.
const ADDING: &str = ".adding";
/// The end of the name of a folder whose person is not here any more.
const ERASING: &str = ".erasing";

#[derive(Default)]
pub(super) struct Known {
    people: BTreeMap<UserId, Standing>,
    /// People who are here and not served, some of them with a record that reads.
    damaged: BTreeMap<UserId, Damage>,
    tokens: HashMap<TokenHash, UserId>,
    pub(super) receivers: HashMap<TokenHash, Receiving>,
}

impl Known {
    fn forget(&mut self, user: UserId) {
        self.people.remove(&user);
        self.damaged.remove(&user);
        self.tokens.retain(|_, owner| *owner != user);
        self.receivers.retain(|_, receiving| receiving.user != user);
    }
}

/// All people of this host.
pub struct People {
    root: PathBuf,
    known: RwLock<Known>,
    /// Held from reading a record to replacing it.
    changing: Mutex<()>,
}

impl People {
    /// Reads all records below `data`. Removes what was being added when an earlier process ended.
    pub fn open(data: &Path) -> Result<Self, PeopleError> {
        let root = data.join("people");
        files::create_folder(&root).map_err(|source| PeopleError::Disk { path: root.clone(), source })?;
        let people = Self { root, known: RwLock::default(), changing: Mutex::default() };
        for (shelf, name) in people.folders()? {
            let folder = shelf.join(&name);
            if name.ends_with(ADDING) {
                if let Err(error) = remove_tree(&folder) {
                    tracing::warn!(path = %folder.display(), %error, "a person who was never added is not removed");
                }
            } else if let Some(user) = user_of(&name) {
                people.meet(user, &folder);
            }
        }
        Ok(people)
    }

    /// Learns of the person in a folder.
    fn meet(&self, user: UserId, folder: &Path) {
        match read_record(folder, user) {
            Ok(record) => self.learn(user, &record),
            // What an earlier version left that was ended while it added somebody.
            Err(_) if files::is_absent(&folder.join(RECORD_FILE)) && !holds_data(folder) => {}
            Err(damage) => self.note_damage(user, damage),
        }
    }

    pub(super) fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, user: UserId, record: &PersonRecord) {
        let standing = Standing { suspended: record.suspended, keys: record.keys };
        let mut known = self.known_mut();
        // A new person has no tokens yet, and searching the tokens of all people would make adding people quadratic.
        if known.people.insert(user, standing).is_some() {
            known.tokens.retain(|_, owner| *owner != user);
            known.receivers.retain(|_, receiving| receiving.user != user);
        }
        for hash in record.tokens.iter().filter_map(|text| text.parse::<TokenHash>().ok()) {
            known.tokens.insert(hash, user);
        }
        known.receivers.extend(record.receivers.iter().filter_map(|receiver| receiver.receiving(user)));
    }

    /// Serves a person no longer, until the next start finds the files whole.
    pub(crate) fn note_damage(&self, user: UserId, damage: Damage) {
        let remedy = "put the file back and start again, or erase the person";
        tracing::error!(user = %user.short(), %damage, remedy, "a person's files are damaged; the person is not served");
        self.known_mut().damaged.entry(user).or_insert(damage);
    }

    /// Why a person is not served, if files are damaged.
    pub fn damage(&self, user: UserId) -> Option<Damage> {
        self.known().damaged.get(&user).cloned()
    }

    /// The people whose records do not read, in the order of ids; they are in no other list.
    pub fn nameless(&self) -> Vec<(UserId, Damage)> {
        let known = self.known();
        let nameless = known.damaged.iter().filter(|(user, _)| !known.people.contains_key(user));
        nameless.map(|(user, damage)| (*user, damage.clone())).collect()
    }

    /// The records that read, in the order of ids.
    pub fn records(&self) -> Vec<PersonRecord> {
        let records = self.users().into_iter().map(|user| read_record(&self.folder(user), user));
        records.filter_map(Result::ok).collect()
    }

    /// All folders below the shelves: shelf and name.
    fn folders(&self) -> Result<Vec<(PathBuf, String)>, PeopleError> {
        let mut found = Vec::new();
        for shelf in self.subfolders(&self.root)? {
            let shelf = self.root.join(shelf);
            found.extend(self.subfolders(&shelf)?.into_iter().map(|name| (shelf.clone(), name)));
        }
        Ok(found)
    }

    fn subfolders(&self, folder: &Path) -> Result<Vec<String>, PeopleError> {
        let disk = |source| PeopleError::Disk { path: folder.to_owned(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(disk)? {
            let entry = entry.map_err(disk)?;
            if entry.file_type().map_err(disk)?.is_dir() {
                found.extend(entry.file_name().into_string());
            }
        }
        Ok(found)
    }

    /// The folder of one person.
    pub fn folder(&self, user: UserId) -> PathBuf {
        let hex = user.to_string();
        self.root.join(&hex[..2]).join(hex)
    }

    /// The folder of a person who is being erased.
    pub(crate) fn erasing_folder(&self, user: UserId) -> PathBuf {
        self.folder(user).with_extension(&ERASING[1..])
    }

    /// The folder of that person's store.
    pub(crate) fn store_folder(&self, user: UserId) -> PathBuf {
        self.folder(user).join(STORE_FOLDER)
    }

    /// Adds a person whose store the host opens by itself, with a token for a phone that cannot pair; the token is
    /// shown only here. Durable when it returns.
    pub fn add(&self, name: &str, now: f64) -> Result<(UserId, Token), PeopleError> {
        let user = UserId(random_bytes()?);
        let token = Token::random().map_err(|_| PeopleError::NoRandomness)?;
        let tokens = vec![token.hash().to_string()];
        self.stage(user)?.enter(name, now, KeyMode::Unattended, tokens)?;
        Ok((user, token))
    }

    /// Adds a person who will pair a phone, which then holds the key of the store. Durable when it returns.
    pub fn add_owner(&self, name: &str, now: f64) -> Result<UserId, PeopleError> {
        let user = UserId(random_bytes()?);
        self.stage(user)?.enter(name, now, KeyMode::Lease, Vec::new())?;
        Ok(user)
    }

    /// A folder in which a person is prepared who is not here yet.
    ///
    /// # Errors
    /// [`PeopleError::Taken`] if the person is here, also if damaged or not wholly erased.
    pub(crate) fn stage(&self, user: UserId) -> Result<Staged<'_>, PeopleError> {
        if self.standing(user).is_some() || self.damage(user).is_some() || self.is_erasing(user) {
            return Err(PeopleError::Taken { user });
        }
        let mark = u64::from_le_bytes(random_bytes()?);
        let folder = self.folder(user).with_extension(format!("{mark:016x}{ADDING}"));
        let disk = |source| PeopleError::Disk { path: folder.clone(), source };
        files::create_folder(folder.parent().unwrap_or(&self.root)).map_err(disk)?;
        files::create_within(&folder).map_err(disk)?;
        Ok(Staged { people: self, user, folder })
    }

    /// Records who can open the store from now on; the slots must have been changed before.
    pub(crate) fn set_keys(&self, user: UserId, keys: KeyMode) -> Result<(), PeopleError> {
        self.change(user, |record| record.keys = keys)
    }

    /// Changes a person's record. Durable when it returns.
    pub(super) fn change(
        &self,
        user: UserId,
        change: impl FnOnce(&mut PersonRecord),
    ) -> Result<(), PeopleError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.standing(user).ok_or_else(|| PeopleError::Nobody(user.dashed()))?;
        let folder = self.folder(user);
        let mut record = read_record(&folder, user).map_err(PeopleError::Damaged)?;
        change(&mut record);
        write_record(&folder, &record)?;
        self.learn(user, &record);
        Ok(())
    }

    /// The record of the person with that id or that name.
    ///
    /// # Errors
    /// [`PeopleError::Damaged`] if the id is that of a person whose record does not read.
    pub fn show(&self, name_or_id: &str) -> Result<PersonRecord, PeopleError> {
        if let Some(user) = self.by_id(name_or_id) {
            return read_record(&self.folder(user), user).map_err(PeopleError::Damaged);
        }
        let named = self.records().into_iter().filter(|record| record.name == name_or_id);
        let mut found: Vec<_> = named.collect();
        match (found.pop(), found.len()) {
            (Some(record), 0) => Ok(record),
            (Some(_), others) => {
                Err(PeopleError::Ambiguous { name: name_or_id.to_owned(), count: others + 1 })
            }
            (None, _) => Err(PeopleError::Nobody(name_or_id.to_owned())),
        }
    }

    /// The id of the person with that id or that name; of a person whose record does not read, only by the id.
    pub fn find(&self, name_or_id: &str) -> Result<UserId, PeopleError> {
        if let Some(user) = self.by_id(name_or_id) {
            return Ok(user);
        }
        let record = self.show(name_or_id)?;
        record.user().ok_or_else(|| PeopleError::Nobody(name_or_id.to_owned()))
    }

    fn by_id(&self, id: &str) -> Option<UserId> {
        let user = id.parse::<UserId>().ok()?;
        let known = self.known();
        (known.people.contains_key(&user) || known.damaged.contains_key(&user)).then_some(user)
    }

    /// Refuses a person's calls from now on, or accepts them again.
    pub fn suspend(&self, user: UserId, suspended: bool) -> Result<(), PeopleError> {
        self.change(user, |record| record.suspended = suspended)
    }

    /// Refuses a person's calls in this process, before an erasure.
    pub(crate) fn shut_out(&self, user: UserId) {
        if let Some(standing) = self.known_mut().people.get_mut(&user) {
            standing.suspended = true;
        }
    }

    /// Gives a person another token, in an app's form if one is given; the old ones stay valid unless `revoke_others`.
    pub fn new_token(
        &self,
        user: UserId,
        form: Option<&AppForm>,
        revoke_others: bool,
    ) -> Result<Token, PeopleError> {
        let token = Token::random().map_err(|_| PeopleError::NoRandomness)?;
        let hash = form.map_or_else(|| token.hash(), |form| token.hash_in(form));
        self.change(user, |record| {
            if revoke_others {
                record.tokens.clear();
            }
            record.tokens.push(hash.to_string());
        })?;
        Ok(token)
    }

    /// The person is not here any more, whatever happens from now on: the folder gets the name under which it is
    /// erased. Durable when it returns.
    pub(crate) fn leave(&self, user: UserId) -> Result<PathBuf, PeopleError> {
        let (folder, erasing) = (self.folder(user), self.erasing_folder(user));
        let renamed = files::rename_folder(&folder, &erasing);
        if files::is_absent(&folder) {
            self.known_mut().forget(user);
        }
        renamed.map_err(|source| PeopleError::Disk { path: folder, source })?;
        Ok(erasing)
    }

    /// Whether the person is not here any more, and not wholly erased.
    pub(crate) fn is_erasing(&self, user: UserId) -> bool {
        self.erasing_folder(user).is_dir()
    }

    /// All people who are not wholly erased.
    pub(crate) fn all_erasing(&self) -> Result<Vec<UserId>, PeopleError> {
        let names = self.folders()?.into_iter().map(|(_, name)| name);
        Ok(names.filter_map(|name| user_of(name.strip_suffix(ERASING)?)).collect())
    }

    /// The person with that id or that name who is not wholly erased.
    pub fn find_erasing(&self, name_or_id: &str) -> Option<UserId> {
        let is_it = |user: &UserId| {
            name_or_id.parse() == Ok(*user)
                || read_record(&self.erasing_folder(*user), *user).is_ok_and(|it| it.name == name_or_id)
        };
        self.all_erasing().ok()?.into_iter().find(is_it)
    }

    /// The person whose token that is. Tokens are looked up by digest, so the time taken reveals nothing about a
    /// token.
    pub fn authenticate(&self, token: &str) -> Option<UserId> {
        let hash = hash_of_shown(token)?;
        self.known().tokens.get(&hash).copied()
    }

    /// Whether any person has a valid token.
    pub fn has_tokens(&self) -> bool {
        !self.known().tokens.is_empty()
    }

    /// `None`: no person has that id.
    pub fn standing(&self, user: UserId) -> Option<Standing> {
        self.known().people.get(&user).copied()
    }

    /// Whether the person is suspended; `None`: no person has that id.
    pub fn is_suspended(&self, user: UserId) -> Option<bool> {
        self.standing(user).map(|standing| standing.suspended)
    }

    /// The ids of the people whose records read, in order.
    pub fn users(&self) -> Vec<UserId> {
        self.known().people.keys().copied().collect()
    }

    /// The ids of all people, damaged ones included, in order.
    pub(crate) fn everybody(&self) -> BTreeSet<UserId> {
        let known = self.known();
        known.people.keys().chain(known.damaged.keys()).copied().collect()
    }

    /// How many people there are, damaged ones included.
    pub fn count(&self) -> usize {
        self.everybody().len()
    }
}

/// The id that names a folder.
fn user_of(name: &str) -> Option<UserId> {
    name.parse::<UserId>().ok().filter(|user| user.to_string() == name)
}

/// A person who is being prepared and is not here yet; removed when it is dropped.
pub(crate) struct Staged<'p> {
    people: &'p People,
    user: UserId,
    folder: PathBuf,
}

impl Staged<'_> {
    /// The folder that becomes the person's.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The person is here from now on, with everything in the folder. Durable when it returns.
    ///
    /// # Errors
    /// [`PeopleError::Taken`] if somebody with that id came first: that person is not touched.
    pub fn enter(
        self,
        name: &str,
        created_ts: f64,
        keys: KeyMode,
        tokens: Vec<String>,
    ) -> Result<(), PeopleError> {
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(PeopleError::BadName);
        }
        let (id, name) = (self.user.to_string(), name.to_owned());
        let record =
            PersonRecord { id, name, created_ts, suspended: false, tokens, receivers: Vec::new(), keys };
        write_record(&self.folder, &record)?;
        let folder = self.people.folder(self.user);
        if let Err(source) = files::rename_folder(&self.folder, &folder) {
            if source.kind() == std::io::ErrorKind::DirectoryNotEmpty {
                return Err(PeopleError::Taken { user: self.user });
            }
            // Where the name is not durable, nobody is added, unless the disk keeps that from being undone.
            if files::is_absent(&self.folder) && files::rename_folder(&folder, &self.folder).is_err() {
                self.people.learn(self.user, &record);
            }
            return Err(PeopleError::Disk { path: folder, source });
        }
        self.people.learn(self.user, &record);
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "a person who was not added is removed at the next start");
        }
    }
}

/// Random bytes from the operating system.
fn random_bytes<const N: usize>() -> Result<[u8; N], PeopleError> {
    let mut bytes = [0; N];
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
        people.leave(user).expect("gone");
        assert_eq!((people.authenticate(new.reveal()), people.is_suspended(user)), (None, None));
        assert!(!people.folder(user).exists());
    }

    #[test]
    fn a_record_that_is_missing_cut_or_another_persons_costs_its_person_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let [(ada, token), (bert, _)] = ["Ada", "Bert"].map(|name| people.add(name, 1.0).expect("added"));
        let [record, other] = [ada, bert].map(|user| people.folder(user).join(RECORD_FILE));
        let sound = fs::read(&record).expect("a record");
        fs::remove_file(&record).expect("removed");
        let left = People::open(data.path()).expect("opens");
        assert_eq!(left.count(), 1, "an empty folder is what a crash left of adding somebody");
        fs::create_dir(people.folder(ada).join(STORE_FOLDER)).expect("made");
        let foreign = fs::read(other).expect("a record");
        for (bytes, what) in [
            (None, "is missing"),
            (Some(&sound[..9]), "does not read"),
            (Some(&foreign[..]), "another person"),
        ] {
            if let Some(bytes) = bytes {
                fs::write(&record, bytes).expect("written");
            }
            let people = People::open(data.path()).expect("opens");
            assert_eq!((people.users(), people.count()), (vec![bert], 2), "{what}");
            let damage = people.damage(ada).expect("damaged").to_string();
            assert!(damage.contains("person.json") && damage.contains(what), "{damage}");
            assert_eq!(people.authenticate(token.reveal()), None);
            assert_eq!(people.find(&ada.to_string()).expect("known by the id"), ada);
            assert!(matches!(people.stage(ada), Err(PeopleError::Taken { .. })));
        }
        fs::write(&record, sound).expect("written");
        let people = People::open(data.path()).expect("opens");
        assert_eq!((people.damage(ada), people.find("Ada").expect("known")), (None, ada));
    }

    #[test]
    fn whoever_comes_second_with_an_id_leaves_the_first_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::open(data.path()).expect("opens");
        let user = UserId([7; 16]);
        let (first, second) = (people.stage(user).expect("free"), people.stage(user).expect("free"));
        fs::write(first.folder().join("content"), "first").expect("written");
        first.enter("First", 1.0, KeyMode::Lease, Vec::new()).expect("added");
        let refused = second.enter("Second", 1.0, KeyMode::Lease, Vec::new());
        assert!(matches!(refused, Err(PeopleError::Taken { .. })));
        assert_eq!(people.show(&user.to_string()).expect("there").name, "First");
        assert_eq!(fs::read(people.folder(user).join("content")).expect("there"), b"first");
        let shelf = fs::read_dir(people.folder(user).parent().expect("a shelf")).expect("read");
        assert_eq!(shelf.count(), 1, "nothing is left of the second");
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
