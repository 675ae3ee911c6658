//! What owners ask of their host's console: pairing windows, devices, locks, the recovery phrase.
//!
//! The console is where an owner proves to be there: whoever can use the host's control socket may do all of this.

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::{DeviceId, WindowId, WrapPub};
use handshake::pairing::WindowState;
use handshake::secret::Secret;
use runtime_user::{KeyMode, LockState, OwnerError, Runtime, UserId, WindowWish};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{Door, find};
use crate::http::service::{epoch_ms, now};
use runtime_program::Failure;
use runtime_program::typed;

/// One command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OwnerCommand {
    /// Opens a pairing window.
    PairOpen {
        /// Whose.
        user: String,
        /// How long it waits, ms; none: five minutes.
        lifetime_ms: Option<u64>,
        /// Whether a code may be typed.
        typed: bool,
        /// Whether the device may list the others, and lock.
        admin: bool,
        /// The public half of a recovery phrase that its owner has written down.
        recovery: Option<WrapPub>,
    },
    /// Whether a pairing window could be opened: before anything secret is made or shown.
    PairCheck {
        /// Whose.
        user: String,
        /// How long it would wait, ms; none: five minutes.
        lifetime_ms: Option<u64>,
        /// Whether a code may be typed.
        typed: bool,
    },
    /// How the pairing stands.
    PairStatus {
        /// Whose.
        user: String,
    },
    /// The owner's word on whoever waits.
    PairAnswer {
        /// Whose.
        user: String,
        /// The digits that the phone shows, for letting it in; none: it is rejected.
        digits: Option<String>,
    },
    /// The devices.
    DeviceList {
        /// Whose.
        user: String,
    },
    /// Calls a device something else.
    DeviceRename {
        /// Whose.
        user: String,
        /// Which, by id, the beginning of one, or name.
        device: String,
        /// What to call it.
        name: String,
    },
    /// Shuts a device out.
    DeviceRevoke {
        /// Whose.
        user: String,
        /// Which.
        device: String,
    },
    /// Gives a device another name on the wire.
    DeviceRelabel {
        /// Whose.
        user: String,
        /// Which.
        device: String,
    },
    /// Whether the store is open, who can open it, and what waits.
    Status {
        /// Whose.
        user: String,
    },
    /// Closes the store and wipes its key.
    Lock {
        /// Whose.
        user: String,
    },
    /// Changes who can open the store.
    Keys {
        /// Whose.
        user: String,
        /// To which mode.
        mode: KeyMode,
    },
    /// What the recovery phrase is to open.
    RecoverBegin {
        /// Whose.
        user: String,
    },
    /// Opens the store with what the phrase gave.
    RecoverEnd {
        /// Whose.
        user: String,
        /// Which of the person's keys.
        generation: u32,
        /// The key.
        key: Secret<32>,
    },
}

impl OwnerCommand {
    /// Whether it means something only while a host runs.
    pub fn needs_host(&self) -> bool {
        matches!(
            self,
            Self::PairOpen { .. }
                | Self::PairCheck { .. }
                | Self::PairStatus { .. }
                | Self::PairAnswer { .. }
                | Self::Lock { .. }
                | Self::RecoverEnd { .. }
        )
    }
}

fn remedy(error: &OwnerError) -> &'static str {
    match error {
        OwnerError::Call(runtime_user::CallError::Locked) => {
            "connect with a paired phone first, or use `cellar user recover`"
        }
        OwnerError::Window(_) => "wait until it is over, or reject it with `cellar pair --cancel`",
        OwnerError::Change(_) => "revoke a device that is not used any more, with `cellar device revoke`",
        OwnerError::Unattended => "`cellar user keys --mode lease` takes the host's key away",
        OwnerError::NoOpener => "pair a phone first, with `cellar pair`",
        OwnerError::Address(_) => "set public_address to a name or an IPv4 address, and its port",
        OwnerError::Missing { .. } => {
            "put it back from where you keep it: another one would shut those phones out"
        }
        OwnerError::NoPhrase => "a phrase is made when the first phone is paired",
        OwnerError::WrongKey => "the phrase belongs to another store, or to an older backup",
        OwnerError::Wait { .. } => "try again then, or connect with one of the devices",
        _ => "look into the host's log, and try again",
    }
}

