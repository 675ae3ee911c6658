//! `POST /.upc/v1/session`: what a device may reach for the next hours, and the state of the store.

use super::{Check, RosterState, is_word, require_valid};
use crate::body::{BODY_BYTES_MAX, INTEGER_MAX, object_or_none};
use crate::device::{Admitted, Device, DeviceTable, Scope, Scopes, granted_path, is_cell_name};
use crate::encoding::{Digest32, Label, Pin, SessionId, base64url};
use crate::error::Code;
use crate::keys::{Head, SLOT_BYTES};
use crate::pairing::NEXT_PINS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of these bodies.
pub const VERSION: u32 = 1;
/// Longest life of a grant in seconds.
pub const GRANT_TTL_S_MAX: u32 = 86_400;
/// Most cells of a grant.
pub const CELLS_MAX: usize = 64;
/// Most scopes that a phone may ask for.
pub const WANT_MAX: usize = 32;
/// Most paths that one cell of a grant answers.
pub const ANSWERS_MAX: usize = 16;
const PATH_BYTES_MAX: usize = 128;
const VERSIONS_MAX: usize = 8;
const WORD_BYTES_MAX: usize = 64;

/// The state of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreState {
    /// The runtime has no data key.
    Locked,
    /// The runtime has the data key.
    Unlocked,
    /// There is no store yet.
    Absent,
}

/// [`SLOT_BYTES`] bytes that only the device's own hardware opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotBytes(#[serde(with = "base64url")] pub [u8; SLOT_BYTES]);

/// A phone's request for a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRequest {
    /// Versions of these bodies that the phone reads, 1 to 8.
    pub v: Vec<u32>,
    /// Scopes, at most 32 of 1 to 64 bytes; unknown ones are ignored. An empty list gives no scopes.
    #[serde(default)]
    pub want: Vec<String>,
    /// The newest head that the phone has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_head: Option<Head>,
    /// Name and version of the app, 1 to 64 bytes; for the owner's log.
    pub client: String,
}

impl Check for SessionRequest {
    fn check(&self) -> Result<(), Code> {
        require_valid((1..=VERSIONS_MAX).contains(&self.v.len()) && self.want.len() <= WANT_MAX)?;
        require_valid(self.want.iter().all(|scope| is_word(scope, WORD_BYTES_MAX)))?;
        require_valid(is_word(&self.client, WORD_BYTES_MAX))?;
        require_valid(self.last_head.is_none_or(|head| head.seq <= INTEGER_MAX))?;
        if self.v.contains(&VERSION) { Ok(()) } else { Err(Code::VersionRetired) }
    }
}

/// The limits of a runtime for every device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest body of a request to a cell in bytes.
    #[serde(rename = "body")]
    pub body_bytes_max: u64,
    /// Requests a second.
    #[serde(rename = "rps")]
    pub requests_per_s_max: u32,
}

/// One cell of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedCell {
    /// See [`is_cell_name`].
    pub name: String,
    /// 1 to 64 printable characters of ASCII.
    pub version: String,
    /// SHA-256 of its WebAssembly.
    pub digest: Digest32,
    /// See [`granted_path`].
    pub path: String,
    /// At least one: the scopes that device, request and cell have in common.
    pub scopes: Scopes,
    /// The paths of the API that this cell answers, as far as the scopes allow, at most [`ANSWERS_MAX`] such as
    /// `usercache/put`: a phone finds the cell of a path by them. A request's path may continue after such a path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
}

/// The answer to the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// [`VERSION`].
    pub v: u32,
    /// For logs on both sides.
    pub session: SessionId,
    /// Seconds from now, at most [`GRANT_TTL_S_MAX`].
    #[serde(rename = "ttl")]
    pub ttl_s: u32,
    /// At most [`CELLS_MAX`].
    pub cells: Vec<GrantedCell>,
    /// The state of the store.
    pub store: StoreState,
    /// This device's slot, where the store is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotBytes>,
    /// The head of the store's chain; a locked store need not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// What the owner's devices signed last; `None`: a runtime that knows no rosters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "object_or_none")]
    pub roster: Option<RosterState>,
    /// The label to use from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_label: Option<Label>,
    /// Keys that the runtime may change to, at most [`NEXT_PINS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_pins: Vec<Pin>,
    /// The runtime's clock in milliseconds since 1970. Only for display; no decision of the phone depends on it.
    #[serde(rename = "now")]
    pub now_ms: u64,
    /// The runtime's limits for a device.
    pub limits: Limits,
}

impl Check for Grant {
    fn check(&self) -> Result<(), Code> {
        let names: BTreeSet<&str> = self.cells.iter().map(|cell| cell.name.as_str()).collect();
        require_valid(self.cells.len() <= CELLS_MAX && names.len() == self.cells.len())?;
        require_valid(self.cells.iter().all(GrantedCell::is_sound))?;
        require_valid(self.ttl_s <= GRANT_TTL_S_MAX && self.next_pins.len() <= NEXT_PINS_MAX)?;
        require_valid(self.slot.is_none() || self.store == StoreState::Locked)?;
        require_valid(self.head.is_none_or(|head| head.seq <= INTEGER_MAX))?;
        require_valid(self.roster.is_none_or(|roster| roster.is_sound()))?;
        if self.v == VERSION { Ok(()) } else { Err(Code::VersionRetired) }
    }
}

