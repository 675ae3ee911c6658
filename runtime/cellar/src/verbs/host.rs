//! `cellar host`: how the host is, for its operator.

use super::{Options, carry_out, moment};
use runtime_host::admin::{HostShown, ShowHost};
use runtime_program::Failure;

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(options: &Options) -> Result<(), Failure> {
    carry_out(options, ShowHost {}, tell)
}

fn tell(host: &HostShown) -> String {
    let megabytes =
        |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    let mut lines = vec![
        format!("version {}, since {}", host.version, moment(host.since_ts)),
        format!(
            "{} people, {} suspended, {} damaged; {} stores open",
            host.people, host.suspended, host.damaged, host.stores_open
        ),
        format!(
            "memory {}; free on the disk {}",
            megabytes(host.memory_bytes),
            megabytes(host.disk_free_bytes)
        ),
    ];
    lines.extend(host.load.map(|load| {
        format!("load {:.2} {:.2} {:.2} on {} processors", load[0], load[1], load[2], host.processors)
    }));
    lines.extend(host.clock_doubt.clone());
    lines.extend(host.certificates.as_ref().map(|certificates| {
        let ends = certificates
            .first_ends_ts
            .map_or(String::new(), |ends| format!("; the first ends {}", moment(ends)));
        format!("certificates for {} of {} names{ends}", certificates.certified, certificates.names)
    }));
    lines.extend(host.certificates.as_ref().and_then(|certificates| {
        let reason = certificates.failure.as_ref()?;
        let next = certificates.next_try_ts.map_or("soon".to_owned(), moment);
        Some(format!("{} without success: {reason}; next try {next}", certificates.failing))
    }));
    lines.join("\n")
}
