//! An engine in memory, for stores that are not kept. For tests it can lose power: unsynced data may be lost, and
//! synced data must not be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, Key, Kind, Op};
use crate::EngineError;

const NAME: &str = "memory";

/// What survives closing the engine; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    values: BTreeMap<Key, Vec<u8>>,
    /// Crash points passed since the disk was made: two a commit, before its sync and after.
    points: u64,
    /// The crash point at which power goes.
    dies_at: Option<u64>,
    dead: bool,
}

impl MemoryDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An engine over the data of the disk.
    pub fn engine(&self) -> Box<dyn Engine> {
        Box::new(Memory(self.clone()))
    }

    /// How many crash points there have been.
    pub fn points(&self) -> u64 {
        self.state().points
    }

    /// Makes power fail at that crash point: at an even one the commit is lost, at an odd one it is on disk but is not
    /// acknowledged.
    pub fn die_at(&self, point: u64) {
        self.state().dies_at = Some(point);
    }

    /// Power is back.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dies_at = None;
        state.dead = false;
    }

    /// Changes one bit of one value, counted over all of them; returns whether there was such a bit.
    pub fn flip(&self, bit: usize) -> bool {
        let mut at = bit / 8;
        for value in self.state().values.values_mut() {
            if at < value.len() {
                value[at] ^= 1 << (bit % 8);
                return true;
            }
            at -= value.len();
        }
        false
    }

    /// All values together.
    pub fn bytes(&self) -> usize {
        self.state().values.values().map(Vec::len).sum()
    }
}

impl State {
    fn alive(&self) -> Result<(), EngineError> {
        if self.dead { Err(EngineError::Closed { engine: NAME }) } else { Ok(()) }
    }

    fn point(&mut self) -> Result<(), EngineError> {
        self.alive()?;
        self.dead = self.dies_at == Some(self.points);
        self.points += 1;
        self.alive()
    }
}

struct Memory(MemoryDisk);

impl Engine for Memory {
    fn commit(&self, ops: &[&Op]) -> Result<(), EngineError> {
        let mut state = self.0.state();
        state.point()?;
        for op in ops {
            match op {
                Op::Put(key, value) => drop(state.values.insert(*key, value.clone())),
                Op::Delete(key) => drop(state.values.remove(key)),
            }
        }
        state.point()
    }

    fn takes_commits(&self) -> bool {
        self.0.state().alive().is_ok()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.0.state().alive()
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError> {
        let state = self.0.state();
        state.alive()?;
        Ok(state.values.get(&key).cloned())
    }

    fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError> {
        let state = self.0.state();
        state.alive()?;
        state.values.iter().filter(|(key, _)| key.kind() == kind).for_each(|(key, value)| visit(*key, value));
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        Ok(self.0.bytes() as u64)
    }

    fn compact(&self) -> Result<bool, EngineError> {
        Ok(false)
    }
}
