//! What an aggregator keeps on its disk: for each epoch the sum of shares and which reports are in it, and nothing of a
//! single report.
//!
//! A count is over the reports of one message, and both count it or neither does. The helper first writes its sum of that
//! count, sealed under a key that it sends to the leader and forgets ([`Ledger::prepare`]). The leader adds its own sum and
//! keeps the key, in one write ([`Ledger::count`]): that decides. Then the helper opens what it sealed, adds it and
//! deletes it ([`Ledger::settle`]). Whatever ends in between, the leader asks for what is undecided before its next count
//! or close: it has the key, or it never counted and never will.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use runtime_study::ReportId;
use zeroize::Zeroizing;

use crate::error::{LedgerError, Refusal};
use crate::message::{CountId, CountKey};
use crate::scheme::{Scheme, Sum, VERIFY_KEY_BYTES};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The study's id: the key with which its proofs are checked.
const VERIFY: Bytes = TableDefinition::new("verify");
/// The study's id, the epoch: an [`Epoch`].
const EPOCHS: Bytes = TableDefinition::new("epochs");
/// The study's id, the epoch, the report's id: nothing.
const REPORTS: Bytes = TableDefinition::new("reports");
/// At the helper: the study's id, the count's: a count that is not decided.
const PENDING: Bytes = TableDefinition::new("pending");
/// At the leader: the study's id, the count's: the key of a count that the helper has not settled.
const KEYS: Bytes = TableDefinition::new("keys");

/// An epoch of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The study's id.
    pub study: [u8; 32],
    /// The epoch.
    pub epoch: u32,
}

impl At {
    fn key(&self) -> Vec<u8> {
        [&self.study[..], &self.epoch.to_be_bytes()].concat()
    }

    fn report(&self, id: &ReportId) -> Vec<u8> {
        [&self.key()[..], &id.0].concat()
    }
}

/// How far an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochState {
    /// Reports are counted.
    Open = 0,
    /// No more reports are counted, and no noise has left.
    Closed = 1,
    /// The sum has its noise, and may leave.
    Answered = 2,
}

/// What is kept of an epoch. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Epoch {
    /// How far it is.
    pub state: EpochState,
    /// How many reports are counted.
    pub people: u64,
    /// How many were refused because their proofs did not hold.
    pub refused: u64,
    /// SHA-256 over the chain before, the number of the count and its reports, for each count in turn.
    pub chain: [u8; 32],
    sum: Vec<u8>,
}

impl Epoch {
    fn nothing(scheme: &Scheme) -> Self {
        let sum = scheme.nothing().encode();
        Self { state: EpochState::Open, people: 0, refused: 0, chain: [0; 32], sum }
    }

    fn encode(&self) -> Vec<u8> {
        let (people, refused) = (self.people.to_be_bytes(), self.refused.to_be_bytes());
        [&[self.state as u8][..], &people, &refused, &self.chain, &self.sum].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (state, rest) = bytes.split_first()?;
        let (people, rest) = rest.split_first_chunk()?;
        let (refused, rest) = rest.split_first_chunk()?;
        let (chain, sum) = rest.split_first_chunk()?;
        let states = [EpochState::Open, EpochState::Closed, EpochState::Answered];
        Some(Self {
            state: *states.get(usize::from(*state))?,
            people: u64::from_be_bytes(*people),
            refused: u64::from_be_bytes(*refused),
            chain: *chain,
            sum: sum.to_vec(),
        })
    }
}

/// The reports of one count, as one side has them.
pub struct Entry {
    /// Its number.
    pub count: CountId,
    /// The reports that are counted.
    pub ids: Vec<ReportId>,
    /// How many were refused.
    pub refused: u64,
    /// The sum of this side's shares.
    pub sum: Sum,
}

/// An aggregator's ledger.
pub struct Ledger(Database);

fn disk(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Disk(Box::new(error))
}

