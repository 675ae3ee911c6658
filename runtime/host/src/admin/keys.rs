//! Who can open a person's store, whether it is open, and opening it with the recovery phrase.

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::WrapPub;
use handshake::secret::Secret;
use runtime_program::Failure;
use runtime_user::arrivals::Arrivals;
use runtime_user::people::Damage;
use runtime_user::{CallError, KeyMode, LockState, OwnerError, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::of_owner;
use crate::http::service::now;

/// Asks whether a person's store is open, who can open it, and what is waiting for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonStatus {
    /// The person, by name or id.
    pub person: String,
}

/// The state of a person's store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusShown {
    /// The person's id.
    pub id: String,
    /// Whether it is open.
    pub store: StoreState,
    /// Until when it is open, ms since 1970; none: open without an end, or not open.
    pub until_ms: Option<u64>,
    /// Who can open it.
    pub keys: Option<KeyMode>,
    /// Whether a recovery phrase opens it.
    pub recovery_phrase: bool,
    /// From when on the recovery phrase opens the store, where its use was asked for, ms since 1970.
    pub recovery_from_ms: Option<u64>,
    /// Sealed uploads that wait until the store is open.
    pub waiting_uploads: u64,
    /// Their total size, bytes.
    pub waiting_bytes: u64,
    /// Why the host's clock is not trusted, in words.
    pub clock_doubt: Option<String>,
    /// What is wrong with the person's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Number of readings that were set aside; none where the store is not open.
    pub set_aside: Option<u64>,
    /// Which data arrive and which are missing; none where the store is not open.
    pub arrivals: Option<Arrivals>,
}

impl StatusShown {
    /// A person who is not served.
    fn damaged(user: UserId, damage: Option<Damage>) -> Self {
        Self {
            id: user.dashed(),
            store: StoreState::Damaged,
            until_ms: None,
            keys: None,
            recovery_phrase: false,
            recovery_from_ms: None,
            waiting_uploads: 0,
            waiting_bytes: 0,
            clock_doubt: None,
            damage,
            set_aside: None,
            arrivals: None,
        }
    }
}

/// Whether a store is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// The person has no store yet.
    Absent,
    /// It is closed until a device or the phrase opens it.
    Locked,
    /// It is open.
    Unlocked,
    /// A file is damaged, and the person is not served.
    Damaged,
}

impl Ask for PersonStatus {
    type Answer = StatusShown;

    fn answer(self, context: &Context<'_>) -> Result<StatusShown, Failure> {
        status(context, &self.person, context.find(&self.person)?)
    }
}

/// Closes a person's store and wipes its key from memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockPerson {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for LockPerson {
    type Answer = StatusShown;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<StatusShown, Failure> {
        let user = context.find(&self.person)?;
        context.runtime.diaries().end_intake(user);
        context.runtime.locks().lock(user).map_err(of_owner(&self.person))?;
        status(context, &self.person, user)
    }
}

/// Changes who can open a person's store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetKeys {
    /// The person, by name or id.
    pub person: String,
    /// The new mode.
    pub mode: KeyMode,
}

impl Ask for SetKeys {
    type Answer = StatusShown;

    fn answer(self, context: &Context<'_>) -> Result<StatusShown, Failure> {
        let user = context.find(&self.person)?;
        context.runtime.locks().set_mode(user, self.mode).map_err(of_owner(&self.person))?;
        status(context, &self.person, user)
    }
}

/// Asks for the slot that the recovery phrase opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginRecovery {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`BeginRecovery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryBegun {
    /// The person's id, 32 hex digits.
    pub id: String,
    /// The slot, in base64url; none before `from_ms`.
    pub slot: Option<String>,
    /// From when on the phrase opens the store, ms since 1970; none: now.
    pub from_ms: Option<u64>,
}

impl Ask for BeginRecovery {
    type Answer = RecoveryBegun;