impl GrantedCell {
    fn is_sound(&self) -> bool {
        let named = is_cell_name(&self.name) && is_word(&self.version, WORD_BYTES_MAX);
        let paths = &self.answers;
        let answers = paths.len() <= ANSWERS_MAX && paths.iter().all(|path| is_word(path, PATH_BYTES_MAX));
        named && answers && !self.scopes.is_empty() && self.path == granted_path(&self.name, &self.digest)
    }
}

/// A cell that a runtime has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellOffer {
    /// See [`is_cell_name`]; no two cells have the same name.
    pub name: String,
    /// 1 to 64 printable characters of ASCII.
    pub version: String,
    /// SHA-256 of its WebAssembly.
    pub digest: Digest32,
    /// The paths of the API that it answers, each with the scope that a caller needs.
    pub answers: Vec<(String, Scope)>,
}

/// The facts of a runtime from which a grant is made.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Drawn at random.
    pub session: SessionId,
    /// Every cell that answers requests.
    pub cells: &'a [CellOffer],
    /// The state of the store.
    pub store: StoreState,
    /// This device's slot, if it has one; sent only where the store is locked.
    pub slot: Option<SlotBytes>,
    /// The head of the store's chain, if it is known.
    pub head: Option<Head>,
    /// What the owner's devices signed last.
    pub roster: Option<RosterState>,
    /// Keys that the runtime may change to, at most [`NEXT_PINS_MAX`].
    pub next_pins: &'a [Pin],
    /// Now.
    pub now_ms: u64,
    /// The requested life of the grant; at most [`GRANT_TTL_S_MAX`] is granted.
    pub ttl_s: u32,
    /// The runtime's limits for a device.
    pub limits: Limits,
}

/// Why there is no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadGrant {
    /// The phone receives this code.
    #[error(transparent)]
    Refused(#[from] Code),
    /// The store is open and its head is not known: a phone would assume a roll-back.
    #[error("an open store names no head")]
    HeadMissing,
    /// More cells or pins than a grant may have, two cells of one name, or an invalid name.
    #[error("what is offered makes no grant that a phone would take")]
    Offer,
    /// The grant would be longer than a body may be.
    #[error("a grant of {bytes} bytes is over the limit of {BODY_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// Opens a session: makes the grant and records its paths at the device, so store the table before the grant is sent.
/// The grant contains an announced label of the device.
///
/// # Errors
/// [`BadGrant::Refused`] with [`Code::DeviceUnknown`] where the device is no longer admitted, with [`Code::RolledBack`]
/// where the phone has seen a newer head than the store has, and with the code of [`SessionRequest::check`]; the others
/// where the runtime's offer breaks a limit.
pub fn open(
    table: &mut DeviceTable,
    admitted: &Admitted,
    request: &SessionRequest,
    offer: &Offer<'_>,
) -> Result<Grant, BadGrant> {
    request.check()?;
    if !table.still_admitted(admitted) {
        return Err(Code::DeviceUnknown.into());
    }
    let device = table.get(admitted.device()).ok_or(Code::DeviceUnknown)?;
    let grant = build(device, request, offer)?;
    let paths: Vec<String> = grant.cells.iter().map(|cell| cell.path.clone()).collect();
    let until_ms = offer.now_ms.saturating_add(u64::from(grant.ttl_s) * 1_000);
    table.grant_paths(admitted.device(), &paths, until_ms, offer.now_ms);
    Ok(grant)
}

fn build(device: &Device, request: &SessionRequest, offer: &Offer<'_>) -> Result<Grant, BadGrant> {
    if let (Some(seen), Some(head)) = (request.last_head, offer.head)
        && !head.follows(seen)
    {
        return Err(Code::RolledBack.into());
    }
    if offer.store == StoreState::Unlocked && offer.head.is_none() {
        return Err(BadGrant::HeadMissing);
    }
    let may = device.scopes().and(Scopes::known(&request.want));
    let granted = |cell: &CellOffer| {
        let answers = || cell.answers.iter().filter(|(_, scope)| may.has(*scope));
        GrantedCell {
            name: cell.name.clone(),
            version: cell.version.clone(),
            digest: cell.digest,
            path: granted_path(&cell.name, &cell.digest),
            scopes: answers().map(|(_, scope)| *scope).collect(),
            answers: answers().map(|(path, _)| path.clone()).collect(),
        }
    };
    let grant = Grant {
        v: VERSION,
        session: offer.session,
        ttl_s: offer.ttl_s.min(GRANT_TTL_S_MAX),
        cells: offer.cells.iter().map(granted).filter(|cell| !cell.scopes.is_empty()).collect(),
        store: offer.store,
        slot: offer.slot.filter(|_| offer.store == StoreState::Locked),
        head: offer.head,
        roster: offer.roster,
        next_label: device.labels().and_then(|labels| labels.next),
        next_pins: offer.next_pins.to_vec(),
        now_ms: offer.now_ms,
        limits: offer.limits,
    };
    grant.check().map_err(|_| BadGrant::Offer)?;
    let bytes = serde_json::to_vec(&grant).map_or(usize::MAX, |text| text.len());
    if bytes > BODY_BYTES_MAX { Err(BadGrant::TooLarge { bytes }) } else { Ok(grant) }
}