impl Ledger {
    /// Opens a ledger, or makes a new one.
    ///
    /// # Errors
    /// [`LedgerError::Disk`]; also while another process has it.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let ledger = Self(Database::create(path).map_err(disk)?);
        ledger.write(|write| {
            for table in [VERIFY, EPOCHS, REPORTS, PENDING, KEYS] {
                write.open_table(table).map_err(disk)?;
            }
            Ok(())
        })?;
        Ok(ledger)
    }

    /// One write, durable when it returns; of one that fails, nothing stays.
    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let write = self.0.begin_write().map_err(disk)?;
        let done = change(&write)?;
        write.commit().map_err(disk)?;
        Ok(done)
    }

    fn read(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        let read = self.0.begin_read().map_err(disk)?;
        let found = read.open_table(table).map_err(disk)?.get(key).map_err(disk)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// The key with which proofs of the study are checked: the one that was proposed first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn verify_key(
        &self,
        study: &[u8; 32],
        proposed: &[u8; VERIFY_KEY_BYTES],
    ) -> Result<[u8; VERIFY_KEY_BYTES], LedgerError> {
        if let Some(known) = self.read(VERIFY, study)? {
            return known.try_into().map_err(|_| LedgerError::Damaged);
        }
        self.write(|write| {
            let mut table = write.open_table(VERIFY).map_err(disk)?;
            let known = table.get(&study[..]).map_err(disk)?.map(|known| known.value().to_vec());
            if let Some(known) = known {
                return known.try_into().map_err(|_| LedgerError::Damaged);
            }
            table.insert(&study[..], &proposed[..]).map_err(disk)?;
            Ok(*proposed)
        })
    }

    /// The key with which proofs of the study are checked, if one was proposed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn known_verify_key(&self, study: &[u8; 32]) -> Result<Option<[u8; VERIFY_KEY_BYTES]>, LedgerError> {
        let known = self.read(VERIFY, study)?;
        known.map(|known| known.try_into().map_err(|_| LedgerError::Damaged)).transpose()
    }

    /// What is kept of an epoch.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn epoch(&self, at: &At, scheme: &Scheme) -> Result<Epoch, LedgerError> {
        match self.read(EPOCHS, &at.key())? {
            None => Ok(Epoch::nothing(scheme)),
            Some(bytes) => Epoch::decode(&bytes).ok_or(LedgerError::Damaged),
        }
    }

    /// Which reports are counted already.
    ///
    /// # Errors
    /// [`LedgerError::Disk`].
    pub fn counted(&self, at: &At, ids: &[ReportId]) -> Result<Vec<bool>, LedgerError> {
        let read = self.0.begin_read().map_err(disk)?;
        let table = read.open_table(REPORTS).map_err(disk)?;
        let is_there = |id: &ReportId| Ok(table.get(&at.report(id)[..]).map_err(disk)?.is_some());
        ids.iter().map(is_there).collect()
    }

    /// At the leader: counts, and keeps the key for the helper. This decides the count.
    ///
    /// # Errors
    /// [`LedgerError`]. Nothing is counted.
    pub fn count(&self, at: &At, entry: &Entry, key: &CountKey, scheme: &Scheme) -> Result<(), LedgerError> {
        self.write(|write| {
            add(write, at, entry, scheme)?;
            let mut keys = write.open_table(KEYS).map_err(disk)?;
            keys.insert(&of_count(&at.study, &entry.count)[..], &key[..]).map_err(disk)?;
            Ok(())
        })
    }

    /// At the leader: the key of a count that it has counted, and of which the helper may not know.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn key(&self, study: &[u8; 32], count: &CountId) -> Result<Option<CountKey>, LedgerError> {
        let found = self.read(KEYS, &of_count(study, count))?;
        found.map(|key| key.try_into().map_err(|_| LedgerError::Damaged)).transpose()
    }

    /// At the leader: counts of the study of which the helper may not know that they are decided.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn unsettled(&self, study: &[u8; 32]) -> Result<Vec<CountId>, LedgerError> {
        let read = self.0.begin_read().map_err(disk)?;
        counts(&read.open_table(KEYS).map_err(disk)?, study)
    }

    /// At the leader: the helper has settled these.
    ///
    /// # Errors
    /// [`LedgerError::Disk`].
    pub fn forget_keys(&self, study: &[u8; 32], settled: &[CountId]) -> Result<(), LedgerError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.write(|write| {
            let mut keys = write.open_table(KEYS).map_err(disk)?;
            for count in settled {
                keys.remove(&of_count(study, count)[..]).map_err(disk)?;
            }
            Ok(())
        })
    }

    /// At the helper: keeps what would be counted, sealed under the key.
    ///
    /// # Errors
    /// [`Refusal::Undecided`] while another count of the study is not decided, and [`LedgerError`]. Nothing is kept.
    pub fn prepare(&self, at: &At, entry: &Entry, key: &CountKey) -> Result<(), LedgerError> {
        let mut sealed = entry.sum.encode();
        sealing(key)
            .seal_in_place_append_tag(no_nonce(), Aad::from(&entry.count), &mut sealed)
            .expect("a sum is far below the limit of the cipher");
        let ids = entry.ids.iter().flat_map(|id| id.0);
        let mut record = at.epoch.to_be_bytes().to_vec();
        record.extend_from_slice(&entry.refused.to_be_bytes());
        record.extend_from_slice(&(entry.ids.len() as u64).to_be_bytes());
        record.extend(ids);
        record.extend_from_slice(&sealed);
        self.write(|write| {
            let mut pending = write.open_table(PENDING).map_err(disk)?;
            if !counts(&pending, &at.study)?.is_empty() {
                return Err(Refusal::Undecided.into());
            }
            pending.insert(&of_count(&at.study, &entry.count)[..], &record[..]).map_err(disk)?;
            Ok(())
        })
    }

    /// At the helper: the counts of the study that are not decided.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn pending(&self, study: &[u8; 32]) -> Result<Vec<CountId>, LedgerError> {
        let read = self.0.begin_read().map_err(disk)?;
        counts(&read.open_table(PENDING).map_err(disk)?, study)
    }

    /// At the helper: counts what was prepared, with its key, or drops it. What is settled already stays as it is.
    ///
    /// # Errors
    /// [`Refusal::OtherKey`] and [`LedgerError`]. Nothing has changed.
    pub fn settle(
        &self,
        study: &[u8; 32],
        count: &CountId,
        key: Option<&CountKey>,
        scheme: &Scheme,
    ) -> Result<(), LedgerError> {
        self.write(|write| {
            let mut pending = write.open_table(PENDING).map_err(disk)?;
            let removed = pending.remove(&of_count(study, count)[..]).map_err(disk)?;
            let Some(record) = removed.map(|record| record.value().to_vec()) else { return Ok(()) };
            let Some(key) = key else { return Ok(()) };
            let (epoch, entry) = opened(&record, count, key, scheme)?;
            add(write, &At { study: *study, epoch }, &entry, scheme)
        })
    }

    /// Closes an epoch over exactly these reports: nothing is counted in it any more. Closed over the same already, it
    /// stays as it is.
    ///
    /// # Errors
    /// [`Refusal::Apart`], [`Refusal::TooFew`] and [`LedgerError`]. Nothing has changed.
    pub fn close(
        &self,
        at: &At,
        (people, chain): (u64, &[u8; 32]),
        smallest_group: u64,
        scheme: &Scheme,
    ) -> Result<(), LedgerError> {
        self.write(|write| {
            let mut epochs = write.open_table(EPOCHS).map_err(disk)?;
            let mut epoch = epoch_in(&epochs, at, scheme)?;
            if (epoch.people, &epoch.chain) != (people, chain) {
                return Err(Refusal::Apart.into());
            }
            if epoch.people < smallest_group {
                return Err(Refusal::TooFew.into());
            }
            if epoch.state == EpochState::Open {
                epoch.state = EpochState::Closed;
                epochs.insert(&at.key()[..], &epoch.encode()[..]).map_err(disk)?;
            }
            Ok(())
        })
    }

    /// The share of a closed epoch, with noise: drawn and written when it is asked for first, the same from then on.
    ///
    /// # Errors
    /// [`Refusal::NotOpen`]: it is not closed. [`LedgerError`].
    pub fn share(&self, at: &At, scheme: &Scheme) -> Result<Vec<u8>, LedgerError> {
        self.write(|write| {
            let mut epochs = write.open_table(EPOCHS).map_err(disk)?;
            let mut epoch = epoch_in(&epochs, at, scheme)?;
            match epoch.state {
                EpochState::Open => return Err(Refusal::NotOpen.into()),
                EpochState::Answered => return Ok(epoch.sum),
                EpochState::Closed => {}
            }
            let mut sum = scheme.sum(&epoch.sum).ok_or(LedgerError::Damaged)?;
            scheme.add_noise(&mut sum).map_err(disk)?;
            (epoch.state, epoch.sum) = (EpochState::Answered, sum.encode());
            epochs.insert(&at.key()[..], &epoch.encode()[..]).map_err(disk)?;
            Ok(epoch.sum)
        })
    }
}