fn failed(error: OwnerError) -> Failure {
    Failure::of(&error, remedy(&error))
}

/// Does one command. Blocks on the disk.
pub(super) fn execute(runtime: &Runtime, door: &Door, command: OwnerCommand) -> Result<Value, Failure> {
    let now_ms = runtime.clocks().lasting_ms();
    match command {
        OwnerCommand::PairOpen { user, lifetime_ms, typed, admin, recovery } => {
            let user = find(runtime, &user)?;
            let (host, port) = door.host_and_port()?;
            // A code that nobody has used gives way to the next.
            let open = runtime.pairing().status(user, now_ms).map_err(failed)?;
            if let Some(open) = open.filter(|open| open.state == WindowState::Open) {
                runtime.pairing().answer(user, open.window, false, now_ms).map_err(failed)?;
            }
            let wish = WindowWish { host, port, lifetime_ms, typed, admin, recovery };
            let invitation = runtime.pairing().open(user, wish, now_ms).map_err(failed)?;
            Ok(json!({
                "id": user.dashed(),
                "window": invitation.window,
                "qr": invitation.qr.as_str(),
                "code": invitation.typed.as_ref().map(|code| code.as_str()),
                "address": door.address,
                "until_ms": runtime.clocks().shown_ms(invitation.until_ms),
            }))
        }
        OwnerCommand::PairCheck { user, lifetime_ms, typed } => {
            let user = find(runtime, &user)?;
            let (host, port) = door.host_and_port()?;
            let wish = WindowWish { host, port, lifetime_ms, typed, admin: false, recovery: None };
            runtime.pairing().check(user, &wish, now_ms).map_err(failed)?;
            Ok(json!({ "id": user.dashed(), "address": door.address }))
        }
        OwnerCommand::PairStatus { user } => {
            let status = runtime.pairing().status(find(runtime, &user)?, now_ms).map_err(failed)?;
            Ok(json!(status))
        }
        OwnerCommand::PairAnswer { user, digits } => {
            answer(runtime, find(runtime, &user)?, digits.as_deref(), now_ms)
        }
        OwnerCommand::DeviceList { user } => {
            Ok(json!(runtime.devices().list(find(runtime, &user)?).map_err(failed)?))
        }
        OwnerCommand::DeviceRename { user, device, name } => {
            let user = find(runtime, &user)?;
            let device = find_device(runtime, user, &device)?;
            let name = typed::trimmed(&name);
            runtime.devices().rename(user, device, name).map_err(failed)?;
            Ok(json!({ "device": device.to_string(), "name": name }))
        }
        OwnerCommand::DeviceRevoke { user, device } => {
            let user = find(runtime, &user)?;
            let device = find_device(runtime, user, &device)?;
            runtime.devices().revoke(user, device, epoch_ms()).map_err(failed)?;
            Ok(json!({ "device": device.to_string(), "revoked": true }))
        }
        OwnerCommand::DeviceRelabel { user, device } => {
            let user = find(runtime, &user)?;
            let device = find_device(runtime, user, &device)?;
            runtime.devices().rotate_label(user, device).map_err(failed)?;
            Ok(json!({ "device": device.to_string(), "announced": true }))
        }
        OwnerCommand::Status { user } => status(runtime, find(runtime, &user)?),
        OwnerCommand::Lock { user } => {
            let user = find(runtime, &user)?;
            runtime.locks().lock(user).map_err(failed)?;
            status(runtime, user)
        }
        OwnerCommand::Keys { user, mode } => {
            let user = find(runtime, &user)?;
            runtime.locks().set_mode(user, mode).map_err(failed)?;
            status(runtime, user)
        }
        OwnerCommand::RecoverBegin { user } => {
            let user = find(runtime, &user)?;
            let recovery = runtime.owners().begin_recovery(user, now_ms).map_err(failed)?;
            // Before its time the phrase opens nothing: there is nothing to open.
            let slot = recovery.from_ms.is_none().then(|| BASE64URL_NOPAD.encode(recovery.slot.as_bytes()));
            let from_ms = recovery.from_ms.map(|from_ms| runtime.clocks().shown_ms(from_ms));
            Ok(json!({ "id": user.to_string(), "slot": slot, "from_ms": from_ms }))
        }
        OwnerCommand::RecoverEnd { user, generation, key } => {
            let user = find(runtime, &user)?;
            runtime.end_recovery(user, generation, *key.expose(), now_ms).map_err(failed)?;
            status(runtime, user)
        }
    }
}

