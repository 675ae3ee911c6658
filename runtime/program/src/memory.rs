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

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    /// The pages of this process that are in memory and of no file.
    fn pages() -> usize {
        let told = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
        let field =
            |at: usize| told.split(' ').nth(at).expect("it has seven").parse::<usize>().expect("numbers");
        field(1) - field(2)
    }

    #[test]
    fn what_is_free_between_small_things_goes_back_and_what_is_in_use_stays() {
        // 64 kB each, below the size from which the allocator asks the system for each thing.
        let passing: Vec<_> = (0..1_600_u32).map(|number| (vec![number; 16_000], vec![number; 10])).collect();
        let kept: Vec<_> = passing.into_iter().map(|(_, kept)| kept).collect();
        let before = pages();
        super::give_back();
        let after = pages();
        assert!(after < before / 2, "{before} pages before, {after} after");
        assert!((0..).zip(kept).all(|(number, kept)| kept == [number; 10]));
    }
}
