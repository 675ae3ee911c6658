//! `cellar device`: which phones may connect.

use super::{Options, Who, carry_out, moment_of_ms};
use runtime_host::admin::{AnswerPairing, ListDevices, RelabelDevice, RenameDevice, RevokeDevice};
use runtime_program::Failure;
use runtime_program::typed::quoted;
use runtime_user::DeviceSummary;

/// The commands about devices.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List a person's devices, revoked ones included
    #[command(after_help = "Example:\n  cellar device list Ada")]
    List(Who),
    /// Admit the phone that waits, after its digits were compared
    #[command(after_help = "Example:\n  cellar device approve Ada 482913")]
    Approve {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The six digits that the phone shows
        digits: String,
    },
    /// Rename a device
    #[command(after_help = "Example:\n  cellar device rename Ada 'Pixel 9' 'old phone'")]
    Rename {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Its id, the first digits of the id, or its name
        device: String,
        /// The new name
        name: String,
    },
    /// Revoke a device, at once and for ever; the data key is changed
    #[command(after_help = "Example:\n  cellar device revoke Ada 'old phone'")]
    Revoke {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Its id, the first digits of the id, or its name
        device: String,
    },
    /// Give a device a new label, its name on the wire, which it learns at its next contact
    #[command(after_help = "Example:\n  cellar device relabel Ada 'Pixel 9'")]
    Relabel {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Its id, the first digits of the id, or its name
        device: String,
    },
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::List(who) => {
            let person = who.name();
            carry_out(options, ListDevices { person: person.clone() }, |devices| tell_list(devices, &person))
        }
        Verb::Approve { who, digits } => {
            let ask = AnswerPairing { person: who.name(), digits: Some(digits) };
            carry_out(options, ask, |answered| {
                format!("{} is let in", answered.name.as_deref().unwrap_or("the phone"))
            })
        }
        Verb::Rename { who, device, name } => {
            let ask = RenameDevice { person: who.name(), device, name };
            carry_out(options, ask, |renamed| format!("it is called {} now", renamed.name))
        }
        Verb::Revoke { who, device } => {
            carry_out(options, RevokeDevice { person: who.name(), device }, |revoked| {
                format!(
                    "{} is shut out. Who had it and a copy of the disk can still read what was written before.",
                    revoked.device
                )
            })
        }
        Verb::Relabel { who, device } => {
            let ask = RelabelDevice { person: who.name(), device };
            carry_out(options, ask, |_| "it learns its new name at its next contact".to_owned())
        }
    }
}

fn tell_list(devices: &[DeviceSummary], person: &str) -> String {
    let line = |device: &DeviceSummary| {
        format!(
            "{}  {:20} {:8} {:8} since {}, last here {}",
            device.id.get(..12).unwrap_or(&device.id),
            device.name,
            device.platform,
            device.status,
            moment_of_ms(device.enrolled_ms),
            moment_of_ms(device.last_seen_ms)
        )
    };
    match devices {
        [] => format!("no devices: `cellar pair {}` adds one", quoted(person.trim())),
        devices => devices.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}