fn of_count(study: &[u8; 32], count: &CountId) -> Vec<u8> {
    [&study[..], count].concat()
}

fn sealing(key: &CountKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key has 32 bytes"))
}

/// Each key seals once.
fn no_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn opened(
    record: &[u8],
    count: &CountId,
    key: &CountKey,
    scheme: &Scheme,
) -> Result<(u32, Entry), LedgerError> {
    let parts = || {
        let (epoch, rest) = record.split_first_chunk()?;
        let (refused, rest) = rest.split_first_chunk()?;
        let (people, rest) = rest.split_first_chunk()?;
        let people = usize::try_from(u64::from_be_bytes(*people)).ok()?;
        let (ids, sealed) = rest.split_at_checked(people.checked_mul(16)?)?;
        let ids = ids.chunks_exact(16).filter_map(|id| id.try_into().ok().map(ReportId)).collect();
        Some((u32::from_be_bytes(*epoch), u64::from_be_bytes(*refused), ids, sealed.to_vec()))
    };
    let (epoch, refused, ids, sealed) = parts().ok_or(LedgerError::Damaged)?;
    let mut sealed = Zeroizing::new(sealed);
    let sum = sealing(key).open_in_place(no_nonce(), Aad::from(count), &mut sealed);
    let sum = sum.map_err(|_| Refusal::OtherKey)?;
    let sum = scheme.sum(sum).ok_or(LedgerError::Damaged)?;
    Ok((epoch, Entry { count: *count, ids, refused, sum }))
}

