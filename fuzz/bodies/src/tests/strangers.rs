//! What strangers send, sound but for a few bytes.

use std::sync::LazyLock;

use handshake::device::{DeviceName, DeviceTable, NewDevice, Platform, Scopes};
use handshake::encoding::{
    Commit, Digest32, KeyKind, Label, Nonce, Pin, QrCode, SessionId, TypedCode, WindowId, WrapPub,
};
use handshake::keys::{Agree, InboxKey, SLOT_BYTES, SigningKey, Slot, SlotKind, WrapKey};
use handshake::pairing::{Enrol, Hello, Proof, WindowName};
use handshake::roster::{Author, Member, Roster, Signed};
use handshake::secret::Secret;
use handshake::session::{
    Grant, Limits, RotateRequest, SessionRequest, SignRequest, SlotBytes, StoreState, UnlockRequest,
};
use handshake::transcript::Mac;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use runtime_types::UserId;

use super::super::*;
use super::cases;

const RECORDED: [&[u8]; 8] = [
    include_bytes!("../../../seeds/client_hello/java-study"),
    include_bytes!("../../../seeds/client_hello/openssl-no-name"),
    include_bytes!("../../../seeds/client_hello/openssl-tls12"),
    include_bytes!("../../../seeds/client_hello/openssl-web"),
    include_bytes!("../../../seeds/client_hello/rustls-certificates"),
    include_bytes!("../../../seeds/client_hello/rustls-pair"),
    include_bytes!("../../../seeds/client_hello/rustls-raw-keys-hybrid"),
    include_bytes!("../../../seeds/client_hello/rustls-raw-keys"),
];

/// Sound bytes and what they are for.
static SOUND: LazyLock<Vec<(Body, Vec<u8>)>> = LazyLock::new(|| {
    let random = SystemRandom::new();
    let hellos = RECORDED.iter().map(|bytes| (client_hello as Body, bytes.to_vec()));
    let code = QrCode {
        replaces: true,
        window: WindowId([1; 8]),
        secret: Secret::new([2; 16]),
        pin: Pin([3; 32]),
        label: Label([4; 16]),
        port: 443,
        host: "cellar.example".to_owned(),
    };
    let qr = code.encode().expect("a sound host").as_bytes().to_vec();
    let typed = TypedCode::random(&random).expect("randomness").reveal().as_bytes().to_vec();
    let wrap = WrapKey::random(&random).expect("randomness");
    let mut all: Vec<(Body, Vec<u8>)> = hellos.collect();
    all.extend([(qr_text as Body, qr), (typed_code, typed), (public_key, wrap.public().as_bytes().to_vec())]);
    let slot = Slot::seal(&[1; 16], 7, SlotKind::Device, &wrap.public(), &Secret::new([9; 32]), &random);
    all.push((sealed, slot.expect("randomness").as_bytes().to_vec()));
    let inbox = InboxKey::random(&random).expect("randomness").public();
    all.push((sealed, inbox.seal(b"person 2, item 1", b"readings", &random).expect("a short item")));
    all.push((package, include_bytes!("../../../seeds/package/signed").to_vec()));
    all.push((study, include_bytes!("../../../seeds/study/signed").to_vec()));
    all.push((aggregator, include_bytes!("../../../seeds/aggregator/hold").to_vec()));
    all.push((aggregator, include_bytes!("../../../seeds/aggregator/prepared").to_vec()));
    let mut table = DeviceTable::new(UserId([1; 16]));
    for (number, kind) in [(1, KeyKind::P256), (2, KeyKind::Ed25519)] {
        let key = SigningKey::generate(kind, &random).expect("randomness");
        all.push((public_key, key.spki().as_bytes().to_vec()));
        let new = NewDevice {
            spki: *key.spki(),
            wrap_pub: WrapKey::random(&random).expect("randomness").public(),
            label: Label([number; 16]),
            name: DeviceName::new(format!("phone {number}")).expect("a name"),
            platform: Platform::Android,
            scopes: Scopes::PHONE,
        };
        table.enrol(new, 1_700_000_000_000).expect("room");
        let rotate = RotateRequest { spki: *key.spki(), signature: vec![number; 64] };
        all.push((upc_bodies, json(&rotate)));
    }
    all.push((device_table, json(&table)));
    all.extend(rosters(&table));
    all.extend(bodies(wrap.public()).into_iter().map(|body| (upc_bodies as Body, body)));
    all
});

/// A roster with the table's devices, without a signature and with one.
fn rosters(table: &DeviceTable) -> [(Body, Vec<u8>); 3] {
    let mut devices: Vec<_> = table
        .iter()
        .map(|device| Member {
            id: device.id(),
            spki: *device.spki(),
            wrap_pub: *device.wrap_pub(),
            scopes: device.scopes(),
            name: device.name().clone(),
        })
        .collect();
    devices.sort_by_key(|member| member.id);
    let content = Roster {
        user: table.user(),
        version: 1,
        previous: Digest32([0; 32]),
        at_ms: 1_700_000_000_000,
        author: Author::Device(devices[0].id),
        unattended: false,
        generation: 1,
        inbox: None,
        phrase: None,
        devices,
        tokens: vec![Digest32([1; 32])],
    };
    let body = content.encode().expect("sound");
    let signed = Signed::by_nobody(content).expect("sound");
    let sign = json(&SignRequest { signed: signed.clone() });
    [(roster as Body, body), (roster as Body, signed.to_bytes()), (upc_bodies as Body, sign)]
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("a body can be written")
}

fn bodies(wrap_pub: WrapPub) -> [Vec<u8>; 6] {
    let (name, platform) = (DeviceName::new("phone").expect("a name"), Platform::Ios);
    let hello =
        Hello { window: WindowName::Scanned(WindowId([1; 8])), commit: Commit([2; 32]), name, platform };
    let session = SessionRequest {
        v: vec![1],
        want: vec!["usercache:put".to_owned()],
        last_head: None,
        client: "phone/1".to_owned(),
    };
    let grant = Grant {
        v: 1,
        session: SessionId([1; 16]),
        ttl_s: 60,
        cells: Vec::new(),
        store: StoreState::Locked,
        slot: Some(SlotBytes([1; SLOT_BYTES])),
        head: None,
        roster: None,
        next_label: Some(Label([5; 16])),
        next_pins: vec![Pin([6; 32])],
        now_ms: 1_700_000_000_000,
        limits: Limits { body_bytes_max: 1 << 20, requests_per_s_max: 10 },
    };
    [
        json(&hello),
        json(&Proof { nonce: Nonce([3; 32]), mac: Mac([4; 32]) }),
        json(&Enrol { wrap_pub }),
        json(&session),
        json(&UnlockRequest { generation: 1, udk: Secret::new([7; 32]) }),
        json(&grant),
    ]
}

#[test]
fn what_is_sound_keeps_every_promise() {
    for (body, bytes) in SOUND.iter() {
        body(bytes);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn changed_bytes_anywhere_keep_every_promise(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let (body, bytes) = which.get(&SOUND);
        let mut bytes = bytes.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(more);
        body(&bytes);
    }

    #[test]
    fn a_hello_may_be_split_anywhere(which in 0..RECORDED.len(), split: u8) {
        let mut bytes = RECORDED[which].to_vec();
        bytes[0] = split;
        client_hello(&bytes);
    }
}
