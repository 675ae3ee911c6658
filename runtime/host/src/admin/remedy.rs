//! Failures of commands, each with its remedy.

use std::error::Error;

use runtime_program::{Failure, typed};
use runtime_user::people::PeopleError;
use runtime_user::{CallError, OwnerError};

pub(super) const SEE_LIST: &str = "`cellar user list` shows who is here";
const SEE_RECEIVERS: &str = "`cellar receiver list PERSON` shows them";
pub(super) const SEE_LOG: &str = "look into the host's log, and try again";
pub(super) const SET_ADDRESS: &str = "set public_address to a name or an IPv4 address, and its port";

/// What to do about a person whose files are damaged.
pub(super) const MEND: &str = "put the file back from a backup of the person's folder and start the host again, or erase the person; other people are served meanwhile";

/// What to do where the list of people refuses.
pub(super) fn of_people(error: &PeopleError) -> &'static str {
    match error {
        PeopleError::Damaged(_) => MEND,
        PeopleError::Disk { .. } | PeopleError::Record { .. } => SEE_LOG,
        PeopleError::BadName => "give another name",
        PeopleError::TooManyReceivers { .. } | PeopleError::NoReceiver(_) => SEE_RECEIVERS,
        _ => SEE_LIST,
    }
}

/// A failure whose details are in the host's log.
pub(super) fn logged<E: Error + 'static>(error: E) -> Failure {
    Failure::of(&error, SEE_LOG)
}

/// A failure of a request of the owner `person`, as the command named them.
pub(super) fn of_owner(person: &str) -> impl Fn(OwnerError) -> Failure + use<> {
    let person = typed::quoted(typed::trimmed(person)).into_owned();
    move |error| Failure::of(&error, remedy(&error, &person))
}

fn remedy(error: &OwnerError, person: &str) -> String {
    let remedy = match error {
        OwnerError::Call(CallError::Locked) => {
            return format!("connect with a paired phone first, or use `cellar user recover {person}`");
        }
        OwnerError::Call(CallError::Damaged(_)) => MEND,
        OwnerError::People(error) => of_people(error),
        OwnerError::Erasing => return format!("finish it with `cellar user erase {person} --yes`"),
        OwnerError::Window(_) => {
            return format!("wait until it is over, or end it with `cellar pair {person} --cancel`");
        }
        OwnerError::Change(_) => {
            return format!(
                "revoke a device that is no longer used, with `cellar device revoke {person} DEVICE`"
            );
        }
        OwnerError::Unattended => {
            return format!("`cellar user keys {person} --mode lease` takes the key away from the host");
        }
        OwnerError::NoOpener => return format!("pair a phone first, with `cellar pair {person}`"),
        OwnerError::Address(_) => SET_ADDRESS,
        OwnerError::Missing { .. } => {
            "put it back from where you keep it: another one would shut those phones out"
        }
        OwnerError::OldSlots { .. } => {
            "put the newest slots.json back; or connect with a phone that was here since the key was changed"
        }
        OwnerError::NoPhrase => "a phrase is made when the first phone is paired",
        OwnerError::WrongKey => "the phrase belongs to another store, or to an older backup",
        OwnerError::Wait { .. } => "try again then, or connect with one of the devices",
        _ => SEE_LOG,
    };
    remedy.to_owned()
}
