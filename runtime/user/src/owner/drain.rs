//! Uploads while a store is locked: checked by the cell, sealed, and accepted when the owner unlocks.

use std::sync::Arc;

use handshake::keys::{InboxKey, InboxPub};
use handshake::secret::Secret;
use ring::rand::SystemRandom;
use runtime_sandbox::RunError;
use runtime_store::{Batch, Store};
use runtime_types::{Area, Stream, UserId};

use super::inbox::{Inbox, InboxError, Upload};
use super::passkeys::PASSKEYS;
use super::{OwnerError, Owners};
use crate::cells::catalogue::Cell;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::endpoint;
use crate::runs::exchange::{Answer, Call};
use crate::runs::head::Head;
use crate::runtime::Runtime;

/// The document with the private half of the inbox key. No cell is granted names with this prefix.
pub(super) const INBOX_KEY: &str = "runtime/inbox-key";

/// Whether a document holds a private key, or says who may sign in. Such a document is of its store alone: it leaves in no
/// export and is taken from none, and whoever pairs the first phone gets a new key.
pub fn is_private_document(name: &str) -> bool {
    name == INBOX_KEY || name == PASSKEYS
}

impl Runtime {
    /// Accepts an upload for a locked store. The cell judges it against an empty store that is thrown away, so the
    /// phone gets the answer that an open store would give. An upload that the cell accepts is sealed and on disk
    /// before the phone gets the answer.
    pub(crate) async fn call_locked(
        self: &Arc<Self>,
        user: UserId,
        cell: Arc<Cell>,
        call: Call,
    ) -> Result<Answer, CallError> {
        let (runtime, options) = (Arc::clone(self), self.open_people().store_options());
        let make = move || {
            runtime.owners().inbox_of(user).ok_or(CallError::Locked)?;
            let store = Store::in_memory(user, &options).map_err(CallError::Open)?;
            Ok(Arc::new(Person::new(user, store, 0)))
        };
        let nobody = self.in_turn(user, make).await?;
        let (kept, judged) = (call.clone(), Arc::clone(&nobody));
        let answer = endpoint::call(self, nobody, cell, call).await?;
        // What adds nothing to an empty store needs no file.
        if !matches!(answer, Answer::Whole { status: 200..300, .. }) || adds_nothing(&judged.store) {
            return Ok(answer);
        }
        let runtime = Arc::clone(self);
        let seal = move || {
            let owner = runtime.owners().owner(user).map_err(|_| CallError::Nobody)?;
            {
                let _one_at_a_time = owner.inbox();
                // Read again: the key may have been changed meanwhile, or the first pairing undone.
                let inbox = runtime.owners().inbox_of(user).ok_or(CallError::Locked)?;
                Inbox::of(owner.folder(), user).put(&inbox, &kept).map_err(CallError::Inbox)?;
            }
            // The owner may have unlocked, and emptied the inbox, in between.
            if runtime.owners().leases.check_unlocked(user).is_ok() {
                runtime.drain_inbox(user).map_err(|error| match error {
                    OwnerError::Call(error) => error,
                    _ => CallError::Lost,
                })?;
            }
            Ok(())
        };
        self.in_turn(user, seal).await.map(|()| answer)
    }
}

/// Whether a call has left a store without entries and documents; the audit's line about the call does not count.
fn adds_nothing(store: &Store) -> bool {
    let snapshot = store.snapshot();
    let of_data = |(stream, _): &(Stream, u64)| stream.area != Area::Audit;
    snapshot.documents().is_empty() && !snapshot.streams().iter().any(of_data)
}

impl Owners {
    /// The key to which uploads are sealed; `None` before the first device is in the table, since its pairing may still
    /// be undone.
    fn inbox_of(&self, user: UserId) -> Option<InboxPub> {
        self.get(user)?.state().access.devices.iter().next()?;
        self.inbox_key(user).ok()?
    }

    /// How many sealed uploads wait, and their size in bytes.
    pub fn waiting_uploads(&self, user: UserId) -> Result<(usize, u64), OwnerError> {
        let waiting = Inbox::of(&self.people.folder(user), user).waiting().map_err(OwnerError::Inbox)?;
        Ok((waiting.len(), waiting.iter().map(|(_, bytes)| bytes).sum()))
    }

    /// How many sealed uploads could not be accepted and are kept as files.
    pub(crate) fn uploads_aside(&self, user: UserId) -> u64 {
        Inbox::of(&self.people.folder(user), user).aside()
    }
}

