//! The runtime's side of a pairing: one window, from the owner's "add a phone" to its end.
//!
//! ```text
//! OPEN ── first right proof ──▶ CLAIMED ── owner approves ──▶ ENROLLING ── M5 ──▶ DONE
//!   │ 5 wrong proofs, 11th hello,  │ owner rejects, 120 s pass,  │
//!   │ lifetime over, cancelled     │ connection lost             │ the same
//!   └──────────────────────────────┴──▶ BURNT ◀──────────────────┘
//! ```
//!
//! * Units: moments are milliseconds since 1970; a clock that jumps by more than a limit ends what the limit protects.
//! * Invariants: the secrets are dropped, and so wiped, when the window leaves OPEN; at most [`CHALLENGES_MAX`]
//!   connections have a challenge here; a challenge is valid for one proof; DONE and BURNT are final;
//!   [`Enrolment::Ready`] is returned once.
//! * Out of order: a proof without a challenge is UPC-004 and is not counted, since it is no guess; a request to enrol
//!   before a proof is UPC-006; any other message to a claimed window is UPC-005, and to a finished window UPC-003,
//!   except UPC-006 to the phone that the owner did not approve.
//! * Not here: which window a connection is for; the caller has one window for each person and answers UPC-003 where it
//!   has none.

use super::codes::Codes;
use super::messages::{Challenge, Claimed, Enrol, Hello, Kdf, Proof, WindowName};
use super::record::{BurntLog, Step, WindowRecord, WindowState};
use super::terms::{
    APPROVAL_MS, BAD_PROOFS_MAX, CHALLENGES_MAX, Channel, Claim, ConnectionId, Enrolment, LIFETIME_MS_RANGE,
    NewDevice, OpenError, OwnerError,
};
use crate::device::{DeviceName, Platform};
use crate::encoding::{Commit, Label, Nonce, Selector, WindowId};
use crate::error::Code;
use crate::transcript::{
    CompareDigits, Facts, Mac, Method, PBKDF2_ROUNDS, PairingSecret, Transcript, commit_to,
};
use ring::rand::SecureRandom;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// One pairing window. Every event returns a [`Step`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    id: WindowId,
    label: Label,
    selector: Option<Selector>,
    opened_ms: u64,
    lifetime_ms: u64,
    changed_ms: u64,
    bad: u8,
    challenges: u8,
    burnt: BurntLog,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    /// Boxed: moving a secret leaves a copy behind, but dropping a box wipes it.
    Open(Box<Open>),
    Claimed(Claim),
    Enrolling(Claim),
    Done,
    /// With the connection that was asked to wait, if there was one.
    Burnt(Option<ConnectionId>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Open {
    qr: PairingSecret,
    typed: Option<PairingSecret>,
    runs: BTreeMap<ConnectionId, Run>,
}

/// A challenge that waits for its proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Run {
    method: Method,
    channel: Channel,
    commit: Commit,
    nonce: Nonce,
    name: DeviceName,
    platform: Platform,
}

