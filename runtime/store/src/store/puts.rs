//! The puts of one batch, looked up by type, key, device, and write time.
//!
//! A phone sends in the order of writing and few kinds at a time, so one comparison shows that the usual put is new.

use std::collections::HashMap;
use std::hash::Hash;

use runtime_types::StreamKey;

/// Type and key of a put, and the further members of its entry, which name the device.
pub(super) type Kind<'a> = (&'a str, &'a StreamKey, &'a str);

/// Up to this many are searched one by one; the rest is in a table.
const FEW: usize = 8;

/// Numbers things from 0; as a rule there are few of them.
pub(super) struct Numbers<T> {
    few: Vec<T>,
    more: HashMap<T, usize>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { few: Vec::new(), more: HashMap::new() }
    }
}

impl<T: Copy + Eq + Hash> Numbers<T> {
    /// The number of a thing, if it has one.
    pub fn get(&self, thing: T) -> Option<usize> {
        let few = self.few.iter().position(|known| *known == thing);
        few.or_else(|| if self.more.is_empty() { None } else { self.more.get(&thing).copied() })
    }

    /// Gives the next number to a thing without one.
    pub fn add(&mut self, thing: T) -> usize {
        let number = self.few.len() + self.more.len();
        if number < FEW {
            self.few.push(thing);
        } else {
            self.more.insert(thing, number);
        }
        number
    }
}

/// Entries of a batch by the identity of their put; the last one of an identity counts.
#[derive(Default)]
pub(super) struct Puts<'a> {
    kinds: Numbers<Kind<'a>>,
    /// By the kind's number: bits of write times that came in rising order, and the entry of each.
    rising: Vec<Vec<(u64, usize)>>,
    /// Puts that came out of order.
    others: HashMap<(usize, u64), usize>,
}

impl<'a> Puts<'a> {
    /// The entry that was put last under that identity.
    pub fn get(&self, kind: Kind<'a>, write_ts: u64) -> Option<usize> {
        let number = self.kinds.get(kind)?;
        let rising = &self.rising[number];
        if rising.last().is_none_or(|(last, _)| *last < write_ts) {
            return None;
        }
        match rising.binary_search_by_key(&write_ts, |(bits, _)| *bits) {
            Ok(at) => Some(rising[at].1),
            Err(_) => self.others.get(&(number, write_ts)).copied(),
        }
    }

    /// Notes an entry under that identity.
    pub fn put(&mut self, kind: Kind<'a>, write_ts: u64, entry: usize) {
        let number = self.kinds.get(kind).unwrap_or_else(|| {
            self.rising.push(Vec::new());
            self.kinds.add(kind)
        });
        let rising = &mut self.rising[number];
        if rising.last().is_none_or(|(last, _)| *last < write_ts) {
            rising.push((write_ts, entry));
            return;
        }
        match rising.binary_search_by_key(&write_ts, |(bits, _)| *bits) {
            Ok(at) => rising[at].1 = entry,
            Err(_) => drop(self.others.insert((number, write_ts), entry)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_put_of_a_name_is_found_and_no_other(
            puts in prop::collection::vec((0..20_usize, 0..30_u64), 0..300),
        ) {
            let keys: Vec<_> =
                (0..20).map(|key| StreamKey::parse(&format!("a/{}", key / 2)).unwrap()).collect();
            let kind = |number: usize| (["x", "y"][number % 2], &keys[number], ["", "z"][number % 3 / 2]);
            let (mut found, mut expected) = (Puts::default(), HashMap::new());
            for (entry, (number, write_ts)) in puts.into_iter().enumerate() {
                prop_assert_eq!(found.get(kind(number), write_ts), expected.get(&(number, write_ts)).copied());
                found.put(kind(number), write_ts, entry);
                expected.insert((number, write_ts), entry);
            }
            for (number, write_ts) in (0..20).flat_map(|number| (0..30).map(move |ts| (number, ts))) {
                prop_assert_eq!(found.get(kind(number), write_ts), expected.get(&(number, write_ts)).copied());
            }
        }
    }
}
