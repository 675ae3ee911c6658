//! What a process takes.

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory {
    /// What is resident now.
    Resident,
    /// The most that ever was.
    Peak,
}

/// The largest memory use that this process ever had, MB; NaN where the system does not report it.
pub(crate) fn peak_resident_mb() -> f64 {
    memory_mb("self", Memory::Peak)
}

/// The memory of a process, by its number, MB; NaN where the system does not report it or the process has ended.
pub(crate) fn memory_mb(process: &str, which: Memory) -> f64 {
    let field = match which {
        Memory::Resident => "VmRSS:",
        Memory::Peak => "VmHWM:",
    };
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1_024.0 / 1e6)
}
