//! Writes the test vectors of the protocol: `cargo run -p handshake --example make_vectors > handshake/vectors/upc-1.json`.
//!
//! Bytes are lower-case hex. Inputs are digests of their names, so that no two are alike; ephemeral keys, nonces and
//! signatures of P-256 are drawn again in each run, and so are the private keys that sign. Private keys and secrets in
//! the file protect nothing.

mod refused;
mod rosters;

use data_encoding::HEXLOWER;
use handshake::encoding::{Digest32, KeyKind, Label, Nonce, QrCode, Spki, TypedCode, WindowId, WrapPub};
use handshake::keys::{
    Agree, Head, INBOX_HEAD_BYTES, InboxKey, Phrase, SigningKey, Slot, SlotKind, WrapKey, next_key_statement,
    rotation_statement, sign_next_key, sign_rotation,
};
use handshake::secret::Secret;
use handshake::token::Token;
use handshake::transcript::{Facts, PBKDF2_ROUNDS, PairingSecret, Transcript, commit_to};
use ring::rand::SystemRandom;
use ring::{digest, hkdf, hmac};
use serde_json::{Map, Value, json};

fn main() {
    let random = SystemRandom::new();
    let recovery = [recovery("mnemonic-7f", [0x7f; 32]), recovery("digest", fixed("recovery"))];
    let (rotations, next_keys) = statements(&random);
    let mut vectors = json!({
        "about": "Test vectors of upc/1, explained in handshake/vectors/README.md",
        "pair": pairs(), "digits": digits(), "qr": qr_codes(), "code": codes(), "slot": slots(&recovery, &random),
        "inbox": [inbox("short", b"a day".to_vec(), &random), inbox("empty", Vec::new(), &random)],
        "recovery": recovery, "head": [heads()], "rollback": rollbacks(), "rotate": rotations, "next_key": next_keys,
        "token": [token()], "label": [label()], "key_id": key_ids(), "roster": rosters::vectors(&random),
    });
    let refused = refused::vectors(&vectors);
    members(&mut vectors).insert("refused".to_owned(), refused.into());
    println!("{vectors:#}");
}

