//! Reads one vector of each kind with the real code.

use data_encoding::HEXLOWER;
use handshake::encoding::{
    BadCode, BadQr, Digest32, KeyKind, Label, Nonce, QrCode, Spki, TypedCode, WindowId, WrapPub,
};
use handshake::keys::{
    Agree, BadPhrase, BadStatement, Head, InboxKey, OpenItemError, Phrase, RolledBack, SigningKey, Slot,
    SlotKind, WrapKey, check_head, next_key_statement, rotation_statement, verify_next_key, verify_rotation,
};
use handshake::roster::{Author, BadStep, Member, Signed};
use handshake::secret::Secret;
use handshake::token::Token;
use handshake::transcript::{Facts, Mac, PairingSecret, Transcript, commit_to};
use ring::hkdf;
use ring::rand::SystemRandom;
use serde_json::Value;

/// The step at which a reader stopped, or the member of a vector that differs.
pub type Outcome = Result<(), &'static str>;

pub fn judge(section: &str, vector: &Value) -> Outcome {
    match section {
        "pair" | "digits" => pair(vector),
        "qr" => qr(vector),
        "code" => code(vector),
        "recovery" => recovery(vector),
        "slot" => slot(vector),
        "inbox" => inbox(vector),
        "head" => heads(vector),
        "rollback" => rollback(vector),
        "rotate" => rotate(vector),
        "next_key" => next_key(vector),
        "token" => token(vector),
        "label" => label(vector),
        "key_id" => key_id(vector),
        "roster" => roster(vector),
        other => panic!("section {other} is read by nobody"),
    }
}

pub fn text<'v>(vector: &'v Value, member: &str) -> &'v str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} is no text"))
}

fn number(vector: &Value, member: &str) -> u64 {
    vector[member].as_u64().unwrap_or_else(|| panic!("{member} is no number"))
}

fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, member).as_bytes()).unwrap_or_else(|_| panic!("{member} is not hex"))
}

fn array<const N: usize>(vector: &Value, member: &str) -> [u8; N] {
    bytes(vector, member).try_into().unwrap_or_else(|_| panic!("{member} has not {N} bytes"))
}

fn same<T: PartialEq>(one: T, other: T, member: &'static str) -> Outcome {
    if one == other { Ok(()) } else { Err(member) }
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    extracted.expand(info, hkdf::HKDF_SHA256).expect("32 bytes").fill(&mut key).expect("32 bytes");
    key
}

