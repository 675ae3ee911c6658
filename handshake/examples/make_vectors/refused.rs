//! Vectors that must be refused: an accepted vector with some members changed, and the step at which its reader stops.

use super::{bytes_of, hex};
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

/// All refused vectors, made from the accepted ones.
pub fn vectors(accepted: &Value) -> Vec<Value> {
    let accepted = Accepted(accepted);
    [
        accepted.pairings(),
        accepted.codes(),
        accepted.slots(),
        accepted.items(),
        accepted.keys(),
        accepted.rosters(),
    ]
    .concat()
}

fn refused(name: &str, like: &str, changed: Value, at: &str) -> Value {
    json!({ "name": format!("refused/{name}"), "like": like, "changed": changed, "at": at })
}

struct Accepted<'v>(&'v Value);

impl Accepted<'_> {
    fn member(&self, name: &str, member: &str) -> Value {
        self.vector(name)[member].clone()
    }

    fn text(&self, name: &str, member: &str) -> &str {
        self.vector(name)[member].as_str().expect("the member is a text")
    }

    fn vector(&self, name: &str) -> &Value {
        let (section, _) = name.split_once('/').expect("names begin with their section");
        let vectors = self.0[section].as_array().expect("the section is a list");
        vectors.iter().find(|vector| vector["name"] == name).expect("the vector was just made")
    }

    /// The member with the bits of `mask` flipped in one byte.
    fn flipped(&self, name: &str, member: &str, byte: usize, mask: u8) -> Value {
        let mut bytes = bytes_of(self.vector(name), member);
        bytes[byte] ^= mask;
        json!({ member: hex(bytes) })
    }

    /// The member without its last byte.
    fn cut(&self, name: &str, member: &str) -> Value {
        let bytes = bytes_of(self.vector(name), member);
        json!({ member: hex(&bytes[..bytes.len() - 1]) })
    }

    /// The member with a part of its text replaced, once.
    fn replaced(&self, name: &str, member: &str, from: &str, to: &str) -> Value {
        json!({ member: self.text(name, member).replacen(from, to, 1) })
    }

    fn pairings(&self) -> Vec<Value> {
        let (qr, p256, typed) = ("pair/qr-ed25519", "pair/qr-p256", "pair/typed-p256");
        let reflected = json!({ "mac_runtime": self.member(qr, "mac_phone") });
        vec![
            refused("flipped-bit-in-the-phones-mac", qr, self.flipped(qr, "mac_phone", 0, 1), "mac_phone"),
            refused(
                "flipped-bit-in-the-runtimes-mac",
                qr,
                self.flipped(qr, "mac_runtime", 31, 1),
                "mac_runtime",
            ),
            refused("reflected-mac", qr, reflected, "mac_runtime"),
            refused("wrong-window", qr, self.flipped(qr, "window", 7, 1), "mac_phone"),
            refused("other-method", qr, json!({ "method": 2 }), "mac_phone"),
            refused("other-device-key", p256, self.flipped(p256, "spki_device", 90, 1), "mac_phone"),
            refused("other-connection", qr, self.flipped(qr, "exporter", 0, 1), "mac_phone"),
            refused("nonce-that-was-not-committed-to", qr, self.flipped(qr, "nonce_phone", 0, 1), "commit"),
            refused("too-little-stretching", typed, json!({ "iterations": 99_999 }), "iterations"),
            refused("too-much-stretching", typed, json!({ "iterations": 2_000_001 }), "iterations"),
        ]
    }

    fn codes(&self) -> Vec<Value> {
        let (qr, code, phrase) = ("qr/host-of-12", "code/plain", "recovery/mnemonic-7f");
        vec![
            refused("damaged-qr", qr, self.replaced(qr, "text", "B", "C"), "damaged"),
            refused("mistyped-code", code, self.replaced(code, "typed", "9", "8"), "check"),
            refused("code-with-swapped-neighbours", code, self.replaced(code, "typed", "QX", "XQ"), "check"),
            refused(
                "phrase-with-a-wrong-word",
                phrase,
                self.replaced(phrase, "words", "winner", "wine"),
                "check",
            ),
        ]
    }

    fn slots(&self) -> Vec<Value> {
        let (slot, other) = ("slot/device-1", "slot/device-2");
        let private = self.member(other, "wrap_private");
        let other_device =
            json!({ "wrap_private": private, "wrap_public": self.member(other, "wrap_public") });
        vec![
            refused("truncated-slot", slot, self.cut(slot, "slot"), "form"),
            refused("slot-of-version-0", slot, self.flipped(slot, "slot", 0, 1), "form"),
            refused("slot-of-the-hosts-kind", slot, self.flipped(slot, "slot", 1, 1 ^ 2), "form"),
            refused("slot-with-a-point-off-the-curve", slot, self.flipped(slot, "slot", 86, 1), "form"),
            refused("slot-for-another-user", slot, self.flipped(slot, "user", 15, 1), "open"),
            refused("slot-for-another-device", slot, other_device, "open"),
            refused("slot-of-another-generation", slot, self.flipped(slot, "slot", 21, 1), "open"),
            refused("phones-slot-as-the-phrases", slot, self.flipped(slot, "slot", 1, 1 ^ 3), "open"),
            refused("flipped-bit-in-a-slot", slot, self.flipped(slot, "slot", 146, 1), "open"),
        ]
    }

    fn items(&self) -> Vec<Value> {
        let (item, empty) = ("inbox/short", "inbox/empty");
        vec![
            refused("item-for-another-context", item, self.flipped(item, "context", 23, 1), "open"),
            refused("flipped-bit-in-an-item", item, self.flipped(item, "sealed", 66, 1), "open"),
            refused("truncated-item", empty, self.cut(empty, "sealed"), "form"),
        ]
    }

    fn keys(&self) -> Vec<Value> {
        let (rotation, next_key) = ("rotate/p256", "next_key/ed25519");
        let (p256, ed25519) = ("key_id/p256", "key_id/ed25519");
        let swapped = json!({ "old": self.member(next_key, "new"), "new": self.member(next_key, "old") });
        let same = json!({ "old": self.member(rotation, "new") });
        let by_old = json!({ "signature": hex(self.signed_by_old(rotation)) });
        // The last byte of the algorithm: 0x70 is Ed25519, 0x6e X25519.
        let x25519 = self.flipped(ed25519, "spki", 8, 0x70 ^ 0x6e);
        let elsewhere = self.flipped(rotation, "exporter", 0, 1);
        vec![
            refused("rotation-from-another-connection", rotation, elsewhere, "signature"),
            refused("rotation-signed-by-the-old-key", rotation, by_old, "signature"),
            refused("rotation-to-the-same-key", rotation, same, "same"),
            refused("next-key-the-other-way-round", next_key, swapped, "signature"),
            refused("key-off-the-curve", p256, self.flipped(p256, "spki", 90, 1), "key"),
            refused("key-of-x25519", ed25519, x25519, "key"),
        ]
    }

    fn rosters(&self) -> Vec<Value> {
        let (first, second, third) = ("roster/first", "roster/second-device", "roster/by-the-phrase");
        let outside = json!({ "before": self.member(first, "signed") });
        let length = bytes_of(self.vector(second), "signed").len();
        let form = self.flipped(second, "signed", 2, 1);
        let unsigned = json!({ "signed": self.without_signature(second) });
        vec![
            refused("first-roster-in-another-place", third, outside, "version"),
            refused(
                "roster-of-another-person",
                second,
                json!({ "before": self.member("roster/unsigned", "signed") }),
                "person",
            ),
            refused(
                "flipped-bit-in-a-roster",
                second,
                self.flipped(second, "signed", 2 + 58, 1),
                "signature",
            ),
            refused(
                "flipped-bit-in-a-rosters-signature",
                second,
                self.flipped(second, "signed", length - 1, 1),
                "signature",
            ),
            refused(
                "roster-after-another-one",
                second,
                self.flipped(second, "signed", 2 + 25, 1),
                "previous",
            ),
            refused("roster-of-another-form", second, form, "form"),
            refused("roster-cut-short", second, self.cut(second, "signed"), "form"),
            refused("roster-without-its-signature", second, unsigned, "signature"),
            refused(
                "roster-by-a-device-that-was-not-there",
                second,
                self.flipped(second, "signed", 2 + 66, 1),
                "author",
            ),
        ]
    }

    /// Nobody signed, and the author is still a device.
    fn without_signature(&self, name: &str) -> String {
        let bytes = bytes_of(self.vector(name), "signed");
        let body = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        hex([&bytes[..body], &[0, 0]].concat())
    }

    fn signed_by_old(&self, rotation: &str) -> Vec<u8> {
        let (random, vector) = (SystemRandom::new(), self.vector(rotation));
        let old = SigningKey::from_pkcs8(&bytes_of(vector, "old_pkcs8"), &random);
        let signature = old.expect("the key was just made").sign(&bytes_of(vector, "statement"), &random);
        signature.expect("the system gives randomness")
    }
}
