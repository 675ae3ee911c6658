//! How a host is, for its operator: counts and load, and nothing about any person.

use std::sync::OnceLock;

use runtime_acme::Status;
use runtime_program::Failure;
use runtime_user::Runtime;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use crate::acme;
use crate::http::service::now;

/// Asks how the host is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowHost {}

/// The answer to [`ShowHost`]. No figure is about one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostShown {
    /// The version of the program.
    pub version: String,
    /// Since when this process answers such questions, s since 1970.
    pub since_ts: f64,
    /// How many people have a runtime here, suspended and damaged ones included.
    pub people: usize,
    /// How many of them are suspended.
    pub suspended: usize,
    /// How many of them are not served because a file is damaged.
    pub damaged: usize,
    /// How many stores are open at this moment.
    pub stores_open: usize,
    /// Why the host's clock is not trusted, in words.
    pub clock_doubt: Option<String>,
    /// What this process has in memory, bytes; none where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// How many programs wanted a processor in the last one, five and fifteen minutes; none where the system does not
    /// tell.
    pub load: Option<[f64; 3]>,
    /// How many processors there are.
    pub processors: usize,
    /// What is free on the disk of the data folder, bytes; none where the system does not tell.
    pub disk_free_bytes: Option<u64>,
    /// How the certificates of people's names are; none where no server is asked for them.
    pub certificates: Option<Status>,
}

impl Ask for ShowHost {
    type Answer = HostShown;

    fn answer(self, context: &Context<'_>) -> Result<HostShown, Failure> {
        static SINCE_TS: OnceLock<f64> = OnceLock::new();
        let runtime = context.runtime;
        let (records, nameless) = (runtime.people().records(), runtime.people().nameless());
        let is_damaged = |id: &str| id.parse().is_ok_and(|user| runtime.owners().inspect(user).is_some());
        Ok(HostShown {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since_ts: *SINCE_TS.get_or_init(now),
            people: records.len() + nameless.len(),
            suspended: records.iter().filter(|record| record.suspended).count(),
            damaged: records.iter().filter(|record| is_damaged(&record.id)).count() + nameless.len(),
            stores_open: runtime.open_people().count(),
            clock_doubt: runtime.clocks().doubt(),
            memory_bytes: memory_bytes(),
            load: load(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            disk_free_bytes: disk_free_bytes(runtime),
            certificates: acme::status(&runtime.settings().data),
        })
    }
}

/// The resident memory of this process, bytes.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

fn load() -> Option<[f64; 3]> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let mut parts = text.split(' ').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

fn disk_free_bytes(runtime: &Runtime) -> Option<u64> {
    let found = rustix::fs::statvfs(&runtime.settings().data).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