impl Runtime {
    /// Accepts uploads that arrived while the store was locked, in their order of arrival. Each upload is removed once
    /// it is committed; a crash in between leaves an upload that the store recognises as known.
    pub(super) fn drain_inbox(&self, user: UserId) -> Result<(), OwnerError> {
        let owner = self.owners().owner(user)?;
        let _one_at_a_time = owner.inbox();
        let inbox = Inbox::of(owner.folder(), user);
        let waiting = inbox.waiting().map_err(OwnerError::Inbox)?;
        if waiting.is_empty() {
            return Ok(());
        }
        let person = self.person(user).map_err(OwnerError::Call)?;
        let keys = inbox_keys(&person)?;
        for (number, _) in waiting {
            let fate = match open_with_any(&inbox, &keys, number) {
                Ok(upload) => self.accept_upload(&person, upload)?,
                Err(InboxError::Changed { .. }) => Fate::Aside,
                Err(_) => Fate::Waits,
            };
            // One failed upload must not stop the uploads after it.
            match fate {
                Fate::Accepted => inbox.remove(number).map_err(OwnerError::Inbox)?,
                Fate::Waits => {
                    tracing::warn!(user = %user.short(), "a sealed upload waits for the next unlocking");
                }
                Fate::Aside => {
                    tracing::error!(user = %user.short(), "a sealed upload could not be accepted; it stays aside");
                    inbox.set_aside(number).map_err(OwnerError::Inbox)?;
                }
            }
        }
        drop(person);
        self.timetable().data_arrived(user);
        Ok(())
    }

    /// Calls the cell with an upload that it has judged before.
    fn accept_upload(&self, person: &Person, upload: Upload) -> Result<Fate, OwnerError> {
        let Upload { path, now, body, query, device } = upload;
        let target = self.catalogue().target(&path).map_err(OwnerError::Call)?;
        let cell = self.catalogue().endpoint(&target).cloned();
        let cell = cell.ok_or(OwnerError::Call(CallError::NoSuchCell(path)))?;
        match endpoint::call_here(
            self,
            person,
            &cell,
            &Call { target, now, head: Head::of_query(query), body, device },
        ) {
            Ok(answer) if answer.status < 400 => Ok(Fate::Accepted),
            // A failure that a busy machine may have caused is retried; a failure that the upload causes would occur
            // again.
            Err(CallError::Cell(
                RunError::Deadline { .. } | RunError::Cancelled { .. } | RunError::NoSlot { .. },
            )) => Ok(Fate::Waits),
            Ok(_) | Err(CallError::Cell(_)) => Ok(Fate::Aside),
            Err(error) => Err(OwnerError::Call(error)),
        }
    }
}

impl Owners {
    /// Replaces the key pair of the inbox, so that a holder of the old data key cannot read later uploads. All uploads
    /// that were sealed to the old pair must have been accepted before.
    pub(super) fn rotate_inbox_key(&self, person: &Person) -> Result<(), OwnerError> {
        let owner = self.owner(person.user)?;
        let _none_meanwhile = owner.inbox();
        let mut slots = self.slots(person.user)?;
        let waits = !Inbox::of(owner.folder(), person.user).waiting().map_err(OwnerError::Inbox)?.is_empty();
        if slots.inbox().is_none() || waits {
            return Ok(());
        }
        let key = InboxKey::random(&SystemRandom::new()).map_err(|_| OwnerError::NoRandomness)?;
        let mut batch = Batch::new();
        // The previous key stays: until `slots.json` names the new one, uploads are sealed to it. So does the one that a
        // device has signed for: after a restart, uploads are sealed to that.
        let (known, signed) = (inbox_keys(person)?, self.signed_inbox_key(person.user)?);
        let stays = |(at, key): (usize, &InboxKey)| at == 0 || Some(key.public()) == signed;
        let older = known.iter().enumerate().filter(|known| stays(*known)).map(|(_, key)| key);
        let bytes =
            [&key].into_iter().chain(older).flat_map(|key| key.to_bytes().expose().to_vec()).collect();
        batch.put_document(INBOX_KEY, bytes);
        person.commit(batch).map_err(OwnerError::Commit)?;
        self.note_inbox_key(person.user, key.public());
        slots.set_inbox(key.public());
        slots.write(owner.folder())
    }
}

/// The result for an upload that waited.
enum Fate {
    /// It is in the store.
    Accepted,
    /// It is retried at the next unlocking.
    Waits,
    /// It is kept as a file and not retried.
    Aside,
}

/// Reads an upload that was sealed to one of these keys.
fn open_with_any(inbox: &Inbox, keys: &[InboxKey], number: u64) -> Result<Upload, InboxError> {
    let mut keys = keys.iter();
    let newest = keys.next().expect("whoever has keys has one");
    keys.fold(inbox.open(newest, number), |opened, key| match opened {
        Err(InboxError::Changed { .. }) => inbox.open(key, number),
        opened => opened,
    })
}

/// The newest key, the one before, and the one that was signed last.
pub(super) fn inbox_keys(person: &Person) -> Result<Vec<InboxKey>, OwnerError> {
    let content = person.store.snapshot().document(INBOX_KEY).map_err(OwnerError::Read)?;
    let content = content.ok_or(OwnerError::NoInboxKey)?;
    let (keys, rest) = content.as_chunks::<32>();
    if keys.is_empty() || !rest.is_empty() {
        return Err(OwnerError::NoInboxKey);
    }
    let read = keys.iter().map(|bytes| InboxKey::from_bytes(&Secret::new(*bytes)));
    read.collect::<Result<_, _>>().map_err(|_| OwnerError::NoInboxKey)
}
