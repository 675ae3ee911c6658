//! The memory that this process keeps from the system.

/// Gives free memory back to the system, in a few milliseconds.
///
/// Long work that frees as much as it takes leaves pages behind that are free and yet the process's: GNU's allocator
/// gives back what is at the end of a heap, and not what is between two small things that stay. Call it about once a
/// second during such work. Elsewhere than with GNU's C library it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: malloc_trim(3) may be called by any thread at any time; it takes the locks of the heaps itself, and touches
    // no memory that is in use. The argument is how many bytes it leaves at the end of a heap.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays_as_it_is() {
        let mut kept = Vec::new();
        for number in 0..2_000_u32 {
            let passing = vec![number; 5_000];
            kept.push(vec![number; 10]);
            drop(passing);
        }
        super::give_back();
        assert!((0..).zip(kept).all(|(number, kept)| kept == [number; 10]));
    }
}