    fn answer(self, context: &Context<'_>) -> Result<RecoveryBegun, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let recovery = runtime
            .owners()
            .begin_recovery(user, runtime.clocks().lasting_ms())
            .map_err(of_owner(&self.person))?;
        // Before that time the phrase opens nothing, so no slot is shown.
        let slot = recovery.from_ms.is_none().then(|| BASE64URL_NOPAD.encode(recovery.slot.as_bytes()));
        let from_ms = recovery.from_ms.map(|from_ms| runtime.clocks().shown_ms(from_ms));
        Ok(RecoveryBegun { id: user.to_string(), slot, from_ms })
    }
}

/// Asks whether the recovery phrase with this public half opens the person's store. The words stay with who asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckPhrase {
    /// The person, by name or id.
    pub person: String,
    /// The public half of the phrase.
    pub phrase: WrapPub,
}

/// The answer to [`CheckPhrase`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhraseChecked {
    /// The person's id.
    pub id: String,
    /// Whether it opens the store.
    pub opens: bool,
}

impl Ask for CheckPhrase {
    type Answer = PhraseChecked;

    fn answer(self, context: &Context<'_>) -> Result<PhraseChecked, Failure> {
        let user = context.find(&self.person)?;
        let opens = context.runtime.owners().phrase_opens(user, &self.phrase);
        Ok(PhraseChecked { id: user.dashed(), opens: opens.map_err(of_owner(&self.person))? })
    }
}

/// Opens a person's store with the key that the recovery phrase yields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRecovery {
    /// The person, by name or id.
    pub person: String,
    /// The generation of the key.
    pub generation: u32,
    /// The key.
    pub key: Secret<32>,
}

impl Ask for EndRecovery {
    type Answer = StatusShown;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<StatusShown, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let ended =
            runtime.end_recovery(user, self.generation, *self.key.expose(), runtime.clocks().lasting_ms());
        ended.map_err(of_owner(&self.person))?;
        status(context, &self.person, user)
    }
}

fn status(context: &Context<'_>, person: &str, user: UserId) -> Result<StatusShown, Failure> {
    let (runtime, failed) = (context.runtime, of_owner(person));
    let mut damage = runtime.owners().inspect(user);
    if runtime.people().damage(user).is_some() {
        return Ok(StatusShown::damaged(user, damage));
    }
    let state = runtime.locks().state(user).map_err(|error| failed(OwnerError::Call(error)))?;
    let (store, until_ms) = match state {
        LockState::Absent => (StoreState::Absent, None),
        // The key of a store that its only phone never opened is made anew with the next phone.
        LockState::Locked if runtime.pairing().begins_anew(user) => (StoreState::Absent, None),
        LockState::Locked => (StoreState::Locked, None),
        LockState::Unlocked { until_ms } => (StoreState::Unlocked, until_ms),
    };
    let (count, bytes) = runtime.owners().waiting_uploads(user).map_err(&failed)?;
    // The contents of a locked or suspended person's store are not reported; the rest of the status is.
    let mut open = store == StoreState::Unlocked;
    if open && let Err(error @ CallError::Open(_)) = runtime.person(user) {
        open = false;
        let (file, what) = (runtime.people().folder(user).join("store"), runtime_user::chain(&error));
        damage = damage.or(Some(Damage { file, what }));
    }
    Ok(StatusShown {
        id: user.dashed(),
        store,
        until_ms,
        keys: runtime.people().standing(user).map(|standing| standing.keys),
        recovery_phrase: match runtime.owners().has_recovery(user) {
            // The damage is told already.
            Err(_) if damage.is_some() => false,
            has_recovery => has_recovery.map_err(&failed)?,
        },
        recovery_from_ms: runtime
            .owners()
            .recovery_pending(user)
            .map(|from_ms| runtime.clocks().shown_ms(from_ms)),
        waiting_uploads: count as u64,
        waiting_bytes: bytes,
        clock_doubt: runtime.clocks().doubt(),
        damage,
        set_aside: open
            .then(|| runtime.person(user).and_then(|person| person.set_aside_count()).ok())
            .flatten(),
        arrivals: open.then(|| runtime.diaries().arrivals(user, now()).ok()).flatten(),
    })
}