fn answer(runtime: &Runtime, user: UserId, digits: Option<&str>, now_ms: u64) -> Result<Value, Failure> {
    let status = runtime.pairing().status(user, now_ms).map_err(failed)?;
    let nobody = || Failure::new("no pairing is under way", "`cellar pair` begins one");
    let status = status.ok_or_else(nobody)?;
    let window: WindowId = status.window;
    let Some(digits) = digits else {
        runtime.pairing().answer(user, window, false, now_ms).map_err(failed)?;
        return Ok(json!({ "window": window, "approved": false }));
    };
    let claim = status.claim.filter(|_| status.state == WindowState::Claimed);
    let claim = claim.ok_or_else(|| Failure::new("no phone waits for approval", "scan or type the code"))?;
    if typed::digits(digits) != claim.digits {
        let remedy =
            "let nobody in: somebody may stand between the phone and this host; `cellar pair --cancel`";
        return Err(Failure::new("the digits are not the phone's", remedy));
    }
    runtime.pairing().answer(user, window, true, now_ms).map_err(failed)?;
    Ok(json!({ "window": window, "approved": true, "name": claim.name }))
}

/// The device with that id, that beginning of an id, or that name.
fn find_device(runtime: &Runtime, user: UserId, wanted: &str) -> Result<DeviceId, Failure> {
    let wanted = typed::trimmed(wanted);
    let devices = runtime.devices().list(user).map_err(failed)?;
    let fits = |device: &&runtime_user::DeviceSummary| {
        device.name == wanted || (wanted.len() >= 4 && device.id.starts_with(&wanted.to_lowercase()))
    };
    let mut found = devices.iter().filter(fits);
    let see = "`cellar device list` shows them";
    match (found.next(), found.next()) {
        (Some(device), None) => {
            let bytes = data_encoding::HEXLOWER.decode(device.id.as_bytes()).unwrap_or_default();
            DeviceId::try_from(bytes.as_slice()).map_err(|error| Failure::of(&error, see))
        }
        (Some(_), Some(_)) => Err(Failure::new(format!("several devices fit {wanted}"), "use the whole id")),
        _ => Err(Failure::new(format!("there is no device {wanted}"), see)),
    }
}

fn status(runtime: &Runtime, user: UserId) -> Result<Value, Failure> {
    let state = runtime.locks().state(user).map_err(|error| failed(OwnerError::Call(error)))?;
    let (word, until_ms) = match state {
        LockState::Absent => ("absent", None),
        LockState::Locked => ("locked", None),
        LockState::Unlocked { until_ms } => ("unlocked", until_ms),
    };
    let standing = runtime.people().standing(user);
    let (count, bytes) = runtime.owners().waiting_uploads(user).map_err(failed)?;
    // What a locked or suspended person's store holds is not told; the rest of the status is.
    let open = matches!(state, LockState::Unlocked { .. });
    let set_aside =
        open.then(|| runtime.person(user).and_then(|person| person.set_aside_count()).ok()).flatten();
    let arrivals = open.then(|| runtime.diaries().arrivals(user, now()).ok()).flatten();
    Ok(json!({
        "id": user.dashed(),
        "store": word,
        "until_ms": until_ms,
        "keys": standing.map(|standing| standing.keys),
        "recovery_phrase": runtime.owners().has_recovery(user).map_err(failed)?,
        "recovery_from_ms": runtime.owners().recovery_pending(user).map(|from_ms| runtime.clocks().shown_ms(from_ms)),
        "waiting_uploads": count,
        "waiting_bytes": bytes,
        "clock_doubt": runtime.clocks().doubt(),
        "set_aside": set_aside,
        "arrivals": arrivals,
    }))
}

impl Door {
    /// The two parts of the address that phones are told.
    fn host_and_port(&self) -> Result<(String, u16), Failure> {
        let parts = typed::address(&self.address).map(|(host, port)| (host.to_ascii_lowercase(), port));
        let remedy = "set public_address to a name or an IPv4 address, and its port";
        parts.ok_or_else(|| Failure::new(format!("{} is no address for phones", self.address), remedy))
    }
}