fn fixed<const N: usize>(name: &str) -> [u8; N] {
    let first = digest::digest(&digest::SHA256, name.as_bytes());
    let second = digest::digest(&digest::SHA256, first.as_ref());
    let bytes = [first.as_ref(), second.as_ref()].concat();
    bytes[..N].try_into().expect("64 bytes are enough for every input")
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn bytes_of(vector: &Value, member: &str) -> Vec<u8> {
    let text = vector[member].as_str().expect("the member was just written");
    HEXLOWER.decode(text.as_bytes()).expect("the member was just written in hex")
}

fn spki(kind: KeyKind, name: &str) -> Spki {
    let key = match kind {
        KeyKind::Ed25519 => Spki::from_ed25519(&fixed(name)),
        KeyKind::P256 => Spki::from_p256_point(wrap_key(name).public().as_bytes()),
    };
    key.expect("a digest is neither zero nor above the order of the curve")
}

fn wrap_key(name: &str) -> WrapKey {
    WrapKey::from_bytes(&Secret::new(fixed(name))).expect("a digest is a private key but once in 2^32")
}

struct Pair {
    name: &'static str,
    window: [u8; 8],
    runtime: Vec<u8>,
    device: Vec<u8>,
    exporter: [u8; 32],
    nonce_phone: Nonce,
    nonce_runtime: Nonce,
    secret: [u8; 16],
    code: Option<&'static str>,
}

impl Pair {
    fn new(name: &'static str, kind: KeyKind, code: Option<&'static str>) -> Self {
        let of = |what: &str| format!("{name} {what}");
        Self {
            name,
            window: fixed(&of("window")),
            runtime: spki(KeyKind::Ed25519, &of("runtime")).as_bytes().to_vec(),
            device: spki(kind, &of("device")).as_bytes().to_vec(),
            exporter: fixed(&of("exporter")),
            nonce_phone: Nonce(fixed(&of("nonce of the phone"))),
            nonce_runtime: Nonce(fixed(&of("nonce of the runtime"))),
            secret: fixed(&of("secret")),
            code,
        }
    }

    fn vector(&self) -> Value {
        let window = WindowId(self.window);
        let (secret, mut vector) = match self.code {
            None => (PairingSecret::Qr(Secret::new(self.secret)), json!({ "secret": hex(self.secret) })),
            Some(body) => {
                let code = code(body);
                let secret =
                    PairingSecret::stretch(&code, window, PBKDF2_ROUNDS).expect("rounds within limits");
                let PairingSecret::Typed(stretched) = &secret else {
                    unreachable!("a code gives a typed secret")
                };
                let stretched = hex(stretched.expose());
                let vector =
                    json!({ "code": *code.reveal(), "iterations": PBKDF2_ROUNDS, "stretched": stretched });
                (secret, vector)
            }
        };
        let exporter = Secret::new(self.exporter);
        let facts = Facts {
            method: secret.method(),
            window,
            spki_runtime: &self.runtime,
            spki_device: &self.device,
            exporter: &exporter,
            commit: commit_to(&self.nonce_phone),
            nonce_runtime: self.nonce_runtime,
        };
        let transcript = Transcript::new(&facts, &secret);
        let mac_phone = transcript.mac_phone(&self.nonce_phone);
        let rest = json!({
            "name": self.name, "method": u8::from(facts.method), "window": hex(self.window),
            "spki_runtime": hex(&self.runtime), "spki_device": hex(&self.device), "exporter": hex(self.exporter),
            "nonce_phone": hex(self.nonce_phone.0), "nonce_runtime": hex(self.nonce_runtime.0),
            "commit": hex(facts.commit.0), "transcript": hex(transcript.digest()), "mac_phone": hex(mac_phone.0),
            "mac_runtime": hex(transcript.mac_runtime(&self.nonce_phone, &mac_phone).0),
            "digits": transcript.digits(&self.nonce_phone).to_string(),
        });
        members(&mut vector).append(&mut rest.as_object().cloned().unwrap_or_default());
        vector
    }
}

fn members(vector: &mut Value) -> &mut Map<String, Value> {
    vector.as_object_mut().expect("every vector is an object")
}

/// The code whose first 19 characters these are.
fn code(body: &str) -> TypedCode {
    let last = "0123456789ABCDEFGHJKMNPQRSTVWXY".chars();
    let mut codes = last.filter_map(|check| TypedCode::parse(&format!("{body}{check}")).ok());
    codes.next().expect("one of the 31 check characters fits")
}

fn pairs() -> Vec<Value> {
    let specification = Pair {
        window: [9; 8],
        runtime: vec![0x11; 44],
        device: vec![0x22; 91],
        exporter: [0x33; 32],
        nonce_phone: Nonce([1; 32]),
        nonce_runtime: Nonce([2; 32]),
        secret: [7; 16],
        ..Pair::new("pair/specification", KeyKind::Ed25519, None)
    };
    let pairs = [
        specification,
        Pair::new("pair/qr-ed25519", KeyKind::Ed25519, None),
        Pair::new("pair/qr-p256", KeyKind::P256, None),
        Pair::new("pair/typed-ed25519", KeyKind::Ed25519, Some("K7M37K3M9QX2T4PB8VD")),
        Pair::new("pair/typed-p256", KeyKind::P256, Some("00ZZ0123456789ABCDE")),
    ];
    pairs.iter().map(Pair::vector).collect()
}

/// Digits that begin with zeros, and digits whose four bytes are negative when read as a signed number.
fn digits() -> Vec<Value> {
    let find = |name: &'static str, suits: &dyn Fn(&Value) -> bool| {
        let mut pair = Pair::new(name, KeyKind::P256, None);
        let found = (0_u32..100_000).find_map(|number| {
            pair.nonce_phone = Nonce(fixed(&format!("{name} {number}")));
            Some(pair.vector()).filter(suits)
        });
        found.expect("one number in a thousand suits")
    };
    let first_byte = |vector: &Value| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes_of(vector, "exporter"));
        let parts = [b"sas".to_vec(), bytes_of(vector, "transcript"), bytes_of(vector, "nonce_phone")];
        hmac::sign(&key, &parts.concat()).as_ref()[0]
    };
    let zeros = |vector: &Value| vector["digits"].as_str().is_some_and(|digits| digits.starts_with("000"));
    vec![find("digits/leading-zeros", &zeros), find("digits/top-bit", &|vector| first_byte(vector) >= 0x80)]
}

fn codes() -> Vec<Value> {
    let bodies = [("code/plain", "K7M37K3M9QX2T4PB8VD"), ("code/look-alikes", "0101111000ZZ01Z01Z0")];
    let vector = |(name, body)| {
        let code = code(body);
        let shown = code.reveal();
        let typed = match name {
            "code/plain" => shown.to_string(),
            _ => format!(
                " {}\n",
                shown.to_lowercase().replace('0', "o").replacen('1', "l", 2).replace('1', "I")
            ),
        };
        json!({
            "name": name, "typed": typed, "canonical": *shown, "selector": code.selector().to_string(),
            "server_label": code.selector().server_label(), "password": String::from_utf8_lossy(code.password()),
        })
    };
    bodies.map(vector).to_vec()
}

