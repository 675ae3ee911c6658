//! The position of a cursor, as a string that only this store can have written.

use ring::hmac;
use runtime_types::{EntryId, Order, Query};

use super::merge::Mark;
use crate::layout::Taker;
use crate::vault::Vault;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;

/// The bytes of the query that a token authenticates.
fn query_bytes(query: &Query) -> Vec<u8> {
    let mut bytes = vec![
        query.area as u8,
        query.field as u8,
        u8::from(query.order == Order::Descending),
        u8::from(query.with_invalid),
    ];
    bytes.extend_from_slice(&query.start.to_le_bytes());
    bytes.extend_from_slice(&query.end.to_le_bytes());
    for key in &query.keys {
        bytes.push(key.as_str().len() as u8);
        bytes.extend_from_slice(key.as_str().as_bytes());
    }
    bytes
}

fn mac(vault: &Vault, query: &Query, body: &[u8]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(&vault.tokens);
    context.update(&(body.len() as u64).to_le_bytes());
    context.update(body);
    context.update(&query_bytes(query));
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&context.sign().as_ref()[..MAC_BYTES]);
    mac
}

/// Writes the position of a cursor; `None`: at the start.
pub(super) fn write(vault: &Vault, query: &Query, mark: Option<Mark>) -> String {
    let mut bytes = vec![VERSION];
    if let Some(mark) = mark {
        bytes.extend_from_slice(&mark.time.to_le_bytes());
        bytes.extend_from_slice(&mark.id.0);
    }
    let mac = mac(vault, query, &bytes);
    bytes.iter().chain(&mac).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a token; `None` for one that [`write`] did not give for this query and store.
pub(super) fn read(vault: &Vault, query: &Query, token: &str) -> Option<Option<Mark>> {
    let digits = token.as_bytes();
    if digits.len() > 2 * (21 + MAC_BYTES) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_chunks::<2>().0.iter();
    let bytes: Vec<u8> =
        pairs.map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>()?;
    let (body, claimed) = bytes.split_last_chunk::<MAC_BYTES>()?;
    let expected = mac(vault, query, body);
    // Compared in constant time, so that a mac cannot be guessed byte by byte.
    let difference = expected.iter().zip(claimed).fold(0, |all, (a, b)| all | (a ^ b));
    if difference != 0 {
        return None;
    }
    let mut from = Taker(body);
    if from.u8()? != VERSION {
        return None;
    }
    if from.0.is_empty() {
        return Some(None);
    }
    let mark = Mark { time: from.f64()?, id: EntryId(from.take()?) };
    from.0.is_empty().then_some(Some(mark))
}