fn pair(vector: &Value) -> Outcome {
    let method = u8::try_from(number(vector, "method")).ok().and_then(|method| method.try_into().ok());
    let method = method.ok_or("method")?;
    let window = WindowId(array(vector, "window"));
    let secret = if vector["secret"].is_string() {
        PairingSecret::Qr(Secret::new(array(vector, "secret")))
    } else {
        let code = TypedCode::parse(text(vector, "code")).map_err(|_| "code")?;
        let rounds = u32::try_from(number(vector, "iterations")).map_err(|_| "iterations")?;
        let secret = PairingSecret::stretch(&code, window, rounds).ok_or("iterations")?;
        same(&secret, &PairingSecret::Typed(Secret::new(array(vector, "stretched"))), "stretched")?;
        secret
    };
    let (nonce_phone, nonce_runtime) =
        (Nonce(array(vector, "nonce_phone")), Nonce(array(vector, "nonce_runtime")));
    same(hex(&commit_to(&nonce_phone).0), text(vector, "commit").to_owned(), "commit")?;
    let facts = Facts {
        method,
        window,
        spki_runtime: &bytes(vector, "spki_runtime"),
        spki_device: &bytes(vector, "spki_device"),
        exporter: &Secret::new(array(vector, "exporter")),
        commit: commit_to(&nonce_phone),
        nonce_runtime,
    };
    let transcript = Transcript::new(&facts, &secret);
    let mac_phone = transcript.mac_phone(&nonce_phone);
    same(mac_phone, Mac(array(vector, "mac_phone")), "mac_phone")?;
    let mac_runtime = transcript.mac_runtime(&nonce_phone, &mac_phone);
    same(mac_runtime, Mac(array(vector, "mac_runtime")), "mac_runtime")?;
    same(*transcript.digest(), array(vector, "transcript"), "transcript")?;
    same(transcript.digits(&nonce_phone).to_string().as_str(), text(vector, "digits"), "digits")
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn qr(vector: &Value) -> Outcome {
    let code = QrCode::parse(text(vector, "text")).map_err(|error| match error {
        BadQr::Damaged => "damaged",
        _ => "form",
    })?;
    let want = QrCode {
        replaces: vector["replaces"].as_bool().expect("a truth value"),
        window: WindowId(array(vector, "window")),
        secret: Secret::new(array(vector, "secret")),
        pin: handshake::encoding::Pin(array(vector, "pin")),
        label: Label(array(vector, "label")),
        port: u16::try_from(number(vector, "port")).map_err(|_| "port")?,
        host: text(vector, "host").to_owned(),
    };
    same(&code, &want, "parts")?;
    same(code.encode().map_err(|_| "host")?.as_str(), text(vector, "text"), "text")
}

fn code(vector: &Value) -> Outcome {
    let code = TypedCode::parse(text(vector, "typed")).map_err(|error| match error {
        BadCode::Check => "check",
        _ => "form",
    })?;
    same(code.reveal().as_str(), text(vector, "canonical"), "canonical")?;
    same(code.selector().to_string().as_str(), text(vector, "selector"), "selector")?;
    same(code.selector().server_label().as_str(), text(vector, "server_label"), "server_label")?;
    same(code.password(), text(vector, "password").as_bytes(), "password")
}

fn recovery(vector: &Value) -> Outcome {
    let phrase = Phrase::parse(text(vector, "words")).map_err(|error| match error {
        BadPhrase::Check => "check",
        _ => "form",
    })?;
    let list = bip39::Language::English.word_list();
    let indices = vector["indices"].as_array().expect("a list").iter();
    let words = indices.map(|index| list[index.as_u64().expect("a number") as usize]).collect::<Vec<_>>();
    same(words.join(" ").as_str(), text(vector, "words"), "indices")?;
    same(phrase.wrap_key().to_bytes(), Secret::new(array(vector, "private")), "private")?;
    let derived = derive(b"", &bytes(vector, "entropy"), &[b"upc/recovery/1", &[0]]);
    same(derived, array(vector, "private"), "entropy")?;
    same(*phrase.wrap_key().public().as_bytes(), array(vector, "public"), "public")
}

fn slot(vector: &Value) -> Outcome {
    let slot = Slot::parse(&bytes(vector, "slot")).map_err(|_| "form")?;
    let key = WrapKey::from_bytes(&Secret::new(array(vector, "wrap_private"))).map_err(|_| "wrap_private")?;
    same(*key.public().as_bytes(), array(vector, "wrap_public"), "wrap_public")?;
    let data_key = slot.open(&key, &array(vector, "user")).map_err(|_| "open")?;
    same(data_key, Secret::new(array(vector, "data_key")), "data_key")?;
    same(u64::from(slot.generation()), number(vector, "generation"), "generation")?;
    same(u64::from(u8::from(slot.kind())), number(vector, "kind"), "kind")?;
    same(slot.kind() == SlotKind::Device, number(vector, "kind") == 1, "kind")?;
    same(*slot.id(), array(vector, "id"), "id")?;
    let ephemeral = &slot.as_bytes()[22..87];
    let shared = key.agree(&WrapPub::parse(ephemeral).map_err(|_| "form")?).ok_or("shared")?;
    same(&shared, &Secret::new(array(vector, "shared")), "shared")?;
    let public = key.public();
    let info = [b"upc/slot/1", ephemeral, public.as_bytes(), &slot.generation().to_be_bytes()];
    same(derive(slot.id(), shared.expose(), &info), array(vector, "kek"), "kek")
}

fn inbox(vector: &Value) -> Outcome {
    let private = Secret::new(array(vector, "private"));
    let key = InboxKey::from_bytes(&private).map_err(|_| "private")?;
    let public = key.public();
    same(*public.as_bytes(), array(vector, "public"), "public")?;
    let mut sealed = bytes(vector, "sealed");
    let ephemeral = sealed.get(1..66).unwrap_or_default().to_vec();
    let item = key.open(&bytes(vector, "context"), &mut sealed).map_err(|error| match error {
        OpenItemError::Wrong => "open",
        _ => "form",
    })?;
    same(&*item, &bytes(vector, "item"), "item")?;
    let key = WrapKey::from_bytes(&private).map_err(|_| "private")?;
    let shared = key.agree(&WrapPub::parse(&ephemeral).map_err(|_| "form")?).ok_or("shared")?;
    same(&shared, &Secret::new(array(vector, "shared")), "shared")?;
    let derived = derive(b"", shared.expose(), &[b"upc/inbox/1", &ephemeral, public.as_bytes()]);
    same(derived, array(vector, "key"), "key")
}

fn head(vector: &Value) -> Head {
    Head { seq: number(vector, "seq"), hash: Digest32(array(vector, "hash")) }
}

fn heads(vector: &Value) -> Outcome {
    let (batches, heads) = (vector["batches"].as_array(), vector["heads"].as_array());
    let (batches, heads) = (batches.expect("a list"), heads.expect("a list"));
    same(batches.len(), heads.len(), "heads")?;
    let mut last = Head::EMPTY;
    for (batch, want) in batches.iter().zip(heads) {
        let batch = Digest32(array(&serde_json::json!({ "batch": batch }), "batch"));
        last = last.next(&batch).ok_or("heads")?;
        same(last, head(want), "heads")?;
    }
    Ok(())
}

fn rollback(vector: &Value) -> Outcome {
    let of = |member: &str| vector[member].is_object().then(|| head(&vector[member]));
    let verdict = match check_head(of("last"), of("now"), vector["locked"].as_bool().expect("a truth value"))
    {
        Ok(()) => "accepted",
        Err(RolledBack::Older { .. }) => "older",
        Err(RolledBack::Forked { .. }) => "forked",
        Err(RolledBack::Missing { .. }) => "missing",
        Err(_) => "unknown",
    };
    same(verdict, text(vector, "verdict"), "verdict")
}

/// Both keys of a statement, and their private halves where they are valid.
fn parties(vector: &Value) -> Result<(Spki, Spki), &'static str> {
    let key = |member| Spki::parse(&bytes(vector, member)).map_err(|_| "form");
    Ok((key("old")?, key("new")?))
}

