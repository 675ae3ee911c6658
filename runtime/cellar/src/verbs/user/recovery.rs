//! Opening a person's data from this machine: with the recovery phrase, or with the file of a phone.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use handshake::keys::{Agree as _, PHRASE_WORDS, Phrase, Slot};
use handshake::roster::Signed;
use ring::rand::SystemRandom;
use runtime_user::UserId;

use crate::verbs::{Options, administer, carry_out, moment_of_ms, phone};
use runtime_host::admin::{
    BeginRecovery, CheckPhrase, EndRecovery, PersonStatus, RecoveryBegun, ShowUnsigned, SignByPhrase,
};
use runtime_program::{Failure, console, typed};

/// Connects as the phone, which unlocks the store, since only the phone's key opens its slot.
pub(super) fn unlocking(person: String, state: &Path) -> Result<PersonStatus, Failure> {
    phone::unlock(state)?;
    Ok(PersonStatus { person })
}

/// Opens the slot of the phrase in this process: the words themselves never reach the host.
pub(super) fn recovering(person: String, options: &Options) -> Result<EndRecovery, Failure> {
    let begun = administer(options, BeginRecovery { person: person.clone() })?;
    if let Some(from_ms) = begun.from_ms {
        let what = format!("devices are active: the phrase opens the data from {} on", moment_of_ms(from_ms));
        return Err(Failure::new(
            what,
            "connect with one of them, or try again then; a revocation here makes it no shorter",
        ));
    }
    let phrase = read_phrase()?;
    let unreadable = || Failure::new("the host's slot cannot be read", "look into the host's log");
    let (slot, user) = slot_of(&begun).ok_or_else(unreadable)?;
    let key = slot.open(&phrase.wrap_key(), &user.0);
    let key = key
        .map_err(|error| Failure::of(&error, "the phrase belongs to another store, or to an older backup"))?;
    Ok(EndRecovery { person, generation: slot.generation(), key })
}

/// Computes the public half of a phrase in this process, and asks whether it is the one of the person's store.
pub(super) fn checking(person: String) -> Result<CheckPhrase, Failure> {
    let phrase = read_phrase()?.wrap_key().public();
    Ok(CheckPhrase { person, phrase })
}

fn read_phrase() -> Result<Phrase, Failure> {
    let words = typed::read_words(&mut std::io::stdin().lock(), PHRASE_WORDS)
        .map_err(|error| Failure::of(&error, "give the words on standard input"))?;
    Phrase::parse(&words).map_err(|error| Failure::of(&error, "type the 24 words in their order"))
}

/// Signs in this process what waits for a signature, after it was shown.
pub(super) fn approving(person: &str, options: &Options) -> Result<(), Failure> {
    let shown = administer(options, ShowUnsigned { person: person.to_owned() })?;
    let Some(roster) = shown.roster else {
        return Err(Failure::new("nothing waits for a signature", "pair a phone first, with `cellar pair`"));
    };
    if !options.json {
        console::line("The recovery phrase signs that:")?;
        shown.changes.iter().try_for_each(|change| console::line(format!("  {change}")))?;
        console::line("Type the 24 words to sign, or nothing.")?;
    }
    let signed = Signed::by_phrase(roster, &read_phrase()?, &SystemRandom::new());
    let signed = signed.map_err(|error| Failure::of(&error, "try again"))?;
    carry_out(options, SignByPhrase { person: person.to_owned(), signed: Box::new(signed) }, |signed| {
        format!("signed; version {} is in force", signed.version)
    })
}

fn slot_of(begun: &RecoveryBegun) -> Option<(Slot, UserId)> {
    let bytes = BASE64URL_NOPAD.decode(begun.slot.as_deref()?.as_bytes()).ok()?;
    Some((Slot::parse(&bytes).ok()?, begun.id.parse().ok()?))
}