fn qr_codes() -> Vec<Value> {
    let hosts = [
        ("qr/host-of-12", "host.example".to_owned(), 443, false),
        ("qr/host-of-63", format!("{}.x-1", "a".repeat(59)), 65_535, true),
    ];
    let vector = |(name, host, port, replaces)| {
        let of = |what: &str| format!("{name} {what}");
        let code = QrCode {
            replaces,
            window: WindowId(fixed(&of("window"))),
            secret: Secret::new(fixed(&of("secret"))),
            pin: spki(KeyKind::Ed25519, &of("runtime")).pin(),
            label: Label(fixed(&of("label"))),
            port,
            host,
        };
        let text = code.encode().expect("host and port are sound");
        json!({
            "name": name, "text": *text, "replaces": replaces, "window": hex(code.window.0),
            "secret": hex(code.secret.expose()), "pin": hex(code.pin.0), "label": hex(code.label.0), "port": port,
            "host": code.host,
        })
    };
    hosts.map(vector).to_vec()
}

fn recovery(name: &str, entropy: [u8; 32]) -> Value {
    let words = bip39::Mnemonic::from_entropy_in(bip39::Language::English, &entropy);
    let words = words.expect("256 bits are a length that BIP-39 has");
    let text = words.words().collect::<Vec<_>>().join(" ");
    let key = Phrase::parse(&text).expect("the words are of the list").wrap_key();
    json!({
        "name": format!("recovery/{name}"), "entropy": hex(entropy), "words": text,
        "indices": words.word_indices().collect::<Vec<_>>(), "private": hex(key.to_bytes().expose()),
        "public": hex(key.public().as_bytes()),
    })
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = extracted.expand(info, hkdf::HKDF_SHA256).and_then(|bytes| bytes.fill(&mut key));
    filled.expect("32 bytes are within what HKDF gives");
    key
}

fn agreed(key: &dyn Agree, ephemeral: &[u8]) -> Secret<32> {
    let ephemeral = WrapPub::parse(ephemeral).expect("the sealing half writes a point");
    key.agree(&ephemeral).expect("keys in software do not refuse")
}

fn slots(recovery: &[Value; 2], random: &SystemRandom) -> Vec<Value> {
    let [first, second] = [&recovery[0], &recovery[1]].map(|recovery| {
        let private = bytes_of(recovery, "private").try_into().expect("a private key has 32 bytes");
        WrapKey::from_bytes(&Secret::new(private)).expect("the phrase gave a private key")
    });
    let keys = [
        ("slot/device-1", SlotKind::Device, 1, wrap_key("slot/device-1 private")),
        ("slot/device-2", SlotKind::Device, u32::MAX, wrap_key("slot/device-2 private")),
        ("slot/recovery-1", SlotKind::Recovery, 1, first),
        ("slot/recovery-2", SlotKind::Recovery, 0x0102_0304, second),
    ];
    let vector = |(name, kind, generation, key): (&str, _, u32, WrapKey)| {
        let (user, data_key) = (fixed(&format!("{name} user")), fixed(&format!("{name} data key")));
        let public = key.public();
        let slot = Slot::seal(&user, generation, kind, &public, &Secret::new(data_key), random);
        let slot = slot.expect("the system gives randomness");
        let ephemeral = &slot.as_bytes()[22..87];
        let shared = agreed(&key, ephemeral);
        let info = [b"upc/slot/1", ephemeral, public.as_bytes(), &generation.to_be_bytes()];
        json!({
            "name": name, "kind": u8::from(kind), "user": hex(user), "generation": generation, "id": hex(slot.id()),
            "wrap_private": hex(key.to_bytes().expose()), "wrap_public": hex(public.as_bytes()),
            "shared": hex(shared.expose()), "kek": hex(derive(slot.id(), shared.expose(), &info)),
            "data_key": hex(data_key), "slot": hex(slot.as_bytes()),
        })
    };
    keys.map(vector).into()
}

fn inbox(name: &str, item: Vec<u8>, random: &SystemRandom) -> Value {
    let of = |what: &str| format!("inbox/{name} {what}");
    let key = InboxKey::from_bytes(&Secret::new(fixed(&of("private"))));
    let key = key.expect("a digest is a private key but once in 2^32");
    let context = [fixed::<16>(&of("user")).as_slice(), &7_u64.to_be_bytes()].concat();
    let sealed = key.public().seal(&context, &item, random).expect("the item is short");
    let ephemeral = &sealed[1..INBOX_HEAD_BYTES];
    let wrap = WrapKey::from_bytes(&key.to_bytes()).expect("the same private key");
    let shared = agreed(&wrap, ephemeral);
    let item_key = derive(b"", shared.expose(), &[b"upc/inbox/1", ephemeral, key.public().as_bytes()]);
    json!({
        "name": format!("inbox/{name}"), "private": hex(key.to_bytes().expose()),
        "public": hex(key.public().as_bytes()), "context": hex(context), "item": hex(item),
        "shared": hex(shared.expose()), "key": hex(item_key), "sealed": hex(sealed),
    })
}

