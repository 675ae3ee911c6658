#!/usr/bin/env python3
"""Checks the test vectors of upc/1 without the Rust code: Python's standard library, and libcrypto for curves and AES.

    vectors.py [FILE | -]      default: ../vectors/upc-1.json beside this script; -: standard input

One line a vector, then a total. Exit status: 0 all hold, 1 one does not, 77 this machine cannot check them.
Written from the protocol's description, not from the Rust: what both accept is what the description says.
"""

import sys

if sys.version_info < (3, 9):
    print("SKIPPED: Python 3.9 or newer is needed")
    sys.exit(77)

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import pathlib
import re
import zlib

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
# SubjectPublicKeyInfo: a sequence of an algorithm and a bit string.
SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


class Refused(Exception):
    """A reader of the protocol would stop here."""


class Differs(Exception):
    """Nothing is wrong with the input, but the vector states something else."""


def stop_unless(condition, at):
    if not condition:
        raise Refused(at)


def same(computed, stated, member):
    if isinstance(computed, bytes):
        computed = computed.hex()
    if computed != stated:
        raise Differs(f"{member}: computed {computed}, stated {stated}")


# ---------------------------------------------------------------- libcrypto

class Crypto:
    """The four things that the standard library lacks."""

    def __init__(self, name):
        library = ctypes.CDLL(name)
        pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
        whole, long, out = ctypes.c_int, ctypes.c_long, ctypes.POINTER
        signatures = {
            "EVP_CIPHER_CTX_new": (pointer, []),
            "EVP_CIPHER_CTX_free": (None, [pointer]),
            "EVP_CIPHER_CTX_ctrl": (whole, [pointer, whole, whole, text]),
            "EVP_aes_256_gcm": (pointer, []),
            "EVP_DecryptInit_ex": (whole, [pointer, pointer, pointer, text, text]),
            "EVP_DecryptUpdate": (whole, [pointer, text, out(whole), text, whole]),
            "EVP_DecryptFinal_ex": (whole, [pointer, text, out(whole)]),
            "d2i_PUBKEY": (pointer, [pointer, out(text), long]),
            "d2i_AutoPrivateKey": (pointer, [pointer, out(text), long]),
            "i2d_PUBKEY": (whole, [pointer, out(text)]),
            "EVP_PKEY_free": (None, [pointer]),
            "EVP_PKEY_CTX_new": (pointer, [pointer, pointer]),
            "EVP_PKEY_CTX_free": (None, [pointer]),
            "EVP_PKEY_derive_init": (whole, [pointer]),
            "EVP_PKEY_derive_set_peer": (whole, [pointer, pointer]),
            "EVP_PKEY_derive": (whole, [pointer, text, out(size)]),
            "EVP_MD_CTX_new": (pointer, []),
            "EVP_MD_CTX_free": (None, [pointer]),
            "EVP_sha256": (pointer, []),
            "EVP_DigestVerifyInit": (whole, [pointer, pointer, pointer, pointer, pointer]),
            "EVP_DigestVerify": (whole, [pointer, text, size, text, size]),
        }
        for function, (result, arguments) in signatures.items():
            entry = getattr(library, function)
            entry.restype, entry.argtypes = result, arguments
        self.c = library

    def _key(self, reader, der):
        key = reader(None, ctypes.byref(ctypes.c_char_p(der)), len(der))
        if not key:
            raise ValueError("libcrypto takes no such key")
        return key

    def public_of(self, private_der):
        """The SubjectPublicKeyInfo of a private key in any DER form."""
        key = self._key(self.c.d2i_AutoPrivateKey, private_der)
        try:
            room = ctypes.create_string_buffer(256)
            length = self.c.i2d_PUBKEY(key, ctypes.byref(ctypes.c_char_p(ctypes.addressof(room))))
            return room.raw[:length]
        finally:
            self.c.EVP_PKEY_free(key)

    def agree(self, scalar, point):
        """ECDH on P-256: the x coordinate."""
        mine = self._key(self.c.d2i_AutoPrivateKey, ec_private_der(scalar))
        theirs = self._key(self.c.d2i_PUBKEY, SPKI_P256 + point)
        context = self.c.EVP_PKEY_CTX_new(mine, None)
        try:
            x, length = ctypes.create_string_buffer(32), ctypes.c_size_t(32)
            done = (
                self.c.EVP_PKEY_derive_init(context) == 1
                and self.c.EVP_PKEY_derive_set_peer(context, theirs) == 1
                and self.c.EVP_PKEY_derive(context, x, ctypes.byref(length)) == 1
            )
            if not done:
                raise ValueError("no agreement")
            return x.raw[: length.value]
        finally:
            self.c.EVP_PKEY_CTX_free(context)
            self.c.EVP_PKEY_free(theirs)
            self.c.EVP_PKEY_free(mine)

    def open(self, key, nonce, about, sealed):
        """AES-256-GCM with the tag at the end; None where it does not open."""
        body, tag = sealed[:-16], sealed[-16:]
        context = self.c.EVP_CIPHER_CTX_new()
        plain, length = ctypes.create_string_buffer(len(body) + 16), ctypes.c_int()
        set_tag = 0x11
        try:
            done = (
                self.c.EVP_DecryptInit_ex(context, self.c.EVP_aes_256_gcm(), None, key, nonce) == 1
                and self.c.EVP_DecryptUpdate(context, None, ctypes.byref(length), about, len(about)) == 1
                and self.c.EVP_DecryptUpdate(context, plain, ctypes.byref(length), body, len(body)) == 1
                and self.c.EVP_CIPHER_CTX_ctrl(context, set_tag, 16, tag) == 1
                and self.c.EVP_DecryptFinal_ex(context, None, ctypes.byref(length)) == 1
            )
            return plain.raw[: len(body)] if done else None
        finally:
            self.c.EVP_CIPHER_CTX_free(context)

    def verify(self, spki, message, signature):
        """Ed25519, or ECDSA on P-256 with SHA-256 and a DER signature, as the key says."""
        key = self._key(self.c.d2i_PUBKEY, spki)
        context = self.c.EVP_MD_CTX_new()
        digest = None if spki.startswith(SPKI_ED25519) else self.c.EVP_sha256()
        try:
            return (
                self.c.EVP_DigestVerifyInit(context, None, digest, None, key) == 1
                and self.c.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1
            )
        finally:
            self.c.EVP_MD_CTX_free(context)
            self.c.EVP_PKEY_free(key)


