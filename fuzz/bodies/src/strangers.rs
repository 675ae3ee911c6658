//! What strangers send before anybody knows who they are, and what a stolen disk may have been changed to.

use std::collections::BTreeSet;

use handshake::body;
use handshake::device::DeviceTable;
use handshake::encoding::{
    DeviceId, Label, QrCode, Selector, Spki, TypedCode, WindowId, WrapPub, server_name,
};
use handshake::error;
use handshake::hello::{HELLO_BYTES_MAX, Hello, HelloReader, Progress};
use handshake::keys::{InboxKey, Slot, WrapKey};
use handshake::pairing;
use handshake::roster::{Author, Roster, Signed};
use handshake::route::{ALPN_CONNECT, Decision, Kind, Name, Route, Routes, check_established, decide};
use handshake::secret::Secret;
use handshake::session::{
    Check, DevicesReply, Empty, Grant, LockReply, RosterReply, RosterRequest, RotateRequest, SessionRequest,
    SignRequest, UnlockReply, UnlockRequest,
};
use handshake::transcript::ALPN_PAIR;
use runtime_aggregator::message::{Message, Reply, Request, length};
use runtime_package::Package;
use runtime_study::{Bounded, SignedStudy, Study};
use runtime_types::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;

const ADA: UserId = UserId([1; 16]);
const DEVICE: DeviceId = DeviceId([2; 16]);
const WINDOW: WindowId = WindowId([3; 8]);
const HOST: &str = "cellar.example";

/// The first message of a TLS client is the same however it was split, what comes behind it is not looked at, and it
/// reaches somebody only by a name that is registered, over the protocol that the name is for.
///
/// The first byte says how it is split.
pub fn client_hello(bytes: &[u8]) {
    let Some((split, bytes)) = bytes.split_first() else { return };
    let whole = fed(bytes, bytes.len());
    for size in [1, 1 + usize::from(*split), 5, 4096] {
        assert_eq!(fed(bytes, size), whole, "in pieces of {size}");
    }
    match whole {
        Progress::NeedMore => assert!(bytes.len() < HELLO_BYTES_MAX, "a caller is not listened to for ever"),
        Progress::Refused(_) => {
            assert_eq!(fed(&[bytes, b"more"].concat(), usize::MAX), whole, "a refusal is final");
        }
        Progress::Hello(hello) => routed(&hello),
    }
}

fn fed(bytes: &[u8], size: usize) -> Progress {
    let mut reader = HelloReader::new();
    let mut progress = Progress::NeedMore;
    for piece in bytes.chunks(size.clamp(1, bytes.len().max(1))) {
        progress = reader.feed(piece);
    }
    progress
}

fn routed(hello: &Hello) {
    let name = hello.server_name.as_deref().and_then(Name::of_server_name);
    for legacy in [false, true] {
        let nobody = decide(hello, &Routes::new(), legacy);
        match nobody {
            Decision::Alert(_) => {}
            Decision::Legacy => assert!(legacy && name.is_none(), "a label never leads to the front for all"),
            decision => panic!("{decision:?} without anybody there"),
        }
        for kind in [Kind::Native(DEVICE), Kind::Pair(WINDOW), Kind::Web] {
            let mut routes = Routes::new();
            let registered = match (name, kind) {
                (Some(Name::Label(label)), kind) => routes.register(label, Route { user: ADA, kind }),
                (Some(Name::Selector(selector)), Kind::Pair(window)) => {
                    routes.register_selector(selector, ADA, window)
                }
                _ => continue,
            };
            registered.expect("the table was empty");
            reached(hello, kind, decide(hello, &routes, legacy));
        }
    }
}

