//! A person's receivers: devices that report with an app from the shops.

mod links;

pub use links::tracker_link;

use handshake::receiver::PathSecret;
use jiff::tz::TimeZone;
use runtime_program::{Failure, typed};
use runtime_user::Receiver;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::{SET_ADDRESS, logged, of_people};
use crate::http::receivers::FIRST;
use crate::http::service::epoch_ms;

/// An app from the shops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackerApp {
    /// OwnTracks, Android and iOS.
    OwnTracks,
    /// Overland, iOS.
    Overland,
    /// Traccar Client, Android and iOS; also OsmAnd and what speaks its protocol.
    Traccar,
    /// GPSLogger, Android.
    GpsLogger,
}

impl TrackerApp {
    /// Every app.
    pub const ALL: [Self; 4] = [Self::OwnTracks, Self::Overland, Self::Traccar, Self::GpsLogger];

    /// Its name in paths, records and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnTracks => "owntracks",
            Self::Overland => "overland",
            Self::Traccar => "traccar",
            Self::GpsLogger => "gpslogger",
        }
    }
}

/// Adds a receiver for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddReceiver {
    /// The person, by name or id.
    pub person: String,
    /// The app.
    pub app: TrackerApp,
    /// The owner's name for the device; none: the app's name.
    pub name: Option<String>,
    /// The time zone of what the device sends, such as `Europe/Berlin`; none: by the longitude of each point.
    pub time_zone: Option<String>,
    /// Where the app reaches the host, such as `https://trackers.example`: an address of the operator's proxy; none: the
    /// host's own address.
    pub base: Option<String>,
}

/// The answer to [`AddReceiver`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ReceiverAdded {
    /// The person's id.
    pub id: String,
    /// The receiver's id.
    pub receiver: String,
    /// The app.
    pub app: TrackerApp,
    /// The owner's name for the device.
    pub name: String,
    /// The address to which the app sends. A secret, which is shown only once.
    pub address: String,
    /// What sets the app up when it is opened or scanned. It contains the address.
    pub link: String,
    /// A file of settings that sets the app up, too, where the app takes one: GPSLogger's `.properties`. It contains the
    /// address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Whether the receiver is refused until one of the person's phones has signed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

impl Ask for AddReceiver {
    type Answer = ReceiverAdded;

    fn answer(self, context: &Context<'_>) -> Result<ReceiverAdded, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let base =
            self.base.as_deref().map_or_else(|| own_base(&context.phone_address.address), given_base)?;
        let zone = self.time_zone.as_deref().map(zone).transpose()?;
        let name = typed::trimmed(self.name.as_deref().unwrap_or(self.app.name())).to_owned();
        let added =
            runtime.people().add_receiver(user, (self.app.name(), &name), zone.as_deref(), epoch_ms());
        let (secret, receiver) = added.map_err(|error| Failure::of(&error, of_people(&error)))?;
        // It is made; where nobody can sign for it, the host notes it in the store.
        runtime.owners().vouch_unsigned(user).map_err(logged)?;
        let waits = runtime.owners().needs_signature(user).map_err(logged)?;
        let address = address(&base, &secret);
        let link = tracker_link(self.app, &address, &name);
        let settings = links::settings(self.app, &link);
        let (id, receiver) = (user.dashed(), receiver.id());
        Ok(ReceiverAdded { id, receiver, app: self.app, name, address, link, settings, waits })
    }
}

fn address(base: &str, secret: &PathSecret) -> String {
    format!("{base}/{FIRST}/{}", secret.reveal().as_str())
}

/// The base of the host's own address.
fn own_base(address: &str) -> Result<String, Failure> {
    let told = typed::address(address).filter(|(_, port)| *port != 0);
    let (host, port) =
        told.ok_or_else(|| Failure::new(format!("apps cannot be told the address {address}"), SET_ADDRESS))?;
    let host = host.to_ascii_lowercase();
    Ok(if port == 443 { format!("https://{host}") } else { format!("https://{host}:{port}") })
}

/// A base that the owner gives: a scheme, a host, and perhaps a port and a path.
fn given_base(base: &str) -> Result<String, Failure> {
    let base = typed::trimmed(base).trim_end_matches('/');
    let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    let plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>' | b'%');
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => Ok(base.to_owned()),
        _ => Err(Failure::new(
            format!("{base} is no address that an app could send to"),
            "give one such as https://trackers.example",
        )),
    }
}

fn zone(name: &str) -> Result<String, Failure> {
    let name = typed::trimmed(name);
    let known = TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name));
    if known {
        return Ok(name.to_owned());
    }
    Err(Failure::new(format!("there is no time zone {name}"), "give one such as Europe/Berlin"))
}

/// Lists a person's receivers, revoked ones included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListReceivers {
    /// The person, by name or id.
    pub person: String,
}