def ec_private_der(scalar):
    """RFC 5915, named curve, without the public half: libcrypto computes that."""
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    body = bytes.fromhex("020101") + b"\x04\x20" + scalar + curve
    return b"\x30" + bytes([len(body)]) + body


# ------------------------------------------------------------ building blocks

def unhex(vector, member):
    return bytes.fromhex(vector[member])


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def mac_of(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def hkdf(salt, secret, info):
    """RFC 5869, one block of output."""
    return mac_of(mac_of(salt or bytes(32), secret), info, b"\x01")


def on_curve(point):
    if len(point) != 65 or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < P256_PRIME and y < P256_PRIME and (y * y - x**3 + 3 * x - P256_B) % P256_PRIME == 0


def key_is_taken(spki):
    if len(spki) == 44:
        return spki.startswith(SPKI_ED25519) and any(spki[12:])
    return len(spki) == 91 and spki.startswith(SPKI_P256) and on_curve(spki[26:])


def normalise(typed):
    """As people type Crockford's letters."""
    return re.sub(r"[-\s]", "", typed).upper().translate(str.maketrans("OIL", "011"))


def read_code(typed):
    text = normalise(typed)
    stop_unless(len(text) == 20 and all(letter in CROCKFORD for letter in text), "form")
    total = sum(CROCKFORD.index(letter) * pow(3, place, 31) for place, letter in enumerate(text[:19]))
    stop_unless(CROCKFORD[total % 31] == text[19], "check")
    return text


# ------------------------------------------------------------------ pairing

def check_pair(vector, _):
    window = unhex(vector, "window")
    if "code" in vector:
        stop_unless(100_000 <= vector["iterations"] <= 2_000_000, "iterations")
        password = read_code(vector["code"])[4:].encode()
        secret = hashlib.pbkdf2_hmac("sha256", password, window, vector["iterations"])
        same(secret, vector["stretched"], "stretched")
    else:
        secret = unhex(vector, "secret")
    nonce_phone, exporter = unhex(vector, "nonce_phone"), unhex(vector, "exporter")
    stop_unless(sha256(nonce_phone) == unhex(vector, "commit"), "commit")
    proven = [bytes([vector["method"]]), window, unhex(vector, "spki_runtime"), unhex(vector, "spki_device")]
    proven += [exporter, unhex(vector, "commit"), unhex(vector, "nonce_runtime")]
    digest = sha256(b"upc/pair/1\0", *(len(part).to_bytes(2, "big") + part for part in proven))
    mac_phone = mac_of(hkdf(window, secret, b"upc/pair/1 phone"), digest, nonce_phone)
    stop_unless(mac_phone == unhex(vector, "mac_phone"), "mac_phone")
    mac_runtime = mac_of(hkdf(window, secret, b"upc/pair/1 runtime"), digest, nonce_phone, mac_phone)
    stop_unless(mac_runtime == unhex(vector, "mac_runtime"), "mac_runtime")
    same(digest, vector["transcript"], "transcript")
    number = int.from_bytes(mac_of(exporter, b"sas", digest, nonce_phone)[:4], "big") % 10**6
    same(f"{number:06}", vector["digits"], "digits")


def check_qr(vector, _):
    text = vector["text"].upper()
    stop_unless(text.startswith("UPC1:"), "form")
    body = text[5:]
    data = base64.b32decode(body + "=" * (-len(body) % 8))
    stop_unless(data[0] == 1 and len(data) == 77 + data[76] + 4, "form")
    stop_unless(zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "big"), "damaged")
    same(data[1], 1 if vector["replaces"] else 0, "replaces")
    for member, start, end in [("window", 2, 10), ("secret", 10, 26), ("pin", 26, 58), ("label", 58, 74)]:
        same(data[start:end], vector[member], member)
    same(int.from_bytes(data[74:76], "big"), vector["port"], "port")
    same(data[77:-4].decode("ascii"), vector["host"], "host")