fn reached(hello: &Hello, kind: Kind, decision: Decision) {
    let protocol = match (decision, kind) {
        (Decision::Native { .. }, Kind::Native(_)) => ALPN_CONNECT,
        (Decision::Pair { .. }, Kind::Pair(_)) => ALPN_PAIR,
        (Decision::Web { .. }, Kind::Web) => return,
        (Decision::Alert(_), _) => return,
        (decision, kind) => panic!("{decision:?} for {kind:?}"),
    };
    assert!(hello.supports_tls13 && hello.server_certificate.raw_key && hello.client_certificate.raw_key);
    assert!(hello.alpn.iter().any(|offered| offered == protocol));
    let name = hello.server_name.as_deref();
    assert_eq!(check_established(decision, name, Some(protocol), true), Ok(()));
    assert!(check_established(decision, name, None, true).is_err());
}

/// A scanned text either is refused, or is the one text of its code.
pub fn qr_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(code) = QrCode::parse(text) else { return };
    let again = code.encode().expect("what was read can be written");
    assert_eq!(*again, text.to_ascii_uppercase());
}

/// A typed text either is refused, or is the code that its canonical form is.
pub fn typed_code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(code) = TypedCode::parse(text) {
        let again = TypedCode::parse(&code.reveal()).expect("what is shown can be typed");
        assert!(again == code && again.selector() == code.selector());
        let name = server_name(&code.selector().server_label(), HOST);
        assert_eq!(Selector::of_server_name(&name), Some(code.selector()));
    }
    if let Some(label) = Label::of_server_name(text) {
        let name = server_name(&label.to_string(), HOST);
        assert_eq!(Label::of_server_name(&name), Some(label));
    }
}

/// Bytes of a key either are refused, or are the one way to write it.
pub fn public_key(bytes: &[u8]) {
    if let Ok(key) = Spki::parse(bytes) {
        assert_eq!(key.as_bytes(), bytes);
        assert_eq!(key.device_id(), Spki::parse(bytes).expect("it was").device_id());
    }
    if let Ok(key) = WrapPub::parse(bytes) {
        assert_eq!(key.as_bytes(), bytes);
    }
}

/// A body below `/.upc/` either is refused, or is read again as it is written.
pub fn upc_bodies(bytes: &[u8]) {
    again::<pairing::Hello>(bytes);
    again::<pairing::Challenge>(bytes);
    again::<pairing::Proof>(bytes);
    again::<pairing::Claimed>(bytes);
    again::<pairing::Enrol>(bytes);
    again::<pairing::Enrolled>(bytes);
    again::<error::Body>(bytes);
    judged::<SessionRequest>(bytes);
    judged::<UnlockRequest>(bytes);
    judged::<UnlockReply>(bytes);
    judged::<RotateRequest>(bytes);
    judged::<Grant>(bytes);
    judged::<RosterRequest>(bytes);
    judged::<RosterReply>(bytes);
    judged::<SignRequest>(bytes);
    again::<DevicesReply>(bytes);
    again::<LockReply>(bytes);
    again::<Empty>(bytes);
}

fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let read: T = body::read(bytes).ok()?;
    let written = serde_json::to_vec(&read).expect("a body can be written");
    if written.len() <= body::BODY_BYTES_MAX {
        let again: T = body::read(&written).expect("what we write we read");
        assert_eq!(again, read);
    }
    Some(read)
}

fn judged<T: Check + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Some(read) = again::<T>(bytes) {
        // A judgement, whichever.
        let _ = read.check();
    }
}

/// A slot or a sealed upload either is refused, or does not open: nobody here has sealed one for these keys.
pub fn sealed(bytes: &[u8]) {
    let secret = Secret::new([5; 32]);
    let wrap = WrapKey::from_bytes(&secret).expect("below the order of the curve");
    if let Ok(slot) = Slot::parse(bytes) {
        assert_eq!(slot.as_bytes().as_slice(), bytes);
        let _ = (slot.kind(), slot.id(), slot.generation());
        assert!(slot.open(&wrap, &ADA.0).is_err());
    }
    let inbox = InboxKey::from_bytes(&secret).expect("below the order of the curve");
    assert!(inbox.open(b"person 1, item 1", &mut bytes.to_vec()).is_err());
}

