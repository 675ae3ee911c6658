//! Entries that their owner deleted for good: recognised by their digests, so that a phone that sends one again does
//! not bring it back.
//!
//! The digest of an entry is its origin (`Vault::origin`), of what the phone sent. The digests of one commit and one
//! day are in one sorted document, whose name contains the day: a put of another day computes no digest.
//!
//! * Units: days since 1970-01-01 in UTC, of `write_ts`; 8 bytes a digest, little-endian.
//! * Invariants: these documents are only added; they hold nothing of an entry but its digest.
//! * Not here: which entries are forgotten (`runtime/user`, `forget`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::index::{Document, Index};
use crate::vault::Vault;
use crate::{DOCUMENT_BYTES_MAX, ReadError};

/// The prefix of the names of these documents. No cell is granted such names.
pub const FORGOTTEN_PREFIX: &str = "runtime/forgotten/";
const DIGEST_BYTES: usize = 8;
const DIGESTS_MAX: usize = DOCUMENT_BYTES_MAX / DIGEST_BYTES;
const DAY_S: f64 = 86_400.0;

/// A forgotten entry: when it was written, s, and its digest.
pub(crate) type Digest = (f64, u64);

/// The day on which an entry was written; an entry without that time is looked for on all days.
pub(crate) fn day_of(write_ts: f64) -> i64 {
    // Saturates, and is 0 for a value that is not a number.
    (write_ts / DAY_S).floor() as i64
}

/// The content of one document.
struct Set {
    day: i64,
    document: Arc<Document>,
    content: Option<Arc<[u8]>>,
}

/// All digests of a store; read from disk only when they are needed.
pub(crate) struct Forgotten(Vec<Set>);

impl Forgotten {
    /// Looks only at names.
    pub fn of(index: &Index) -> Self {
        let from = index.documents.range(FORGOTTEN_PREFIX.to_owned()..);
        let named = from.map_while(|(name, document)| Some((name.strip_prefix(FORGOTTEN_PREFIX)?, document)));
        let sets = named.filter_map(|(name, document)| {
            let (day, _) = name.split_once('_')?;
            Some(Set { day: day.parse().ok()?, document: Arc::clone(document), content: None })
        });
        Self(sets.collect())
    }

    /// Whether nothing was ever forgotten.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an entry that was written then is forgotten; `digest` is called only where that is possible.
    pub fn has(
        &mut self,
        vault: &Vault,
        write_ts: f64,
        digest: impl FnOnce() -> u64,
    ) -> Result<bool, ReadError> {
        let day = day_of(write_ts);
        let mut sets = self.0.iter_mut().filter(|set| write_ts.is_nan() || set.day == day).peekable();
        if sets.peek().is_none() {
            return Ok(false);
        }
        let digest = digest();
        for set in sets {
            let content = match &set.content {
                Some(content) => content,
                None => set.content.insert(vault.document(&set.document)?),
            };
            let (digests, _) = content.as_chunks::<DIGEST_BYTES>();
            if digests.binary_search_by_key(&digest, |bytes| u64::from_le_bytes(*bytes)).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The documents that keep these digests, beside those of `index`.
pub(crate) fn documents(index: &Index, digests: Vec<Digest>) -> Vec<(String, Vec<u8>)> {
    let mut days: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for (write_ts, digest) in digests {
        days.entry(day_of(write_ts)).or_default().push(digest);
    }
    let mut documents = Vec::new();
    for (day, mut digests) in days {
        digests.sort_unstable();
        let mut number = 0;
        for some in digests.chunks(DIGESTS_MAX) {
            let name = |number: usize| format!("{FORGOTTEN_PREFIX}{day}_{number}");
            while index.documents.contains_key(&name(number)) {
                number += 1;
            }
            documents.push((name(number), some.iter().flat_map(|digest| digest.to_le_bytes()).collect()));
            number += 1;
        }
    }
    documents
}