def check_code(vector, _):
    text = read_code(vector["typed"])
    same("-".join(text[at:at + 4] for at in range(0, 20, 4)), vector["canonical"], "canonical")
    same(text[:4], vector["selector"], "selector")
    same("p-" + text[:4].lower(), vector["server_label"], "server_label")
    same(text[4:], vector["password"], "password")


# ---------------------------------------------------------------------- keys

def check_recovery(vector, crypto):
    words, indices, entropy = vector["words"].lower().split(), vector["indices"], unhex(vector, "entropy")
    stop_unless(len(words) == 24, "form")
    # The list of 2,048 words is not at hand. It is sorted, so words and numbers must be in the same order.
    fit = all((a < b, a == b) == (i < j, i == j) for a, i in zip(words, indices) for b, j in zip(words, indices))
    stop_unless(fit, "check")
    bits = "".join(f"{index:011b}" for index in indices)
    same(bits[:256], f"{int.from_bytes(entropy, 'big'):0256b}", "indices")
    stop_unless(bits[256:] == f"{sha256(entropy)[0]:08b}", "check")
    candidates = (hkdf(b"", entropy, b"upc/recovery/1" + bytes([counter])) for counter in range(256))
    private = next(key for key in candidates if 0 < int.from_bytes(key, "big") < P256_ORDER)
    same(private, vector["private"], "private")
    same(crypto.public_of(ec_private_der(private)), (SPKI_P256 + unhex(vector, "public")).hex(), "public")