/// A roster either is refused, or is the one form of its content; no signature is made by chance.
pub fn roster(bytes: &[u8]) {
    if let Ok(roster) = Roster::parse(bytes) {
        assert_eq!(roster.encode().expect("what was read can be written"), bytes);
        assert!(roster.changes_since(Some(&roster)).is_empty());
    }
    let Ok(signed) = Signed::parse(bytes) else { return };
    assert_eq!(signed.to_bytes(), bytes);
    let content = signed.roster();
    if content.author != Author::Nobody {
        // The corpus holds no private key.
        let again = Signed::by_nobody(content.clone()).expect("what was read can be written");
        assert_eq!(again.hash(), signed.hash(), "the signature is not part of the hash");
        assert!(again.check_first(content.user).is_err());
    }
}

/// A stored table of devices either is refused, or holds what a table promises, and is read again as it is written.
pub fn device_table(bytes: &[u8]) {
    let Ok(table) = serde_json::from_slice::<DeviceTable>(bytes) else { return };
    let written = serde_json::to_vec(&table).expect("a table can be written");
    assert_eq!(serde_json::from_slice::<DeviceTable>(&written).expect("what we write we read"), table);
    let labels: Vec<_> = table.labels().map(|(label, _)| label).collect();
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len(), "a label belongs to one device");
    let keys: BTreeSet<_> = table.iter().map(|device| device.spki().pin()).collect();
    assert_eq!(keys.len(), table.iter().count(), "a key belongs to one device");
}

/// A package either is refused, or is one whose content is a package too, of the same digest and nobody's; no signature
/// is made by chance.
pub fn package(bytes: &[u8]) {
    let Ok(package) = Package::parse(bytes) else { return };
    assert_eq!(package.manifest().for_package(), Ok(()));
    assert_eq!(package.component(), bytes);
    let content = Package::parse(package.content()).expect("what is signed is a package too");
    assert!(content.signature().is_none() && content.verify().is_err());
    assert_eq!((content.digest(), content.manifest_text()), (package.digest(), package.manifest_text()));
    assert_eq!(content.schemas(), package.schemas());
    if let Ok(verified) = package.verify() {
        assert_eq!(verified.digest, package.digest());
        assert_eq!(verified.keys.len(), verified.chain_len + 1);
        assert_eq!(verified.keys.last(), Some(&verified.newest_key));
    }
}

/// What an aggregator is sent either does not read, or is written again as the very same bytes.
pub fn aggregator(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert!(request.encode() == bytes, "a request has one form");
    }
    if let Ok(reply) = Reply::decode(bytes) {
        assert!(reply.encode() == bytes, "a reply has one form");
    }
    if let Some(head) = bytes.first_chunk()
        && let Ok(length) = length(*head)
    {
        assert!((1..=runtime_aggregator::MESSAGE_BYTES_MAX).contains(&length));
    }
}

/// A study that parses keeps its limits, says in words what it asks for, and bounds whatever a cell gives. A signed one
/// is signed over every byte before its last line.
pub fn study(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(study) = Study::parse(text)
    {
        assert!(!study.words().is_empty() && !study.epochs().is_empty());
        assert_eq!(study.epochs().last().map(|epoch| epoch.until_s), Some(study.until_s));
        for given in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.5] {
            let bounded = Bounded::of(&study, &vec![given; study.numbers().len()]).expect("the right length");
            assert!(bounded.numbers().iter().map(|number| number.abs()).sum::<i64>() <= study.l1);
        }
    }
    if let Ok(signed) = SignedStudy::parse(bytes) {
        assert_eq!(signed.text().as_bytes(), bytes);
        let (document, _) =
            signed.text().trim_end().rsplit_once('\n').expect("a line is behind the document");
        assert_eq!(Study::parse(document).as_ref(), Ok(signed.study()));
    }
}
