//! Which name leads to which host. The input is names and moments, the output is decisions.
//!
//! * Invariants: a name has one host. Another host gets it only when the first has withdrawn it, or has been gone for
//!   [`GRACE_MS`]; a host that comes back from the same address within that time takes its names over at once.
//! * Units: moments are milliseconds on any clock that does not go back.

use std::collections::HashMap;
use std::net::SocketAddr;

use handshake::route::Name;

/// How long names wait for a host that is gone, ms.
pub(super) const GRACE_MS: u64 = 10_000;
/// Most names of one host: enough for 10,000 people with many devices each.
pub const NAMES_PER_HOST_MAX: usize = 500_000;

/// A registration. It lives as long as its connection, and [`GRACE_MS`] longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HostId(u64);

#[derive(Debug)]
struct Host {
    /// The address to which its callers are sent.
    address: SocketAddr,
    names: usize,
    gone_ms: Option<u64>,
}

impl Host {
    fn is_over(&self, now_ms: u64) -> bool {
        self.gone_ms.is_some_and(|gone_ms| now_ms >= gone_ms.saturating_add(GRACE_MS))
    }
}

/// All names of all hosts.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: HashMap<Name, HostId>,
    hosts: HashMap<HostId, Host>,
    next: u64,
}

impl Table {
    /// Adds a host that has proven itself; it has no names yet.
    pub fn join(&mut self, address: SocketAddr, now_ms: u64) -> HostId {
        self.sweep(now_ms);
        self.next += 1;
        self.hosts.insert(HostId(self.next), Host { address, names: 0, gone_ms: None });
        HostId(self.next)
    }

    /// A host's connection has ended.
    pub fn leave(&mut self, host: HostId, now_ms: u64) {
        if let Some(host) = self.hosts.get_mut(&host) {
            host.gone_ms = Some(now_ms);
        }
    }

    /// Makes a name lead to a host; returns whether it does now.
    pub fn add(&mut self, host: HostId, name: Name, now_ms: u64) -> bool {
        let holder = self.names.get(&name).copied();
        if holder == Some(host) {
            return true;
        }
        let new = self.hosts.get(&host).filter(|new| new.names < NAMES_PER_HOST_MAX);
        let Some(address) = new.map(|new| new.address.ip()) else { return false };
        if let Some(holder) = holder.and_then(|holder| self.hosts.get_mut(&holder)) {
            let returned = holder.gone_ms.is_some() && holder.address.ip() == address;
            if !returned && !holder.is_over(now_ms) {
                return false;
            }
            holder.names -= 1;
        }
        self.names.insert(name, host);
        if let Some(new) = self.hosts.get_mut(&host) {
            new.names += 1;
        }
        true
    }

    /// Makes a name lead nowhere, if it leads to this host.
    pub fn withdraw(&mut self, host: HostId, name: Name) {
        if self.names.get(&name) == Some(&host) {
            self.names.remove(&name);
            if let Some(host) = self.hosts.get_mut(&host) {
                host.names -= 1;
            }
        }
    }

    /// The address to which a name leads.
    pub fn find(&self, name: Name, now_ms: u64) -> Option<SocketAddr> {
        let host = self.hosts.get(self.names.get(&name)?)?;
        if host.is_over(now_ms) { None } else { Some(host.address) }
    }

    /// Forgets hosts that are gone for good, and their names. Takes time proportional to the number of names, if there
    /// are such hosts.
    pub fn sweep(&mut self, now_ms: u64) {
        let before = self.hosts.len();
        self.hosts.retain(|_, host| !host.is_over(now_ms));
        if self.hosts.len() < before {
            self.names.retain(|_, host| self.hosts.contains_key(host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handshake::encoding::Label;
    use proptest::prelude::*;

    fn name(number: u8) -> Name {
        Name::Label(Label([number; 16]))
    }

    fn address(host: u8, port: u16) -> SocketAddr {
        ([10, 0, 0, host], port).into()
    }

    #[test]
    fn attack_55_a_name_that_leads_to_a_living_host_leads_to_no_other() {
        let mut table = Table::default();
        let (first, thief) = (table.join(address(1, 1), 0), table.join(address(2, 1), 0));
        assert!(table.add(first, name(1), 0));
        assert!(!table.add(thief, name(1), u64::MAX));
        table.withdraw(thief, name(1));
        assert_eq!(table.find(name(1), u64::MAX), Some(address(1, 1)));
        assert!(table.add(first, name(1), 0), "who has it may say so again");
        table.withdraw(first, name(1));
        assert_eq!(table.find(name(1), 0), None);
        assert!(table.add(thief, name(1), 0), "given up");
    }

    #[test]
    fn a_host_that_comes_back_takes_its_names_over_and_others_wait() {
        let mut table = Table::default();
        let before = table.join(address(1, 1), 0);
        assert!(table.add(before, name(1), 0) && table.add(before, name(2), 0));
        table.leave(before, 1_000);
        assert_eq!(table.find(name(1), 1_500), Some(address(1, 1)), "it may be back already");
        let (stranger, after) = (table.join(address(2, 1), 2_000), table.join(address(1, 9), 2_000));
        assert!(!table.add(stranger, name(1), 2_000));
        assert!(table.add(after, name(1), 2_000));
        assert_eq!(table.find(name(1), 2_000), Some(address(1, 9)));
        assert_eq!(table.find(name(2), 1_000 + GRACE_MS), None);
        table.sweep(1_000 + GRACE_MS);
        assert_eq!(table.names.len(), 1);
        assert!(table.add(stranger, name(2), 1_000 + GRACE_MS));
    }

    proptest! {
        #[test]
        fn names_are_counted_and_none_changes_hands_between_living_hosts(
            steps in proptest::collection::vec((0_u8..4, 0_usize..3, 0_u8..4, 0_u64..4_000), 1..120),
        ) {
            let (mut table, mut now_ms) = (Table::default(), 0);
            let mut hosts: Vec<_> = (0..3).map(|host| table.join(address(host, 1), 0)).collect();
            for (step, which, number, wait_ms) in steps {
                now_ms += wait_ms;
                let holder = table.names.get(&name(number)).copied();
                match step {
                    0 | 1 => {
                        let added = table.add(hosts[which], name(number), now_ms);
                        let alive = |host| hosts.contains(&host);
                        prop_assert!(added || holder.is_some());
                        prop_assert!(!added || holder.is_none_or(|held| held == hosts[which] || !alive(held)));
                    }
                    2 => table.withdraw(hosts[which], name(number)),
                    _ => {
                        table.leave(hosts[which], now_ms);
                        hosts[which] = table.join(address(which as u8, 1), now_ms);
                    }
                }
                for (id, host) in &table.hosts {
                    prop_assert_eq!(host.names, table.names.values().filter(|held| *held == id).count());
                }
            }
        }
    }
}