fn private_halves(vector: &Value, old: &Spki, new: &Spki) -> Outcome {
    for (member, public) in [("old_pkcs8", old), ("new_pkcs8", new)] {
        let key = SigningKey::from_pkcs8(&bytes(vector, member), &SystemRandom::new());
        same(key.map_err(|_| "pkcs8")?.spki(), public, "pkcs8")?;
    }
    Ok(())
}

fn verdict(checked: Result<(), BadStatement>) -> Outcome {
    checked.map_err(|error| match error {
        BadStatement::Signature => "signature",
        BadStatement::SameKey => "same",
        _ => "form",
    })
}

fn rotate(vector: &Value) -> Outcome {
    let (old, new) = parties(vector)?;
    let exporter = Secret::new(array(vector, "exporter"));
    verdict(verify_rotation(&exporter, &old, &new, &bytes(vector, "signature")))?;
    same(&*rotation_statement(&exporter, &old, &new), &bytes(vector, "statement"), "statement")?;
    private_halves(vector, &old, &new)
}

fn next_key(vector: &Value) -> Outcome {
    let (old, new) = parties(vector)?;
    verdict(verify_next_key(&old, &new, &bytes(vector, "signature")))?;
    same(next_key_statement(&old, &new), bytes(vector, "statement"), "statement")?;
    private_halves(vector, &old, &new)
}

fn token(vector: &Value) -> Outcome {
    let token = Token::parse(text(vector, "typed")).map_err(|_| "form")?;
    same(token.reveal(), text(vector, "canonical"), "canonical")?;
    same(token.hash().to_string().as_str(), text(vector, "hash"), "hash")
}

fn label(vector: &Value) -> Outcome {
    let label: Label = text(vector, "text").parse().map_err(|_| "form")?;
    same(label, Label(array(vector, "bytes")), "bytes")
}

fn key_id(vector: &Value) -> Outcome {
    let key = Spki::parse(&bytes(vector, "spki")).map_err(|_| "key")?;
    let kind = if key.kind() == KeyKind::Ed25519 { "ed25519" } else { "p256" };
    same(kind, text(vector, "kind"), "kind")?;
    same(key.pin().0, array(vector, "pin"), "pin")?;
    same(key.device_id().0, array(vector, "device_id"), "device_id")
}

fn roster(vector: &Value) -> Outcome {
    let signed = Signed::parse(&bytes(vector, "signed")).map_err(|_| "form")?;
    let before = bytes(vector, "before");
    let checked = if before.is_empty() {
        signed.check_first(runtime_types::UserId(array(vector, "user")))
    } else {
        signed.check_after(&Signed::parse(&before).map_err(|_| "before")?)
    };
    checked.map_err(|error| match error {
        BadStep::OtherPerson => "person",
        BadStep::Version { .. } => "version",
        BadStep::Previous { .. } => "previous",
        BadStep::Generation { .. } => "generation",
        BadStep::Author { .. } => "author",
        BadStep::Signature { .. } => "signature",
        _ => "unknown",
    })?;
    let content = signed.roster();
    same(hex(&signed.hash().0).as_str(), text(vector, "hash"), "hash")?;
    same(hex(&content.user.0).as_str(), text(vector, "user"), "user")?;
    same(content.version, number(vector, "version"), "version")?;
    same(hex(&content.previous.0).as_str(), text(vector, "previous"), "previous")?;
    same(content.at_ms, number(vector, "at_ms"), "at_ms")?;
    let author = match content.author {
        Author::Nobody => "nobody".to_owned(),
        Author::Device(id) => id.to_string(),
        Author::Phrase => "phrase".to_owned(),
    };
    same(author.as_str(), text(vector, "author"), "author")?;
    same(Some(content.unattended), vector["unattended"].as_bool(), "unattended")?;
    same(u64::from(content.generation), number(vector, "generation"), "generation")?;
    let inbox = content.inbox.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
    same(inbox, bytes(vector, "inbox"), "inbox")?;
    let phrase = content.phrase.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
    same(phrase, bytes(vector, "phrase"), "phrase")?;
    let devices = content.devices.iter().map(line).collect::<Vec<_>>().join("\n");
    same(devices.as_str(), text(vector, "devices"), "devices")?;
    let tokens = content.tokens.iter().map(|token| hex(&token.0)).collect::<Vec<_>>().join(" ");
    same(tokens.as_str(), text(vector, "tokens"), "tokens")
}

fn line(member: &Member) -> String {
    let Member { id, spki, wrap_pub, scopes, name } = member;
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    format!("{id} {} {} {} {name}", hex(spki.as_bytes()), hex(wrap_pub.as_bytes()), scopes.join(","))
}