impl Window {
    /// Opens a window for `lifetime_ms`. `last` is the person's newest record, if there is any. With a typed code this
    /// takes tens of milliseconds, in which the code is stretched.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        codes: &Codes,
        lifetime_ms: u64,
        last: Option<&WindowRecord>,
        now_ms: u64,
    ) -> Result<Step<Self>, OpenError> {
        if last.is_some_and(|last| !last.is_over()) {
            return Err(OpenError::WindowOpen);
        }
        if !LIFETIME_MS_RANGE.contains(&lifetime_ms) {
            return Err(OpenError::Lifetime { lifetime_ms });
        }
        let burnt = last.map_or_else(BurntLog::default, |last| last.burnt.clone());
        if let (Some(_), Some(until_ms)) = (&codes.typed, burnt.typed_off_until_ms(now_ms)) {
            return Err(OpenError::TypedOff { until_ms });
        }
        let typed = codes.typed.as_ref().map(|code| {
            let stretched = PairingSecret::stretch(code, codes.window, PBKDF2_ROUNDS);
            stretched.expect("our own number of rounds is within the range")
        });
        let qr = PairingSecret::Qr(codes.secret.clone());
        let window = Self {
            id: codes.window,
            label: codes.label,
            selector: codes.typed.as_ref().map(|code| code.selector()),
            opened_ms: now_ms,
            lifetime_ms,
            changed_ms: now_ms,
            bad: 0,
            challenges: 0,
            burnt,
            state: State::Open(Box::new(Open { qr, typed, runs: BTreeMap::new() })),
        };
        Ok(Step::new(Some(window.record()), window))
    }

    /// M1: a phone names the window and sends its commitment. A repetition on the same connection costs another
    /// challenge and replaces the one before.
    ///
    /// The answer is [`Code::WindowGone`], [`Code::WindowClaimed`] or, without randomness, [`Code::Starting`].
    pub fn hello(
        &mut self,
        channel: Channel,
        hello: &Hello,
        now_ms: u64,
        random: &dyn SecureRandom,
    ) -> Step<Result<Challenge, Code>> {
        self.step(now_ms, |window| window.challenge(channel, hello, now_ms, random))
    }

    /// M3: the phone proves the secret. The first right proof claims the window; the owner then sees [`Self::claim`].
    ///
    /// The answer is [`Code::ProofWrong`], [`Code::WindowClaimed`] or [`Code::WindowGone`].
    pub fn proof(
        &mut self,
        connection: ConnectionId,
        proof: &Proof,
        now_ms: u64,
    ) -> Step<Result<Claimed, Code>> {
        self.step(now_ms, |window| window.judge(connection, proof, now_ms))
    }

    /// M5: the phone that claimed the window asks to be enrolled.
    ///
    /// The answer is [`Code::NotApproved`], [`Code::WindowClaimed`] or [`Code::WindowGone`].
    pub fn enrol(
        &mut self,
        connection: ConnectionId,
        enrol: &Enrol,
        now_ms: u64,
    ) -> Step<Result<Enrolment, Code>> {
        self.step(now_ms, |window| window.admit(connection, enrol, now_ms))
    }

    /// The owner confirms that the digits in [`Self::claim`] are the phone's.
    ///
    /// The answer is any of [`OwnerError`].
    pub fn approve(&mut self, window: WindowId, now_ms: u64) -> Step<Result<(), OwnerError>> {
        self.step(now_ms, |this| match this.live(window)? {
            State::Claimed(claim) => {
                let claim = claim.clone();
                this.enter(State::Enrolling(claim), now_ms);
                Ok(())
            }
            State::Enrolling(_) => Err(OwnerError::AlreadyApproved),
            State::Open(_) => Err(OwnerError::NobodyWaits),
            State::Done | State::Burnt(_) => Err(OwnerError::Over),
        })
    }

    /// The owner refuses: cancels an open window, rejects a waiting phone, or withdraws an approval.
    ///
    /// The answer is [`OwnerError::OtherWindow`] or [`OwnerError::Over`].
    pub fn reject(&mut self, window: WindowId, now_ms: u64) -> Step<Result<(), OwnerError>> {
        self.step(now_ms, |this| {
            this.live(window)?;
            this.burn(now_ms);
            Ok(())
        })
    }

    /// A connection has ended; its challenge or claim is lost.
    pub fn connection_lost(&mut self, connection: ConnectionId, now_ms: u64) -> Step<()> {
        self.step(now_ms, |window| match &mut window.state {
            State::Open(open) => {
                open.runs.remove(&connection);
                window.burn_if_exhausted(now_ms);
            }
            State::Claimed(claim) | State::Enrolling(claim) if claim.connection == connection => {
                window.burn(now_ms);
            }
            _ => {}
        })
    }

    /// Time has passed. Every other event calls this first; call it at [`Self::deadline_ms`].
    pub fn tick(&mut self, now_ms: u64) -> Step<()> {
        self.step(now_ms, |_| ())
    }

    /// When the window ends without another event; `None`: it has ended.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.limit_ms().map(|limit_ms| self.changed_ms.saturating_add(limit_ms))
    }

    /// The phone that waits for the owner or has been approved.
    pub fn claim(&self) -> Option<&Claim> {
        match &self.state {
            State::Claimed(claim) | State::Enrolling(claim) => Some(claim),
            State::Open(_) | State::Done | State::Burnt(_) => None,
        }
    }

    /// The id of the window.
    pub fn id(&self) -> WindowId {
        self.id
    }

    /// The label to which phones that scan connect.
    pub fn label(&self) -> Label {
        self.label
    }

    /// The selector to which phones that type connect; `None` where typing is not offered.
    pub fn selector(&self) -> Option<Selector> {
        self.selector
    }

    /// The record to store.
    pub fn record(&self) -> WindowRecord {
        let state = match self.state {
            State::Open(_) => WindowState::Open,
            State::Claimed(_) => WindowState::Claimed,
            State::Enrolling(_) => WindowState::Enrolling,
            State::Done => WindowState::Done,
            State::Burnt(_) => WindowState::Burnt,
        };
        WindowRecord {
            window: self.id,
            state,
            opened_ms: self.opened_ms,
            lifetime_ms: self.lifetime_ms,
            changed_ms: self.changed_ms,
            bad: self.bad,
            challenges: self.challenges,
            burnt: self.burnt.clone(),
        }
    }

    fn step<T>(&mut self, now_ms: u64, event: impl FnOnce(&mut Self) -> T) -> Step<T> {
        let before = self.record();
        // In both directions: a clock that was set back must not give a window more than twice its time.
        if self.limit_ms().is_some_and(|limit_ms| now_ms.abs_diff(self.changed_ms) >= limit_ms) {
            self.burn(now_ms);
        }
        let answer = event(self);
        let after = self.record();
        Step::new((after != before).then_some(after), answer)
    }

    fn limit_ms(&self) -> Option<u64> {
        match self.state {
            State::Open(_) => Some(self.lifetime_ms),
            State::Claimed(_) | State::Enrolling(_) => Some(APPROVAL_MS),
            State::Done | State::Burnt(_) => None,
        }
    }

    fn challenge(
        &mut self,
        channel: Channel,
        hello: &Hello,
        now_ms: u64,
        random: &dyn SecureRandom,
    ) -> Result<Challenge, Code> {
        let meant = match hello.window {
            WindowName::Scanned(window) => window == self.id,
            WindowName::Typed(selector) => Some(selector) == self.selector,
        };
        let open = match &mut self.state {
            _ if !meant => return Err(Code::WindowGone),
            State::Open(open) => open,
            State::Claimed(_) | State::Enrolling(_) => return Err(Code::WindowClaimed),
            State::Done | State::Burnt(_) => return Err(Code::WindowGone),
        };
        if self.challenges >= CHALLENGES_MAX {
            self.burn(now_ms);
            return Err(Code::WindowGone);
        }
        let nonce = Nonce::random(random).map_err(|_| Code::Starting)?;
        self.challenges += 1;
        let (method, commit) = (hello.window.method(), hello.commit);
        let (name, platform) = (hello.name.clone(), hello.platform);
        open.runs.insert(channel.connection, Run { method, channel, commit, nonce, name, platform });
        Ok(Challenge { window: self.id, nonce, kdf: Kdf { iterations: PBKDF2_ROUNDS } })
    }

    fn judge(&mut self, connection: ConnectionId, proof: &Proof, now_ms: u64) -> Result<Claimed, Code> {
        let open = match &mut self.state {
            State::Open(open) => open,
            State::Claimed(_) | State::Enrolling(_) => return Err(Code::WindowClaimed),
            State::Done | State::Burnt(_) => return Err(Code::WindowGone),
        };
        let run = open.runs.remove(&connection).ok_or(Code::ProofWrong)?;
        let secret = match run.method {
            Method::Qr => Some(&open.qr),
            Method::Typed => open.typed.as_ref(),
        };
        let right = secret.and_then(|secret| run.check(self.id, secret, proof));
        let Some((mac, digits)) = right else {
            self.bad += 1;
            if self.bad >= BAD_PROOFS_MAX {
                self.burn(now_ms);
            }
            self.burn_if_exhausted(now_ms);
            return Err(Code::ProofWrong);
        };
        let Run { channel, name, platform, .. } = run;
        self.enter(
            State::Claimed(Claim { digits, name, platform, device: channel.device, connection }),
            now_ms,
        );
        Ok(Claimed { mac, approve_by_s: (APPROVAL_MS / 1_000) as u32 })
    }

    fn admit(&mut self, connection: ConnectionId, enrol: &Enrol, now_ms: u64) -> Result<Enrolment, Code> {
        match &self.state {
            State::Open(_) => Err(Code::NotApproved),
            State::Claimed(claim) | State::Enrolling(claim) if claim.connection != connection => {
                Err(Code::WindowClaimed)
            }
            State::Claimed(_) => {
                Ok(Enrolment::Wait { until_ms: self.changed_ms.saturating_add(APPROVAL_MS) })
            }
            State::Enrolling(claim) => {
                let Claim { device, name, platform, .. } = claim.clone();
                self.enter(State::Done, now_ms);
                Ok(Enrolment::Ready(Box::new(NewDevice { device, wrap_pub: enrol.wrap_pub, name, platform })))
            }
            State::Burnt(Some(waiting)) if *waiting == connection => Err(Code::NotApproved),
            State::Done | State::Burnt(_) => Err(Code::WindowGone),
        }
    }

    fn live(&self, window: WindowId) -> Result<&State, OwnerError> {
        match &self.state {
            _ if window != self.id => Err(OwnerError::OtherWindow),
            State::Done | State::Burnt(_) => Err(OwnerError::Over),
            live => Ok(live),
        }
    }

    fn burn(&mut self, now_ms: u64) {
        let waiting = self.claim().map(|claim| claim.connection);
        self.enter(State::Burnt(waiting), now_ms);
        self.burnt.note(self.challenges, now_ms);
    }

    /// A window that can issue no more challenges and waits for no proof cannot be claimed.
    fn burn_if_exhausted(&mut self, now_ms: u64) {
        let exhausted = matches!(&self.state, State::Open(open) if open.runs.is_empty());
        if exhausted && self.challenges >= CHALLENGES_MAX {
            self.burn(now_ms);
        }
    }

    fn enter(&mut self, state: State, now_ms: u64) {
        self.state = state;
        self.changed_ms = now_ms;
    }
}

impl Run {
    /// The runtime's mac and the digits, if the phone opened its commitment and has the secret.
    fn check(&self, window: WindowId, secret: &PairingSecret, proof: &Proof) -> Option<(Mac, CompareDigits)> {
        let facts = Facts {
            method: self.method,
            window,
            spki_runtime: self.channel.runtime.as_bytes(),
            spki_device: self.channel.device.as_bytes(),
            exporter: &self.channel.exporter,
            commit: self.commit,
            nonce_runtime: self.nonce,
        };
        let transcript = Transcript::new(&facts, secret);
        let opened = commit_to(&proof.nonce).0.ct_eq(&self.commit.0);
        let proven = transcript.mac_phone(&proof.nonce).0.ct_eq(&proof.mac.0);
        // Combined before the check: the time of an answer does not show which part was wrong.
        bool::from(opened & proven)
            .then(|| (transcript.mac_runtime(&proof.nonce, &proof.mac), transcript.digits(&proof.nonce)))
    }
}

#[cfg(test)]
mod tests;
