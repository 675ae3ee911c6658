//! The route of a connection: decided only from its hello, and checked again when TLS is established.
//!
//! The gateway calls [`decide`] with the table of all labels. The runtime that receives the bytes calls it again with
//! its own table, so that a gateway which sends them elsewhere gains nothing. TLS libraries accept clients that leave
//! out protocol or name, hence [`check_established`] after every handshake, full or resumed.
//!
//! * Invariants: a label or selector has one owner until that owner withdraws it; a runtime is reached only by a label
//!   that it registered; a client that offers a protocol of this project never reaches the legacy front.
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
/// The prefixes of this project's protocols, future versions included.
const OURS: [&[u8]; 2] = [b"upc/", b"upc-pair/"];

/// The name by which a runtime was requested.
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

    /// The label or selector in the first part of a server name; `None` for every other text.
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

/// The route of a connection, or its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A phone that pairs.
    Pair {
        /// The owner of the runtime.
        user: UserId,
        /// The window.
        window: WindowId,
        /// The requested name.
        name: Name,
    },
    /// A paired device.
    Native {
        /// The owner of the runtime.
        user: UserId,
        /// The device that the label belongs to. Its key is seen later, in TLS.
        device: DeviceId,
        /// The requested name.
        label: Label,
    },
    /// A browser.
    Web {
        /// The owner of the runtime.
        user: UserId,
        /// The requested name.
        label: Label,
    },
    /// A phone of the older kind, whose server name does not show its owner.
    Legacy,
    /// No route: send this alert and close.
    Alert(Alert),
}

/// Decides where a connection goes; `legacy` says whether the front for older phones is enabled.
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
        // A table never gives a selector another kind; if it did, the name would be unknown.
        (Ok(()), Kind::Native(_) | Kind::Web, Name::Selector(_)) => Decision::Alert(Alert::UnrecognizedName),
    }
}

/// Whether a client may be one of the older kind: it requests no label or selector, and offers no protocol of this
/// project.
pub fn names_nobody(hello: &Hello) -> bool {
    let name = hello.server_name.as_deref().and_then(Name::of_server_name);
    name.is_none() && !hello.alpn.iter().any(|protocol| is_ours(protocol))
}

fn is_ours(protocol: &[u8]) -> bool {
    OURS.iter().any(|family| protocol.starts_with(family))
}

/// Checks that the protocol is offered, that none of another family is, and that both sides use bare keys over TLS 1.3.
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

/// How an established connection differs from the decision that its hello led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The connection should have been closed before TLS.
    #[error("the connection was refused before tls and has none")]
    NotRouted,
    /// An older version than TLS 1.3.
    #[error("the connection has an older version than tls 1.3")]
    Version,
    /// Another name than the routed one, or none.
    #[error("the server name in tls is not the one that was routed")]
    ServerName,
    /// Another protocol than the one of the name, or none.
    #[error("the protocol of the connection is not the one that the name is for")]
    Protocol,
}

/// Compares what TLS reports of an established connection with the decision by which it was accepted.
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