/// A receiver as it is shown to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverSummary {
    /// Its id, which stands in the entries that it brings.
    pub receiver: String,
    /// The app.
    pub app: String,
    /// The owner's name for it.
    pub name: String,
    /// The time zone of what it sends; none: by the longitude.
    pub time_zone: Option<String>,
    /// `waiting`: for the first point; `active`; `unsigned`: for the signature of a device; `revoked`.
    pub status: String,
    /// When it was added, ms since 1970.
    pub added_ms: u64,
    /// Its first contact, ms since 1970; none: it waits for it, or came before this was noted.
    pub first_seen_ms: Option<u64>,
    /// Its last contact, to the day, ms since 1970.
    pub last_seen_ms: Option<u64>,
}

impl Ask for ListReceivers {
    type Answer = Vec<ReceiverSummary>;

    fn answer(self, context: &Context<'_>) -> Result<Vec<ReceiverSummary>, Failure> {
        let user = context.find(&self.person)?;
        let all = context.runtime.people().receivers(user);
        let all = all.map_err(|error| Failure::of(&error, of_people(&error)))?;
        let signed = |receiver: &Receiver| {
            receiver
                .hash()
                .is_some_and(|hash| context.runtime.owners().is_signed_for(user, hash).unwrap_or(false))
        };
        let summary = |receiver: Receiver| {
            let status = match &receiver {
                Receiver { revoked_ms: Some(_), .. } => "revoked",
                receiver if !signed(receiver) => "unsigned",
                Receiver { last_seen_ms: None, .. } => "waiting",
                _ => "active",
            };
            let (id, status) = (receiver.id(), status.to_owned());
            let Receiver { app, name, time_zone, added_ms, first_seen_ms, last_seen_ms, .. } = receiver;
            ReceiverSummary {
                receiver: id,
                app,
                name,
                time_zone,
                status,
                added_ms,
                first_seen_ms,
                last_seen_ms,
            }
        };
        Ok(all.into_iter().map(summary).collect())
    }
}

/// Revokes a receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeReceiver {
    /// The person, by name or id.
    pub person: String,
    /// The receiver: its id, the first digits of the id, or its name.
    pub receiver: String,
}

/// The answer to [`RevokeReceiver`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverRevoked {
    /// The receiver's id.
    pub receiver: String,
    /// Always true: it is revoked.
    pub revoked: bool,
}

impl Ask for RevokeReceiver {
    type Answer = ReceiverRevoked;

    fn answer(self, context: &Context<'_>) -> Result<ReceiverRevoked, Failure> {
        let wanted = typed::trimmed(&self.receiver);
        let user = context.find(&self.person)?;
        let people = context.runtime.people();
        let failed = |error: runtime_user::people::PeopleError| Failure::of(&error, of_people(&error));
        let all = people.receivers(user).map_err(failed)?;
        let see =
            format!("`cellar receiver list {}` shows them", typed::quoted(typed::trimmed(&self.person)));
        let id = find(&all, wanted).map_err(|found| match found {
            0 => Failure::new(format!("there is no receiver {wanted}"), see),
            _ => Failure::new(format!("{found} receivers fit {wanted}"), "use the whole id"),
        })?;
        people.revoke_receiver(user, &id, epoch_ms()).map_err(failed)?;
        context.runtime.owners().vouch_unsigned(user).map_err(logged)?;
        Ok(ReceiverRevoked { receiver: id, revoked: true })
    }
}

/// The id of the one receiver that fits an id, the first digits of one, or a name; otherwise how many fit.
fn find(all: &[Receiver], wanted: &str) -> Result<String, usize> {
    const PREFIX: &str = "receiver-";
    let digits = wanted.strip_prefix(PREFIX).unwrap_or(wanted).to_lowercase();
    let whole = format!("{PREFIX}{digits}");
    let is_whole_id = all.iter().any(|receiver| receiver.id() == whole);
    // Any receiver can have any name, also the id of another one.
    let fits = |receiver: &&Receiver| match is_whole_id {
        true => receiver.id() == whole,
        false => {
            let in_use = receiver.revoked_ms.is_none() && receiver.name == wanted;
            in_use || (digits.len() >= 4 && receiver.id().starts_with(&whole))
        }
    };
    let found: Vec<String> = all.iter().filter(fits).map(Receiver::id).collect();
    match &found[..] {
        [one] => Ok(one.clone()),
        found => Err(found.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_an_address_of_the_web_and_a_default_port_is_left_out() {
        let own = |address: &str| own_base(address).ok();
        assert_eq!(own("Host.example:443").as_deref(), Some("https://host.example"));
        assert_eq!(own("192.0.2.1:8443").as_deref(), Some("https://192.0.2.1:8443"));
        assert_eq!((own(""), own("127.0.0.1:0")), (None, None));
        let given = |base: &str| given_base(base).ok();
        assert_eq!(given(" https://t.example/a/ ").as_deref(), Some("https://t.example/a"));
        assert_eq!(given("http://192.168.1.5:8080").as_deref(), Some("http://192.168.1.5:8080"));
        for bad in
            ["", "t.example", "ftp://t.example", "https://", "https://a b", "https://a?x=1", "https://a#b"]
        {
            assert_eq!(given(bad), None, "{bad}");
        }
        assert!(zone("Europe/Berlin").is_ok() && zone("UTC").is_ok());
        assert!(zone("Berlin").is_err() && zone("+01:00").is_err());
    }
}