def check_slot(vector, crypto):
    slot, user = unhex(vector, "slot"), unhex(vector, "user")
    stop_unless(len(slot) == 147 and slot[0] == 1 and slot[1] in (1, 3) and on_curve(slot[22:87]), "form")
    head, slot_id, generation, ephemeral = slot[:2], slot[2:18], slot[18:22], slot[22:87]
    private = unhex(vector, "wrap_private")
    public = crypto.public_of(ec_private_der(private))[len(SPKI_P256):]
    same(public, vector["wrap_public"], "wrap_public")
    shared = crypto.agree(private, ephemeral)
    kek = hkdf(slot_id, shared, b"upc/slot/1" + ephemeral + public + generation)
    data_key = crypto.open(kek, slot[87:99], head + user + slot_id + generation + public, slot[99:])
    stop_unless(data_key is not None, "open")
    same(data_key, vector["data_key"], "data_key")
    same(shared, vector["shared"], "shared")
    same(kek, vector["kek"], "kek")
    same(slot_id, vector["id"], "id")
    same(int.from_bytes(generation, "big"), vector["generation"], "generation")
    same(slot[1], vector["kind"], "kind")


def check_inbox(vector, crypto):
    sealed = unhex(vector, "sealed")
    stop_unless(82 <= len(sealed) <= 82 + 64 * 2**20 and sealed[0] == 1, "form")
    ephemeral = sealed[1:66]
    stop_unless(on_curve(ephemeral), "open")
    private = unhex(vector, "private")
    public = crypto.public_of(ec_private_der(private))[len(SPKI_P256):]
    same(public, vector["public"], "public")
    shared = crypto.agree(private, ephemeral)
    key = hkdf(b"", shared, b"upc/inbox/1" + ephemeral + public)
    item = crypto.open(key, bytes(12), b"\x01" + unhex(vector, "context"), sealed[66:])
    stop_unless(item is not None, "open")
    same(item, vector["item"], "item")
    same(shared, vector["shared"], "shared")
    same(key, vector["key"], "key")


def check_head(vector, _):
    same(len(vector["batches"]), len(vector["heads"]), "heads")
    chain = bytes(32)
    for number, (batch, head) in enumerate(zip(vector["batches"], vector["heads"]), start=1):
        chain = sha256(chain, number.to_bytes(8, "big"), bytes.fromhex(batch))
        same({"seq": number, "hash": chain.hex()}, head, "heads")


def check_rollback(vector, _):
    last, now = vector["last"], vector["now"]
    verdict = "accepted"
    if last and not now and not vector["locked"]:
        verdict = "missing"
    elif last and now and now["seq"] < last["seq"]:
        verdict = "older"
    elif last and now and now["seq"] == last["seq"] and now["hash"] != last["hash"]:
        verdict = "forked"
    same(verdict, vector["verdict"], "verdict")


def check_statement(vector, crypto, prefix, signer):
    old, new, signature = unhex(vector, "old"), unhex(vector, "new"), unhex(vector, "signature")
    stop_unless(key_is_taken(old) and key_is_taken(new) and len(signature) <= 72, "form")
    stop_unless(old != new, "same")
    statement = prefix + old + new
    stop_unless(crypto.verify(unhex(vector, signer), statement, signature), "signature")
    same(statement, vector["statement"], "statement")
    for member in ("old", "new"):
        same(crypto.public_of(ring_pkcs8(unhex(vector, member + "_pkcs8"))), vector[member], member)


def ring_pkcs8(der):
    """Keys of Ed25519 are in version 2 of PKCS#8 (RFC 5958), which libcrypto does not read; the seed is at 16."""
    if der[0] == 0x30 and b"\x06\x03\x2b\x65\x70" in der[:16]:
        return bytes.fromhex("302e020100300506032b657004220420") + der[16:48]
    return der


def check_rotate(vector, crypto):
    check_statement(vector, crypto, b"upc/rotate/1" + unhex(vector, "exporter"), "new")


def check_next_key(vector, crypto):
    check_statement(vector, crypto, b"upc/next-key/1", "old")


# -------------------------------------------------------------------- rosters

SCOPES = ["usercache:put", "usercache:get", "datastreams:read", "profile", "pipeline:read", "admin"]


class Bytes:
    """Takes bytes from the front."""

    def __init__(self, content):
        self.left = content

    def take(self, count):
        stop_unless(len(self.left) >= count, "form")
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def lp(self):
        return self.take(self.number(2))

    def end(self):
        stop_unless(not self.left, "form")


