//! Keys at rest: who can open a person's data, how keys are replaced, and how a roll-back is noticed.
//!
//! ```text
//! wrap key of a phone            recovery phrase, 24 words           secret of the host
//! (P-256, in its hardware)         │ HKDF                              │ `runtime/store`
//!   │ ECDH with a fresh          P-256 key                             │
//!   │ ephemeral key                │ the same                          │
//!   ├──────────────────────────────┘                                   │
//! slot (kinds 1 and 3): AES-256-GCM                                  slot (kind 2)
//!   └──────────────────────────────┬───────────────────────────────────┘
//!                          data key, 32 random bytes, of a generation
//!                ┌─────────────────┴──────────────────┐
//!          keyring of `runtime/store`          private half of the inbox
//!          a key a stream and month            ▲ what came in while the store was locked
//!                                              └ sealed to the public half
//! ```
//!
//! * Holds: [`Slot`], a data key for one phone or phrase; [`WrapKey`], the phone's half of it in software, and
//!   [`Agree`], the interface of hardware in its place; [`Phrase`]; [`InboxPub`] and [`InboxKey`]; [`SigningKey`], with
//!   which TLS and statements are signed, and the statements themselves; [`Head`], the chain of commits.
//! * Units: sizes are bytes, generations and sequence numbers count from 1.
//! * Invariants: sealing needs only public halves, so a runtime renews every slot while the phones are away; each seal
//!   has a fresh ephemeral key, so that no key seals twice; a sealed value opens only with its key, person and context.
//!   Secrets are wiped when dropped, except the copies that `ring` keeps.
//! * Not here: the slot that opens without its owner and the keys below the data key (`runtime/store`), files.

mod agree;
mod head;
mod inbox;
mod phrase;
mod rotate;
mod signing;
mod slot;
mod wrap;

pub use agree::{Agree, BadPrivateKey};
pub use head::{Head, RolledBack, check_head};
pub use inbox::{
    Envelope, INBOX_HEAD_BYTES, INBOX_ITEM_BYTES_MAX, INBOX_OVERHEAD_BYTES, InboxKey, InboxPub,
    OpenItemError, SealItemError,
};
pub use phrase::{BadPhrase, PHRASE_WORDS, Phrase};
pub(crate) use rotate::verify_signature;
pub use rotate::{
    BadStatement, SIGNATURE_BYTES_MAX, next_key_statement, rotation_statement, sign_next_key, sign_rotation,
    verify_next_key, verify_rotation,
};
pub use signing::{BadSigningKey, PKCS8_BYTES_MAX, SigningKey};
pub use slot::{BadSlot, OpenSlotError, SLOT_BYTES, Slot, SlotKind};
pub use wrap::WrapKey;
