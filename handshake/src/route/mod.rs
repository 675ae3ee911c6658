//! Where a connection goes: decided from its hello alone, and checked again when TLS is established.
//!
//! The gateway asks [`decide`] with the table of all labels. The runtime that gets the bytes asks it again with its
//! own, so that a gateway which sends them elsewhere achieves nothing. TLS libraries accept clients that leave out
//! protocol or name, hence [`check_established`] after every handshake, full or resumed.
//!
//! * Invariants: a label or selector has one owner until that owner gives it up; nobody reaches a runtime but by a
//!   label that it registered; a client of ours never reaches the legacy front.
//! * Not here: which key a device has (see [`crate::device`]); the domain behind the label, which `runtime/host`
//!   compares where a certificate is bound to it.

mod table;
#[cfg(test)]
mod tests;

pub use table::{BadRoute, Kind, LABELS_PER_USER_MAX, Route, Routes, SELECTORS_PER_USER_MAX};

use crate::encoding::{DeviceId, Label, Selector, WindowId};
use crate::hello::{Alert, Hello};
use crate::transcript::ALPN_PAIR;
use runtime_types::UserId;
use std::fmt;

/// ALPN of a paired device's connection.
pub const ALPN_CONNECT: &[u8] = b"upc/1";
/// ALPN of a browser's connection.
pub const ALPN_WEB: &[u8] = b"http/1.1";
/// What the protocols of our own clients begin with, versions to come included.
const OURS: [&[u8]; 2] = [b"upc/", b"upc-pair/"];

/// By which name a runtime was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// 26 characters.
    Label(Label),
    /// `p-` and 4 characters, of a typed code.
    Selector(Selector),
}

impl Name {
    /// The label or selector of a server name; `None` for every other name.
    pub fn of_server_name(name: &str) -> Option<Self> {
        let label = Label::of_server_name(name).map(Self::Label);
        label.or_else(|| Selector::of_server_name(name).map(Self::Selector))
    }

    /// The label or selector that is written so, as the first part of a server name; `None` for every other text.
    pub fn parse(first: &str) -> Option<Self> {
        if first.contains('.') { None } else { Self::of_server_name(&format!("{first}.host")) }
    }
}

/// The first part of the server name.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => label.fmt(f),
            Self::Selector(selector) => f.write_str(&selector.server_label()),
        }
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A phone that pairs.
    Pair {
        /// Whose runtime.
        user: UserId,
        /// Which window.
        window: WindowId,
        /// The name that was asked for.
        name: Name,
    },
    /// A paired device.
    Native {
        /// Whose runtime.
        user: UserId,
        /// Whose label it is. Which key comes with it is seen in TLS, later.
        device: DeviceId,
        /// The name that was asked for.
        label: Label,
    },
    /// A browser.
    Web {
        /// Whose runtime.
        user: UserId,
        /// The name that was asked for.
        label: Label,
    },
    /// A phone of the older kind, whose name tells nothing of whom it belongs to.
    Legacy,
    /// Nobody: send this and close.
    Alert(Alert),
}

/// Decides where a connection goes; `legacy` says whether the front for older phones is switched on.
pub fn decide(hello: &Hello, routes: &Routes, legacy: bool) -> Decision {
    let Some(name) = hello.server_name.as_deref().and_then(Name::of_server_name) else {
        let legacy = legacy && names_nobody(hello);
        return if legacy { Decision::Legacy } else { Decision::Alert(Alert::UnrecognizedName) };
    };
    let Some(route) = routes.find(name) else {
        return Decision::Alert(Alert::UnrecognizedName);
    };
    let fits = match route.kind {
        Kind::Native(_) => fits_ours(hello, ALPN_CONNECT, OURS[0]),
        Kind::Pair(_) => fits_ours(hello, ALPN_PAIR, OURS[1]),
        Kind::Web => fits_web(hello),
    };
    match (fits, route.kind, name) {
        (Err(alert), ..) => Decision::Alert(alert),
        (Ok(()), Kind::Pair(window), name) => Decision::Pair { user: route.user, window, name },
        (Ok(()), Kind::Native(device), Name::Label(label)) => {
            Decision::Native { user: route.user, device, label }
        }
        (Ok(()), Kind::Web, Name::Label(label)) => Decision::Web { user: route.user, label },
        // A table gives a selector no other kind; if it did, nobody would be there.
        (Ok(()), Kind::Native(_) | Kind::Web, Name::Selector(_)) => Decision::Alert(Alert::UnrecognizedName),
    }
}

