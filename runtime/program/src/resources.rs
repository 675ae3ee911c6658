//! The limits that the operating system sets for this process, checked before it serves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// Files other than connections and stores: cells, the log, the control socket, files that a verb reads.
const FILES_BESIDES: u64 = 64;
/// A host that may open fewer files than this is not started.
const FILES_MIN: u64 = 128;
/// The most mappings of the process that one slot for a cell may need.
const MAPS_PER_SLOT: u64 = 16;
/// The file in which Linux shows how many mappings a process may have.
const MAPS_MAX_FILE: &str = "/proc/sys/vm/max_map_count";

/// The number of files that a host may need to have open at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// One file for each connection.
    pub connections: usize,
    /// One file for each: stores, or hosts of a gateway.
    pub others: usize,
}

impl Files {
    fn needed(self) -> u64 {
        FILES_BESIDES + self.connections as u64 + self.others as u64
    }

    /// As much of each as fits into `allowed` files.
    fn within(self, allowed: u64) -> Self {
        let (needed, room) = (self.needed() - FILES_BESIDES, allowed.saturating_sub(FILES_BESIDES));
        if room >= needed {
            return self;
        }
        let share = |wanted: usize| {
            let part = u128::from(room) * wanted as u128 / u128::from(needed);
            usize::try_from(part).unwrap_or(wanted).max(1)
        };
        Self { connections: share(self.connections), others: share(self.others) }
    }

    /// Raises this process's limit on open files as far as needed and permitted; returns what fits into it.
    ///
    /// # Errors
    /// [`Failure`] where the system permits too few for any host.
    pub fn allow(self) -> Result<Self, Failure> {
        let needed = self.needed();
        let limit = getrlimit(Resource::Nofile);
        let mut allowed = limit.current.unwrap_or(u64::MAX);
        if allowed < needed {
            let wanted = needed.min(limit.maximum.unwrap_or(u64::MAX));
            let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
            if setrlimit(Resource::Nofile, raised).is_ok() {
                allowed = wanted;
            }
        }
        if allowed < FILES_MIN {
            return Err(Failure::new(
                format!("only {allowed} files may be open, fewer than {FILES_MIN}"),
                "raise the limit: `ulimit -n`, or LimitNOFILE= in the unit",
            ));
        }
        let fits = self.within(allowed);
        if fits != self {
            tracing::warn!(
                allowed,
                needed,
                connections = fits.connections,
                others = fits.others,
                "few files may be open, so fewer connections and stores at once than set: raise `ulimit -n`, or LimitNOFILE= in the unit"
            );
        }
        Ok(fits)
    }
}

/// Warns where the system permits fewer mappings than `slots` slots for cells may need.
pub fn check_maps(slots: u32) {
    let text = std::fs::read_to_string(MAPS_MAX_FILE).ok();
    let Some(allowed) = text.and_then(|text| text.trim().parse::<u64>().ok()) else { return };
    let needed = u64::from(slots) * MAPS_PER_SLOT;
    if allowed < needed {
        tracing::warn!(
            allowed,
            needed,
            slots,
            "the system allows few memory maps: raise vm.max_map_count, or lower cells.slots"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_served_fits_into_what_is_allowed(
            connections in 1_usize..100_000, others in 1_usize..100_000, allowed in FILES_MIN..200_000,
        ) {
            let wanted = Files { connections, others };
            let fits = wanted.within(allowed);
            prop_assert!(fits.connections >= 1 && fits.others >= 1);
            prop_assert!(fits.connections <= connections && fits.others <= others);
            if wanted.needed() <= allowed {
                prop_assert_eq!(fits, wanted);
            } else {
                // One of each is served, however unbalanced the settings are.
                prop_assert!(fits.needed() <= allowed + 1);
            }
        }
    }
}
