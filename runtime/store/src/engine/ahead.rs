//! Values that wait in memory for the next commit: reads find them; that commit puts all of them on disk or none.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Engine, Key, Kind, Op};
use crate::EngineError;

/// An engine, and the values that wait to be written to it.
pub(crate) struct Ahead {
    engine: Box<dyn Engine>,
    waiting: RwLock<Waiting>,
}

/// The last step on each key. A block that is added and removed while it waits leaves nothing.
#[derive(Default)]
struct Waiting {
    ops: BTreeMap<Key, Op>,
    bytes: usize,
}

fn size(op: &Op) -> usize {
    match op {
        Op::Put(_, value) => value.len(),
        Op::Delete(_) => 0,
    }
}

/// Makes a step the last one on its key; returns the step before.
fn add<T: Borrow<Op>>(ops: &mut BTreeMap<Key, T>, key: Key, op: T) -> Option<T> {
    let forget = matches!(op.borrow(), Op::Delete(_)) && key.kind() == Kind::Block;
    let before = ops.insert(key, op);
    // A block is set only once, so one that waits is not on disk.
    if forget && matches!(before.as_ref().map(Borrow::borrow), Some(Op::Put(..))) {
        ops.remove(&key);
    }
    before
}

impl Waiting {
    fn add(&mut self, op: Op) {
        self.bytes += size(&op);
        let before = add(&mut self.ops, op.key(), op);
        self.bytes -= before.as_ref().map_or(0, size);
    }
}

impl Ahead {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self { engine, waiting: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Waiting> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.waiting.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds these steps until the next commit.
    pub fn hold(&self, ops: Vec<Op>) {
        let mut waiting = self.write();
        ops.into_iter().for_each(|op| waiting.add(op));
    }

    /// Performs the waiting steps and then these, all or none; durable when it returns. Reads go on meanwhile. After a
    /// failure the waiting steps keep waiting, without these.
    pub fn commit(&self, ops: Vec<Op>) -> Result<(), EngineError> {
        let waiting = self.read();
        let mut all: BTreeMap<Key, &Op> = waiting.ops.iter().map(|(key, op)| (*key, op)).collect();
        for op in &ops {
            add(&mut all, op.key(), op);
        }
        let all: Vec<&Op> = all.into_values().collect();
        self.engine.commit(&all)?;
        drop(all);
        drop(waiting);
        self.landed();
        Ok(())
    }

    /// The waiting steps are on disk.
    pub fn landed(&self) {
        *self.write() = Waiting::default();
    }

    /// See [`Engine::takes_commits`].
    pub fn takes_commits(&self) -> bool {
        self.engine.takes_commits()
    }

    /// See [`Engine::reopen`].
    pub fn reopen(&self) -> Result<(), EngineError> {
        self.engine.reopen()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.read().ops.is_empty()
    }

    /// The size of the values that wait, bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.read().bytes
    }

    /// The value, including one that waits.
    pub fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError> {
        match self.read().ops.get(&key) {
            Some(Op::Put(_, value)) => return Ok(Some(value.clone())),
            Some(Op::Delete(_)) => return Ok(None),
            None => {}
        }
        self.engine.get(key)
    }

    /// See [`Engine::scan`]; only values on disk.
    pub fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError> {
        self.engine.scan(kind, visit)
    }

    pub fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.engine.bytes_on_disk()
    }

    pub fn compact(&self) -> Result<bool, EngineError> {
        self.engine.compact()
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDisk;
    use super::*;

    fn put(key: Key, byte: u8) -> Op {
        Op::Put(key, vec![byte; 10])
    }

    #[test]
    fn what_waits_is_read_and_reaches_the_engine_with_the_next_commit() {
        let disk = MemoryDisk::default();
        let ahead = Ahead::new(disk.engine());
        let (first, second) = (Key::descriptor(1), Key::descriptor(2));
        ahead.commit(vec![put(first, 1)]).unwrap();
        ahead.hold(vec![put(second, 2), Op::Delete(first)]);
        assert_eq!((ahead.get(first).unwrap(), ahead.get(second).unwrap()), (None, Some(vec![2; 10])));
        assert_eq!((ahead.is_empty(), ahead.waiting_bytes(), disk.points()), (false, 10, 2));
        assert_eq!(Ahead::new(disk.engine()).get(first).unwrap(), Some(vec![1; 10]));
        ahead.commit(vec![put(first, 3)]).unwrap();
        assert_eq!((ahead.is_empty(), ahead.waiting_bytes(), disk.points()), (true, 0, 4));
        let read = |key| Ahead::new(disk.engine()).get(key).unwrap();
        assert_eq!((read(first), read(second)), (Some(vec![3; 10]), Some(vec![2; 10])));
    }

    #[test]
    fn a_block_that_comes_and_goes_while_it_waits_is_never_written() {
        let ahead = Ahead::new(MemoryDisk::default().engine());
        let (block, stored) = (Key::block(7), Key::block(8));
        ahead.commit(vec![put(stored, 1)]).unwrap();
        ahead.hold(vec![put(block, 1)]);
        ahead.hold(vec![Op::Delete(block)]);
        assert_eq!((ahead.is_empty(), ahead.waiting_bytes(), ahead.get(block).unwrap()), (true, 0, None));
        ahead.hold(vec![Op::Delete(stored)]);
        assert_eq!((ahead.is_empty(), ahead.waiting_bytes(), ahead.get(stored).unwrap()), (false, 0, None));
    }

    #[test]
    fn what_waits_goes_on_being_read_where_the_commit_fails() {
        let disk = MemoryDisk::default();
        let ahead = Ahead::new(disk.engine());
        ahead.hold(vec![put(Key::block(1), 1)]);
        disk.die_at(0);
        assert!(ahead.commit(vec![put(Key::block(2), 2)]).is_err());
        assert_eq!(ahead.get(Key::block(1)).unwrap(), Some(vec![1; 10]));
    }
}
