//! Places for connections: who may have one, and who loses one when all are taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use thiserror::Error;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoPlace {
    /// The holder has as many as one may have.
    #[error("{held} connections are open from there already")]
    Holder {
        /// How many it has.
        held: usize,
    },
    /// All are taken, and nobody has more than the newcomer.
    #[error("all {places} places are taken")]
    Everybody {
        /// How many there are.
        places: usize,
    },
}

/// A number of places that the holders `K` share. If all are taken, a newcomer gets the oldest place of the holder who
/// has the most, unless it has as many itself. So many connections of a few holders never keep another holder out.
#[derive(Debug, Clone)]
pub struct Places<K> {
    max: usize,
    taken: usize,
    /// The connections of each holder, the oldest first.
    held: BTreeMap<K, VecDeque<u64>>,
}

impl<K: Ord + Clone> Places<K> {
    /// `max` places, at least 1.
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), taken: 0, held: BTreeMap::new() }
    }

    /// Gives a holder, who may have `each_max`, a place for a connection. The number of the connection must be new and
    /// larger than those before. Returns the connection that loses its place, which no longer counts.
    ///
    /// # Errors
    /// [`NoPlace`]; nothing has changed then.
    pub fn enter(&mut self, holder: K, each_max: usize, connection: u64) -> Result<Option<u64>, NoPlace> {
        let held = self.held.get(&holder).map_or(0, VecDeque::len);
        if held >= each_max {
            return Err(NoPlace::Holder { held });
        }
        let mut ended = None;
        if self.taken >= self.max {
            let oldest = |held: &VecDeque<u64>| Reverse(held.front().copied().unwrap_or(u64::MAX));
            let most = self.held.iter().max_by_key(|(_, held)| (held.len(), oldest(held)));
            let loser = most.filter(|(_, most)| most.len() > held).map(|(loser, _)| loser.clone());
            let loser = loser.ok_or(NoPlace::Everybody { places: self.max })?;
            ended = self.held.get(&loser).and_then(VecDeque::front).copied();
            ended.inspect(|ended| self.leave(&loser, *ended));
        }
        self.held.entry(holder).or_default().push_back(connection);
        self.taken += 1;
        Ok(ended)
    }

    /// A connection has ended, or has gone to other places. Does nothing for one that has lost its place.
    pub fn leave(&mut self, holder: &K, connection: u64) {
        let Some(held) = self.held.get_mut(holder) else { return };
        if let Some(at) = held.iter().position(|one| *one == connection) {
            held.remove(at);
            self.taken -= 1;
        }
        if held.is_empty() {
            self.held.remove(holder);
        }
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken
    }
}
