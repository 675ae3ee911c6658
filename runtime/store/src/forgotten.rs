//! Entries that their owner had forgotten: known again by their digests, so that a phone that sends one again does not
//! bring it back.
//!
//! The digest of an entry is its origin (`Vault::origin`), of what the phone sent. Digests of one commit lie in a document,
//! sorted, whose name says between which days the entries were written: a put of another day computes no digest.
//!
//! * Units: days since 1970-01-01 in UTC, of `write_ts`; 8 bytes a digest, little-endian.
//! * Invariants: these documents are only added; they hold nothing of an entry but its digest.
//! * Not here: which entries are forgotten (`runtime/user`, `forget`).

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::index::{Document, Index};
use crate::vault::Vault;
use crate::{DOCUMENT_BYTES_MAX, ReadError};

/// What names of these documents begin with. No cell is granted such names.
pub const FORGOTTEN_PREFIX: &str = "runtime/forgotten/";
const DIGEST_BYTES: usize = 8;
const DIGESTS_MAX: usize = DOCUMENT_BYTES_MAX / DIGEST_BYTES;
const DAY_S: f64 = 86_400.0;

/// An entry that is forgotten: when it was written, s, and its digest.
pub(crate) type Digest = (f64, u64);

fn day_of(write_ts: f64) -> i64 {
    // Saturates, and NaN is day 0; such entries are asked for everywhere.
    (write_ts / DAY_S).floor() as i64
}

/// What one document holds.
struct Set {
    days: RangeInclusive<i64>,
    document: Arc<Document>,
    content: Option<Arc<[u8]>>,
}

/// All digests of a store; read from disk as far as they are asked for.
#[derive(Default)]
pub(crate) struct Forgotten(Vec<Set>);

impl Forgotten {
    /// Looks at names alone.
    pub fn of(index: &Index) -> Self {
        let from = index.documents.range(FORGOTTEN_PREFIX.to_owned()..);
        let named = from.map_while(|(name, document)| Some((name.strip_prefix(FORGOTTEN_PREFIX)?, document)));
        let sets = named.filter_map(|(name, document)| {
            let (first, rest) = name.split_once('_')?;
            let (last, _) = rest.split_once('_')?;
            let days = first.parse().ok()?..=last.parse().ok()?;
            Some(Set { days, document: Arc::clone(document), content: None })
        });
        Self(sets.collect())
    }

    /// Whether nothing was ever forgotten.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an entry that was written then is forgotten; `digest` is asked for only where that can be.
    pub fn has(
        &mut self,
        vault: &Vault,
        write_ts: f64,
        digest: impl FnOnce() -> u64,
    ) -> Result<bool, ReadError> {
        let day = day_of(write_ts);
        let mut sets =
            self.0.iter_mut().filter(|set| write_ts.is_nan() || set.days.contains(&day)).peekable();
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
pub(crate) fn documents(index: &Index, mut digests: Vec<Digest>) -> Vec<(String, Vec<u8>)> {
    digests.sort_by_key(|(write_ts, digest)| (day_of(*write_ts), *digest));
    let mut number = Forgotten::of(index).0.len();
    let mut documents = Vec::new();
    for some in digests.chunks(DIGESTS_MAX) {
        let days = some.iter().map(|(write_ts, _)| day_of(*write_ts));
        let (Some(first), Some(last)) = (days.clone().min(), days.max()) else { continue };
        let mut sorted: Vec<u64> = some.iter().map(|(_, digest)| *digest).collect();
        sorted.sort_unstable();
        let content = sorted.iter().flat_map(|digest| digest.to_le_bytes()).collect();
        // Two of one commit must not have one name, nor one that is there.
        while index.documents.contains_key(&name(first, last, number)) {
            number += 1;
        }
        documents.push((name(first, last, number), content));
        number += 1;
    }
    documents
}

fn name(first: i64, last: i64, number: usize) -> String {
    format!("{FORGOTTEN_PREFIX}{first}_{last}_{number}")
}
