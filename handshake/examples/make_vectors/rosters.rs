//! Rosters: a chain of three, by a device of each kind and by the phrase, and one that nobody signs.

use super::{fixed, hex, wrap_key};
use handshake::device::{DeviceName, Scopes};
use handshake::encoding::{Digest32, KeyKind};
use handshake::keys::{Agree, InboxKey, Phrase, SigningKey};
use handshake::roster::{Author, Member, Roster, Signed};
use handshake::secret::Secret;
use ring::rand::SystemRandom;
use runtime_types::UserId;
use serde_json::{Value, json};

pub fn vectors(random: &SystemRandom) -> Vec<Value> {
    let generate = |kind| SigningKey::generate(kind, random).expect("the system gives randomness");
    let (one, two) = (generate(KeyKind::P256), generate(KeyKind::Ed25519));
    let phrase = Phrase::random(random).expect("the system gives randomness");
    let first = Roster {
        user: UserId(fixed("roster user")),
        version: 1,
        previous: Digest32([0; 32]),
        at_ms: 1_790_000_000_000,
        author: Author::Device(one.spki().device_id()),
        unattended: false,
        generation: 1,
        inbox: Some(inbox("roster inbox")),
        phrase: Some(phrase.wrap_key().public()),
        devices: vec![member(&one, "one", Scopes::ALL)],
        tokens: Vec::new(),
    };
    let first = Signed::by_device(first, &one, random).expect("a sound roster");
    let mut devices = vec![member(&one, "one", Scopes::ALL), member(&two, "two", Scopes::PHONE)];
    devices.sort_by_key(|member| member.id);
    let second = Roster { devices, tokens: vec![Digest32(fixed("token"))], ..after(&first) };
    let second = Signed::by_device(second, &one, random).expect("a sound roster");
    let third = Roster {
        author: Author::Phrase,
        generation: 2,
        inbox: Some(inbox("roster inbox, another")),
        devices: vec![member(&two, "two", Scopes::PHONE)],
        ..after(&second)
    };
    let third = Signed::by_phrase(third, &phrase, random).expect("a sound roster");
    let unsigned = Roster {
        user: UserId(fixed("roster user without devices")),
        author: Author::Nobody,
        unattended: true,
        devices: Vec::new(),
        phrase: None,
        inbox: None,
        ..first.roster().clone()
    };
    let unsigned = Signed::by_nobody(unsigned).expect("a sound roster");
    vec![
        vector("first", None, &first),
        vector("second-device", Some(&first), &second),
        vector("by-the-phrase", Some(&second), &third),
        vector("unsigned", None, &unsigned),
    ]
}

fn inbox(name: &str) -> handshake::keys::InboxPub {
    let key = InboxKey::from_bytes(&Secret::new(fixed(name)));
    key.expect("a digest is a private key but once in 2^32").public()
}

fn member(key: &SigningKey, name: &str, scopes: Scopes) -> Member {
    Member {
        id: key.spki().device_id(),
        spki: *key.spki(),
        wrap_pub: wrap_key(&format!("roster {name}")).public(),
        scopes,
        name: DeviceName::new(format!("phone {name}")).expect("a name"),
    }
}

fn after(before: &Signed) -> Roster {
    Roster { version: before.roster().version + 1, previous: before.hash(), ..before.roster().clone() }
}

fn vector(name: &str, before: Option<&Signed>, signed: &Signed) -> Value {
    let roster = signed.roster();
    let author = match roster.author {
        Author::Nobody => "nobody".to_owned(),
        Author::Device(id) => id.to_string(),
        Author::Phrase => "phrase".to_owned(),
    };
    let key = |key: Option<&[u8; 65]>| key.map(hex).unwrap_or_default();
    let devices = roster.devices.iter().map(|member| {
        let Member { id, spki, wrap_pub, scopes, name } = member;
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        format!("{id} {} {} {} {name}", hex(spki.as_bytes()), hex(wrap_pub.as_bytes()), scopes.join(","))
    });
    json!({
        "name": format!("roster/{name}"),
        "before": before.map(|before| hex(before.to_bytes())).unwrap_or_default(),
        "signed": hex(signed.to_bytes()), "hash": hex(signed.hash().0), "user": hex(roster.user.0),
        "version": roster.version, "previous": hex(roster.previous.0), "at_ms": roster.at_ms, "author": author,
        "unattended": roster.unattended, "generation": roster.generation,
        "inbox": key(roster.inbox.as_ref().map(|inbox| inbox.as_bytes())),
        "phrase": key(roster.phrase.as_ref().map(|phrase| phrase.as_bytes())),
        "devices": devices.collect::<Vec<_>>().join("\n"),
        "tokens": roster.tokens.iter().map(|token| hex(token.0)).collect::<Vec<_>>().join(" "),
    })
}
