//! The memory of one run: all of its linear memories and tables together, and whether it was refused more.

use wasmtime::ResourceLimiter;

/// The size of one element of a table, bytes.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Sums the memory of an instance, and remembers a refusal: a guest that is refused memory usually ends in a trap that
/// looks like any other.
#[derive(Debug)]
pub(crate) struct Memory {
    limit_bytes: u64,
    bytes: u64,
    last_growth_bytes: u64,
    refused_bytes: Option<u64>,
}

impl Memory {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, bytes: 0, last_growth_bytes: 0, refused_bytes: None }
    }

    /// The memory of the instance now, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What its memory would be with the last growth that was refused, bytes.
    pub(crate) fn refused_bytes(&self) -> Option<u64> {
        self.refused_bytes
    }

    /// Begins a new call of a live instance: its memory stays, an old refusal is forgotten.
    pub(crate) fn begin_call(&mut self, limit_bytes: u64) {
        self.limit_bytes = limit_bytes;
        self.refused_bytes = None;
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let growth = desired.saturating_sub(current) as u64;
        let wanted = self.bytes.saturating_add(growth);
        if wanted > self.limit_bytes {
            self.refused_bytes = Some(wanted);
            return false;
        }
        self.bytes = wanted;
        self.last_growth_bytes = growth;
        true
    }

    fn undo(&mut self) {
        self.refused_bytes = Some(self.bytes);
        self.bytes -= self.last_growth_bytes;
        self.last_growth_bytes = 0;
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_count_together_and_a_refusal_is_remembered() {
        let mut memory = Memory::new(1_000);
        assert!(memory.memory_growing(0, 600, None).unwrap());
        assert!(memory.table_growing(0, 50, None).unwrap());
        assert_eq!((memory.bytes(), memory.refused_bytes()), (1_000, None));
        assert!(!memory.memory_growing(600, 601, None).unwrap());
        assert_eq!((memory.bytes(), memory.refused_bytes()), (1_000, Some(1_001)));
        memory.begin_call(1_000);
        assert_eq!(memory.refused_bytes(), None);
    }

    #[test]
    fn a_growth_that_the_pool_could_not_give_is_not_counted() {
        let mut memory = Memory::new(1_000);
        assert!(memory.memory_growing(0, 900, None).unwrap());
        memory.memory_grow_failed(wasmtime::Error::msg("slot is full")).unwrap();
        assert_eq!((memory.bytes(), memory.refused_bytes()), (0, Some(900)));
    }
}
