//! Decoded blocks that were read lately, within a budget of bytes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::block::DecodedBlock;

/// Keeps the blocks used last. Few fit, so a list is quicker than a map.
pub(crate) struct BlockCache {
    bytes_max: usize,
    /// The block used last is the last one.
    blocks: Mutex<Vec<(u64, Arc<DecodedBlock>)>>,
}

impl BlockCache {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, blocks: Mutex::default() }
    }

    pub fn get(&self, number: u64) -> Option<Arc<DecodedBlock>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = blocks.iter().position(|(cached, _)| *cached == number)?;
        let found = blocks.remove(at);
        let block = Arc::clone(&found.1);
        blocks.push(found);
        Some(block)
    }

    pub fn put(&self, number: u64, block: &Arc<DecodedBlock>) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.iter().any(|(cached, _)| *cached == number) {
            return;
        }
        blocks.push((number, Arc::clone(block)));
        let mut bytes: usize = blocks.iter().map(|(_, block)| block.memory_bytes()).sum();
        while bytes > self.bytes_max {
            let (_, oldest) = blocks.remove(0);
            bytes -= oldest.memory_bytes();
        }
    }

    /// Drops every block, for instance when a key was destroyed.
    pub fn clear(&self) {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