/// Whether a client may be one of the older kind: it names nobody, and offers no protocol of ours.
pub fn names_nobody(hello: &Hello) -> bool {
    let name = hello.server_name.as_deref().and_then(Name::of_server_name);
    name.is_none() && !hello.alpn.iter().any(|protocol| is_ours(protocol))
}

fn is_ours(protocol: &[u8]) -> bool {
    OURS.iter().any(|family| protocol.starts_with(family))
}

/// The protocol is offered, nothing of another family is, and both sides show bare keys over TLS 1.3.
fn fits_ours(hello: &Hello, protocol: &[u8], family: &[u8]) -> Result<(), Alert> {
    let offered = hello.alpn.iter().any(|offered| offered == protocol);
    if !offered || !hello.alpn.iter().all(|offered| offered.starts_with(family)) {
        return Err(Alert::NoApplicationProtocol);
    }
    if !hello.supports_tls13 {
        return Err(Alert::ProtocolVersion);
    }
    let raw_both_ways = hello.server_certificate.raw_key && hello.client_certificate.raw_key;
    if raw_both_ways { Ok(()) } else { Err(Alert::HandshakeFailure) }
}

fn fits_web(hello: &Hello) -> Result<(), Alert> {
    let offered = hello.alpn.is_empty() || hello.alpn.iter().any(|offered| offered == ALPN_WEB);
    if !offered || hello.alpn.iter().any(|protocol| is_ours(protocol)) {
        return Err(Alert::NoApplicationProtocol);
    }
    if hello.server_certificate.x509 { Ok(()) } else { Err(Alert::HandshakeFailure) }
}

/// What an established connection turned out to be, against what its hello was routed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The connection was to be closed before TLS.
    #[error("the connection was refused before tls and has none")]
    NotRouted,
    /// An older version than TLS 1.3.
    #[error("the connection has an older version than tls 1.3")]
    Version,
    /// Another name than the one that was routed, or none.
    #[error("the server name in tls is not the one that was routed")]
    ServerName,
    /// Another protocol than the one that the name is for, or none.
    #[error("the protocol of the connection is not the one that the name is for")]
    Protocol,
}

/// Compares what TLS says of an established connection with the decision that it was accepted for.
///
/// # Errors
/// [`Refusal`]: close the connection.
pub fn check_established(
    decision: Decision,
    server_name: Option<&str>,
    protocol: Option<&[u8]>,
    tls13: bool,
) -> Result<(), Refusal> {
    let name = server_name.and_then(Name::of_server_name);
    let (wanted, expected) = match decision {
        Decision::Native { label, .. } => (Name::Label(label), Some(ALPN_CONNECT)),
        Decision::Pair { name, .. } => (name, Some(ALPN_PAIR)),
        Decision::Web { label, .. } => (Name::Label(label), None),
        Decision::Legacy if name.is_some() => return Err(Refusal::ServerName),
        Decision::Legacy => return check_web_protocol(protocol),
        Decision::Alert(_) => return Err(Refusal::NotRouted),
    };
    if name != Some(wanted) {
        return Err(Refusal::ServerName);
    }
    match expected {
        None => check_web_protocol(protocol),
        Some(_) if !tls13 => Err(Refusal::Version),
        Some(_) if protocol != expected => Err(Refusal::Protocol),
        Some(_) => Ok(()),
    }
}

fn check_web_protocol(protocol: Option<&[u8]>) -> Result<(), Refusal> {
    if protocol.is_none_or(|protocol| protocol == ALPN_WEB) { Ok(()) } else { Err(Refusal::Protocol) }
}
