//! Commands of a person over a paired device's connection: those of the control socket in the same form, without the
//! member `person`. `docs/api.md` lists them.
//!
//! * Invariants: the person is the connection's, whatever the body says; a device gives those commands alone for which it
//!   has the scope; the audit names the device that was shown the diary.
//! * Not here: which commands these are (`crate::admin`, `owners`).

use std::sync::Arc;

use bytes::Bytes;
use handshake::error::Code;
use runtime_program::Failure;
use runtime_user::{Admission, Runtime, Stamp, UserId};
use serde::Serialize;
use serde_json::Value;

use crate::admin::{Command, Context, PersonStatus, PhoneAddress};
use crate::http::Refusal;
use crate::http::service::Answered;

/// Why a command did not get its answer.
pub(super) enum Unasked {
    /// The device may not give it.
    Code(Code),
    /// It is none.
    Refusal(Refusal),
}

impl From<Code> for Unasked {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<Refusal> for Unasked {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// Carries out a command. The answer is what the control socket says: `{"Ok": ...}`, or `{"Err": {"what", "remedy"}}`.
pub(super) async fn answer(
    runtime: &Arc<Runtime>,
    admission: &Admission,
    body: &[u8],
) -> Result<Answered, Unasked> {
    let (user, device) = (admission.user, Stamp::of_device(admission.device));
    let command = Command::of_person(body, &user.dashed())
        .map_err(|error| Refusal::new(400, "bad-command", error.to_string()))?;
    admission.require(command.scope().ok_or(Code::ScopeMissing)?)?;
    let command = match command {
        // However often it is asked for, it is done twice.
        Command::LockPerson(lock) => {
            runtime.lock_by(admission).await?;
            PersonStatus { person: lock.person }.into()
        }
        // It waits without a thread, and without a turn of the person's work.
        Command::WatchPerson(watch) => {
            let outcome = watch.answer_later(runtime, user).await;
            return Ok(Answered::Counted { body: Bytes::from(said(&outcome)?), taken: None });
        }
        command => command,
    };
    let this = Arc::clone(runtime);
    let work = move || outcome(&this, user, &device, command, &PhoneAddress::untold());
    let crowded = |message| Refusal::new(503, "unavailable", message).retry_after(5);
    let text = runtime.turns().run(user, work).await;
    let text = text.map_err(|_| crowded("too much of this person's work waits: try again later"))??;
    let taken = runtime.room_for_answer(user, text.len());
    let taken = taken.ok_or_else(|| crowded("too much waits for this person's callers: try again later"))?;
    Ok(Answered::Counted { body: Bytes::from(text), taken })
}

/// Carries out a command on a thread that may wait; the text is the control socket's. `phone_address`: what a pairing
/// tells phones.
pub(super) fn outcome(
    runtime: &Runtime,
    user: UserId,
    device: &Stamp,
    command: Command,
    phone_address: &PhoneAddress,
) -> Result<String, Refusal> {
    let context = Context { runtime, phone_address };
    let outcome = match command {
        Command::ExportDiary(ask) => ask.answer_to(&context, user, device).and_then(value),
        Command::ShowDays(ask) => ask.answer_to(&context, user, Some(device)).and_then(value),
        Command::ShowPlaces(ask) => ask.answer_to(&context, user, Some(device)).and_then(value),
        Command::ShowHeat(ask) => ask.answer_to(&context, user, Some(device)).and_then(value),
        Command::PreviewCell(ask) => ask.answer_to(&context, user, Some(device)).and_then(value),
        command => command.answer(&context),
    };
    said(&outcome)
}

fn value(shown: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(shown).map_err(|error| Failure::of(&error, "report this"))
}

/// The text of an outcome.
fn said(outcome: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(outcome).map_err(|_| Refusal::new(500, "no-answer", "the answer is no JSON"))
}
