//! `cellar device`: which phones may connect.

use serde_json::Value;

use super::{Place, administer, moment};
use runtime_host::admin::{Command, OwnerCommand};
use runtime_program::Failure;
use runtime_program::console;

/// What to do with devices.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List a person's devices, revoked ones included
    #[command(after_help = "Example:\n  cellar device list --data ~/cellar Ada")]
    List(Whose),
    /// Let the phone in that waits, after its digits were compared
    #[command(after_help = "Example:\n  cellar device approve --data ~/cellar Ada 482913")]
    Approve {
        #[command(flatten)]
        /// Whose.
        whose: Whose,
        /// The six digits that the phone shows
        digits: String,
    },
    /// Call a device something else
    #[command(after_help = "Example:\n  cellar device rename --data ~/cellar Ada 'Pixel 9' 'old phone'")]
    Rename {
        #[command(flatten)]
        /// Whose.
        whose: Whose,
        /// Id, the beginning of one, or name
        device: String,
        /// What to call it
        name: String,
    },
    /// Shut a device out, for ever and at once; the data key is changed
    #[command(after_help = "Example:\n  cellar device revoke --data ~/cellar Ada 'old phone'")]
    Revoke {
        #[command(flatten)]
        /// Whose.
        whose: Whose,
        /// Id, the beginning of one, or name
        device: String,
    },
    /// Give a device another name on the wire, which it learns at its next contact
    #[command(after_help = "Example:\n  cellar device relabel --data ~/cellar Ada 'Pixel 9'")]
    Relabel {
        #[command(flatten)]
        /// Whose.
        whose: Whose,
        /// Id, the beginning of one, or name
        device: String,
    },
}

/// One person.
#[derive(Debug, clap::Args)]
pub struct Whose {
    #[command(flatten)]
    place: Place,
    /// Name or id
    user: String,
}

/// Whose, the command once the person is named, and how its answer is told.
type Doing = (Whose, Box<dyn FnOnce(String) -> OwnerCommand>, fn(&Value) -> String);

/// Does it.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, as_json: bool) -> Result<(), Failure> {
    let (Whose { place, user }, command, tell): Doing = match verb {
        Verb::List(whose) => (whose, Box::new(|user| OwnerCommand::DeviceList { user }), tell_list),
        Verb::Approve { whose, digits } => {
            (whose, Box::new(|user| OwnerCommand::PairAnswer { user, digits: Some(digits) }), |answer| {
                format!("{} is let in", answer["name"].as_str().unwrap_or("?"))
            })
        }
        Verb::Rename { whose, device, name } => {
            (whose, Box::new(|user| OwnerCommand::DeviceRename { user, device, name }), |answer| {
                format!("it is called {} now", answer["name"].as_str().unwrap_or("?"))
            })
        }
        Verb::Revoke { whose, device } => {
            (whose, Box::new(|user| OwnerCommand::DeviceRevoke { user, device }), |answer| {
                let device = answer["device"].as_str().unwrap_or("?");
                format!(
                    "{device} is shut out. Who had it and a copy of the disk can still read what was written before."
                )
            })
        }
        Verb::Relabel { whose, device } => {
            (whose, Box::new(|user| OwnerCommand::DeviceRelabel { user, device }), |_| {
                "it learns its new name at its next contact".to_owned()
            })
        }
    };
    let answer = administer(&place, Command::Owner(command(user)))?;
    console::line(if as_json { answer.to_string() } else { tell(&answer) })
}

fn tell_list(answer: &Value) -> String {
    let line = |device: &Value| {
        let text = |name: &str| device[name].as_str().unwrap_or("?").to_owned();
        let at = |name: &str| moment(device[name].as_f64().unwrap_or(f64::NAN) / 1e3);
        format!(
            "{}  {:20} {:8} {:8} since {}, last here {}",
            &text("id").get(..12).unwrap_or("?").to_owned(),
            text("name"),
            text("platform"),
            text("status"),
            at("enrolled_ms"),
            at("last_seen_ms")
        )
    };
    match answer.as_array().map(Vec::as_slice) {
        None | Some([]) => "no devices: `cellar pair` lets one in".to_owned(),
        Some(devices) => devices.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}
