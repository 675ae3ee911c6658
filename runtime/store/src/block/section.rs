//! Packing and unpacking sections under zstd, with contexts that are reused: a new one costs more than a section.
//!
//! A context holds remains of what it packed last. All stores of the process share the contexts, and closing any store
//! frees them, so that none outlives the store whose texts went through it; a context that is in use at that time is
//! freed afterwards. Their memory comes from this process's own allocator, never from C's, so that it is wiped like any
//! other memory where that allocator wipes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

use super::BadBlock;

/// Fast enough to hide behind the rest of encoding; higher levels gain nothing on planes.
const LEVEL: i32 = 1;
/// Zeros behind an unpacked section, so that short copies may have a fixed size.
pub(super) const PADDING: usize = 64;
/// How many contexts of a kind are idle at most: about as many as there are busy threads.
const IDLE_MAX: usize = 8;

static PACKERS: Pool<Compressor<'static>> = Pool::new();
static UNPACKERS: Pool<Decompressor<'static>> = Pool::new();

struct Pool<T>(Mutex<Idle<T>>);

struct Idle<T> {
    contexts: Vec<T>,
    /// How often all contexts were freed.
    forgotten: u64,
}

impl<T> Pool<T> {
    const fn new() -> Self {
        Self(Mutex::new(Idle { contexts: Vec::new(), forgotten: 0 }))
    }

    fn idle(&self) -> MutexGuard<'_, Idle<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with an idle context, or a new one.
    fn with<R>(
        &self,
        make: impl FnOnce() -> std::io::Result<T>,
        work: impl FnOnce(&mut T) -> std::io::Result<R>,
    ) -> std::io::Result<R> {
        let (context, forgotten) = {
            let mut idle = self.idle();
            (idle.contexts.pop(), idle.forgotten)
        };
        let mut context = context.map_or_else(make, Ok)?;
        let done = work(&mut context);
        let mut idle = self.idle();
        if idle.forgotten == forgotten && idle.contexts.len() < IDLE_MAX {
            idle.contexts.push(context);
        }
        done
    }

    fn forget(&self) {
        let mut idle = self.idle();
        idle.forgotten += 1;
        idle.contexts.clear();
    }
}

/// Frees all contexts.
pub(super) fn forget() {
    PACKERS.forget();
    UNPACKERS.forget();
}

pub(super) fn pack(section: &[u8]) -> std::io::Result<Vec<u8>> {
    PACKERS.with(|| Compressor::new(LEVEL), |packer| packer.compress(section))
}

/// Unpacks to exactly `size` bytes and the padding.
pub(super) fn unpack(packed: &[u8], size: usize) -> Result<Vec<u8>, BadBlock> {
    let mut section = Vec::with_capacity(size + PADDING);
    let unpacked =
        UNPACKERS.with(Decompressor::new, |unpacker| unpacker.decompress_to_buffer(packed, &mut section));
    if unpacked.map_err(BadBlock::Zstd)? != size {
        return Err(BadBlock::Broken("a section of another length than told"));
    }
    section.resize(size + PADDING, 0);
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_was_at_work_while_all_were_given_back_is_given_back_too() {
        let pool = Pool::<u8>::new();
        pool.with(|| Ok(1), |_| Ok(())).unwrap();
        assert_eq!(pool.idle().contexts, [1]);
        let forget = |_: &mut u8| {
            pool.forget();
            Ok(())
        };
        pool.with(|| Ok(2), forget).unwrap();
        assert!(pool.idle().contexts.is_empty());
        pool.with(|| Ok(3), |_| Ok(())).unwrap();
        pool.forget();
        assert!(pool.idle().contexts.is_empty());
    }
}