fn heads() -> Value {
    let batches: Vec<[u8; 32]> = (0..4).map(|number| fixed(&format!("batch {number}"))).collect();
    let mut head = Head::EMPTY;
    let mut heads = Vec::new();
    for batch in &batches {
        head = head.next(&Digest32(*batch)).expect("four commits");
        heads.push(head_vector(&head));
    }
    json!({ "name": "head/four", "batches": batches.iter().map(hex).collect::<Vec<_>>(), "heads": heads })
}

fn head_vector(head: &Head) -> Value {
    json!({ "seq": head.seq, "hash": hex(head.hash.0) })
}

fn rollbacks() -> Vec<Value> {
    let head = |seq, name| head_vector(&Head { seq, hash: Digest32(fixed(name)) });
    let cases = [
        ("first-contact", Value::Null, head(3, "a"), false, "accepted"),
        ("same", head(3, "a"), head(3, "a"), false, "accepted"),
        ("went-on", head(3, "a"), head(9, "b"), false, "accepted"),
        ("locked-and-silent", head(3, "a"), Value::Null, true, "accepted"),
        ("open-and-silent", head(3, "a"), Value::Null, false, "missing"),
        ("older", head(3, "a"), head(2, "b"), false, "older"),
        ("forked", head(3, "a"), head(3, "b"), false, "forked"),
        ("locked-and-forked", head(3, "a"), head(3, "b"), true, "forked"),
    ];
    let vector = |(name, last, now, locked, verdict)| json!({ "name": format!("rollback/{name}"), "last": last, "now": now, "locked": locked, "verdict": verdict });
    cases.map(vector).into()
}

fn statements(random: &SystemRandom) -> (Vec<Value>, Vec<Value>) {
    let generate = |kind| SigningKey::generate(kind, random).expect("the system gives randomness");
    let mut rotations = Vec::new();
    for (name, kind) in [("rotate/ed25519", KeyKind::Ed25519), ("rotate/p256", KeyKind::P256)] {
        let (old, new, exporter) = (generate(KeyKind::P256), generate(kind), Secret::new(fixed(name)));
        let signature = sign_rotation(&new, &exporter, old.spki(), random).expect("randomness");
        rotations.push(json!({
            "name": name, "exporter": hex(exporter.expose()), "old": hex(old.spki().as_bytes()),
            "new": hex(new.spki().as_bytes()), "new_pkcs8": hex(new.pkcs8()), "old_pkcs8": hex(old.pkcs8()),
            "statement": hex(&*rotation_statement(&exporter, old.spki(), new.spki())), "signature": hex(signature),
        }));
    }
    let (old, new) = (generate(KeyKind::Ed25519), generate(KeyKind::Ed25519));
    let signature = sign_next_key(&old, new.spki(), random).expect("randomness");
    let next_key = json!({
        "name": "next_key/ed25519", "old": hex(old.spki().as_bytes()), "new": hex(new.spki().as_bytes()),
        "old_pkcs8": hex(old.pkcs8()), "new_pkcs8": hex(new.pkcs8()), "signature": hex(signature),
        "statement": hex(next_key_statement(old.spki(), new.spki())),
    });
    (rotations, vec![next_key])
}

fn token() -> Value {
    let typed = " oiOl0123456789abcdefghjkmnpqrstvwxyzoO\n";
    let token = Token::parse(typed).expect("38 characters");
    json!({ "name": "token/look-alikes", "typed": typed, "canonical": token.reveal(), "hash": token.hash().to_string() })
}

fn label() -> Value {
    let label = Label(fixed("label"));
    json!({ "name": "label/digest", "bytes": hex(label.0), "text": label.to_string() })
}

fn key_ids() -> Vec<Value> {
    let kinds = [("key_id/ed25519", KeyKind::Ed25519, "ed25519"), ("key_id/p256", KeyKind::P256, "p256")];
    let vector = |(name, kind, kind_name)| {
        let key = spki(kind, name);
        json!({
            "name": name, "kind": kind_name, "spki": hex(key.as_bytes()), "pin": hex(key.pin().0),
            "device_id": hex(key.device_id().0),
        })
    };
    kinds.map(vector).into()
}