def read_roster(body):
    """A roster's content; every rule of its form."""
    reader = Bytes(body)
    stop_unless(reader.number(1) == 1, "form")
    roster = {"user": reader.take(16), "version": reader.number(8), "previous": reader.take(32), "at_ms": reader.number(8)}
    author, device, flags = reader.number(1), reader.take(16), reader.number(1)
    stop_unless(author in (0, 1, 2) and (author == 1 or not any(device)) and flags < 2, "form")
    roster["author"] = ["nobody", device.hex(), "phrase"][author]
    roster["unattended"], roster["generation"] = flags == 1, reader.number(4)
    roster["inbox"], roster["phrase"] = reader.lp(), reader.lp()
    stop_unless(all(not key or on_curve(key) for key in (roster["inbox"], roster["phrase"])), "form")
    roster["devices"] = {}
    ids, wraps = [], [roster["phrase"]]
    for _ in range(reader.number(1)):
        ids.append(reader.take(16))
        spki, wrap, scopes, name = reader.lp(), reader.take(65), reader.number(1), reader.lp().decode("utf-8")
        stop_unless(key_is_taken(spki) and on_curve(wrap) and scopes < 64 and 0 < len(name.encode()) <= 64, "form")
        wraps.append(wrap)
        may = ",".join(scope for bit, scope in enumerate(SCOPES) if scopes >> bit & 1)
        roster["devices"][ids[-1].hex()] = (spki, f"{ids[-1].hex()} {spki.hex()} {wrap.hex()} {may} {name}")
    roster["tokens"] = [reader.take(32) for _ in range(reader.number(1))]
    reader.end()
    keys = [spki for spki, _ in roster["devices"].values()]
    for rising in (ids, roster["tokens"]):
        stop_unless(all(one < other for one, other in zip(rising, rising[1:])), "form")
    stop_unless(len(set(keys)) == len(ids) and len(set(wraps)) == len(wraps), "form")
    stop_unless(roster["version"] > 0 and len(ids) <= 32 and len(roster["tokens"]) <= 64, "form")
    return roster


def read_signed(content):
    reader = Bytes(content)
    body, signature = reader.lp(), reader.lp()
    reader.end()
    stop_unless(len(signature) <= 72, "form")
    return read_roster(body), body, signature


def check_roster(vector, crypto):
    prefix = b"upc/roster/1\0"
    roster, body, signature = read_signed(unhex(vector, "signed"))
    before = {"user": unhex(vector, "user"), "version": 0, "generation": 0}
    previous, by = bytes(32), roster
    if vector["before"]:
        before, earlier, _ = read_signed(unhex(vector, "before"))
        previous = sha256(prefix, earlier)
        # Who was signed for by nobody until now begins as with a first roster.
        by = before if before["devices"] or before["phrase"] else roster
    stop_unless(roster["user"] == before["user"], "person")
    stop_unless(roster["version"] == before["version"] + 1, "version")
    stop_unless(roster["previous"] == previous, "previous")
    stop_unless(roster["generation"] >= before["generation"], "generation")
    author = roster["author"]
    if author == "nobody":
        # Nobody signs only where nobody can; a first roster may name a phrase that nobody has used yet.
        can = roster["devices"] if by is roster and not vector["before"] else before.get("devices") or before.get("phrase")
        stop_unless(not can, "author")
        stop_unless(not signature, "signature")
    elif author == "phrase":
        stop_unless(by is not roster and by["phrase"], "author")
        stop_unless(crypto.verify(SPKI_P256 + by["phrase"], prefix + body, signature), "signature")
    else:
        stop_unless(author in by["devices"], "author")
        stop_unless(crypto.verify(by["devices"][author][0], prefix + body, signature), "signature")
    same(sha256(prefix, body), vector["hash"], "hash")
    for member in ("user", "version", "previous", "at_ms", "author", "unattended", "generation", "inbox", "phrase"):
        same(roster[member], vector[member], member)
    same("\n".join(line for _, line in roster["devices"].values()), vector["devices"], "devices")
    same(" ".join(token.hex() for token in roster["tokens"]), vector["tokens"], "tokens")


# --------------------------------------------------------------------- names

def check_token(vector, _):
    text = normalise(vector["typed"])
    stop_unless(len(text) == 38 and all(letter in CROCKFORD for letter in text), "form")
    same(text, vector["canonical"], "canonical")
    same(sha256(b"cellar bearer token v1\0", text.encode()), vector["hash"], "hash")