fn counts(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    study: &[u8; 32],
) -> Result<Vec<CountId>, LedgerError> {
    let mut found = Vec::new();
    for item in table.range(&study[..]..).map_err(disk)? {
        let (key, _) = item.map_err(disk)?;
        let Some(count) = key.value().strip_prefix(&study[..]) else { break };
        found.push(count.try_into().map_err(|_| LedgerError::Damaged)?);
    }
    Ok(found)
}

fn epoch_in(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    at: &At,
    scheme: &Scheme,
) -> Result<Epoch, LedgerError> {
    match table.get(&at.key()[..]).map_err(disk)? {
        None => Ok(Epoch::nothing(scheme)),
        Some(bytes) => Epoch::decode(bytes.value()).ok_or(LedgerError::Damaged),
    }
}

fn add(write: &WriteTransaction, at: &At, entry: &Entry, scheme: &Scheme) -> Result<(), LedgerError> {
    let mut epochs = write.open_table(EPOCHS).map_err(disk)?;
    let mut epoch = epoch_in(&epochs, at, scheme)?;
    if epoch.state != EpochState::Open {
        return Err(Refusal::NotOpen.into());
    }
    let mut reports = write.open_table(REPORTS).map_err(disk)?;
    let mut chain = Context::new(&SHA256);
    chain.update(&epoch.chain);
    chain.update(&entry.count);
    for id in &entry.ids {
        // Whoever asked has left out what is counted: a report that is there now would be counted twice.
        if reports.insert(&at.report(id)[..], &[][..]).map_err(disk)?.is_some() {
            return Err(Refusal::Apart.into());
        }
        chain.update(&id.0);
    }
    let mut sum = scheme.sum(&epoch.sum).ok_or(LedgerError::Damaged)?;
    sum.add(&entry.sum);
    epoch.people += entry.ids.len() as u64;
    epoch.refused += entry.refused;
    epoch.chain.copy_from_slice(chain.finish().as_ref());
    epoch.sum = sum.encode();
    epochs.insert(&at.key()[..], &epoch.encode()[..]).map_err(disk)?;
    Ok(())
}