def check_label(vector, _):
    text = base64.b32encode(unhex(vector, "bytes")).decode().rstrip("=").lower()
    same(text, vector["text"], "text")


def check_key_id(vector, _):
    spki = unhex(vector, "spki")
    stop_unless(key_is_taken(spki), "key")
    same("ed25519" if len(spki) == 44 else "p256", vector["kind"], "kind")
    same(sha256(spki), vector["pin"], "pin")
    same(sha256(spki)[:16], vector["device_id"], "device_id")


def check_seal(vector, crypto):
    """A value of the store: version, algorithm, boot 16, counter 8, from version 2 on a nonce 12, then AES-256-GCM."""
    sealed, key = unhex(vector, "sealed"), unhex(vector, "key")
    stop_unless(len(sealed) >= 42 and sealed[0] in (1, 2) and sealed[1] == 1, "form")
    boot, counter = sealed[2:18], sealed[18:26]
    place = unhex(vector, "place")
    about = b"cellar/sealed/1" + unhex(vector, "user") + bytes([len(place)]) + place + unhex(vector, "context")
    if sealed[0] == 1:
        nonce, body = bytes(4) + counter, sealed[26:]
    else:
        stop_unless(len(sealed) >= 54, "form")
        nonce, body, about = sealed[26:38], sealed[38:], about + counter
    plain = crypto.open(hkdf(b"", key, b"cellar/seal/1" + boot), nonce, about, body)
    stop_unless(plain is not None, "open")
    same(plain, vector["plain"], "plain")
    if sealed[0] == 2:
        derived = hkdf(b"", key, b"cellar/seal-nonce/1" + boot)
        made = hmac.new(derived, len(about).to_bytes(8, "little") + about + plain, hashlib.sha256).digest()[:12]
        same(made, nonce.hex(), "nonce")


CHECKS = {
    "pair": check_pair,
    "digits": check_pair,
    "qr": check_qr,
    "code": check_code,
    "recovery": check_recovery,
    "slot": check_slot,
    "inbox": check_inbox,
    "head": check_head,
    "rollback": check_rollback,
    "rotate": check_rotate,
    "next_key": check_next_key,
    "token": check_token,
    "label": check_label,
    "key_id": check_key_id,
    "roster": check_roster,
    "seal": check_seal,
}


def judge(name, vector, by_name, crypto):
    """None where the vector holds, or what is wrong with it."""
    section = name.split("/")[0]
    wanted = None
    if section == "refused":
        base = by_name[vector["like"]]
        section, wanted, vector = vector["like"].split("/")[0], vector["at"], {**base, **vector["changed"]}
        if vector == base:
            return "changes nothing"
    try:
        CHECKS[section](vector, crypto)
    except Refused as refused:
        at = str(refused)
        return None if at == wanted else f"refused at {at}, wanted {wanted}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"accepted, wanted a refusal at {wanted}" if wanted else None


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "vectors" / "upc-1.json"
    name = ctypes.util.find_library("crypto")
    # The one that comes with macOS ends a process that loads it.
    if not name or name.startswith("/usr/lib/libcrypto.dylib"):
        print("SKIPPED: libcrypto was not found")
        return 77
    try:
        crypto = Crypto(name)
    except (OSError, AttributeError) as error:
        print(f"SKIPPED: libcrypto cannot be used: {error}")
        return 77
    content = json.load(sys.stdin if path == "-" else open(path, encoding="utf-8"))
    vectors = [vector for section in content.values() if isinstance(section, list) for vector in section]
    by_name = {vector["name"]: vector for vector in vectors}
    wrong = 0
    for vector in vectors:
        problem = judge(vector["name"], vector, by_name, crypto)
        wrong += problem is not None
        print(f"{'ok   ' if problem is None else 'WRONG'} {vector['name']}{f': {problem}' if problem else ''}")
    print(f"{len(vectors) - wrong} of {len(vectors)} vectors hold")
    return 1 if wrong or not vectors or len(by_name) != len(vectors) else 0


if __name__ == "__main__":
    sys.exit(main())
