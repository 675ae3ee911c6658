//! The two aggregators of a study that trusts no single host with its sums.

use runtime_package::DocumentDomain;
use serde::{Deserialize, Serialize};

use crate::{ADDRESS_BYTES_MAX, Answered, BadStudy};

/// For what a researcher signs that an epoch is closed and its shares are given to them.
pub const COLLECT_DOMAIN: DocumentDomain = DocumentDomain::new("cellar/study/collect/1\n");

/// What is signed under [`COLLECT_DOMAIN`]: the id of the study, as bytes, and the number of the epoch, big-endian.
pub fn collect_document(study: &[u8; 32], epoch: u32) -> Vec<u8> {
    [&study[..], &epoch.to_be_bytes()].concat()
}

/// One of the two aggregators of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregator {
    /// Where it listens: host:port.
    pub address: String,
    /// SHA-256 of its public key (its SubjectPublicKeyInfo in DER), 64 hex digits.
    pub key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregatorToml {
    address: String,
    key: String,
}

/// The aggregators of a document, which fit its version.
pub(crate) fn aggregators(
    version: u32,
    answered: Answered,
    named: Option<&[AggregatorToml]>,
) -> Result<Option<[Aggregator; 2]>, BadStudy> {
    match (version, answered, named) {
        (1, Answered::OneHost, None) => Ok(None),
        (2, Answered::TwoAggregators, Some([leader, helper])) => {
            let two = [one(leader, 1)?, one(helper, 2)?];
            // One who holds both shares adds them to what they hide.
            if two[0].address == two[1].address || two[0].key == two[1].key {
                return Err(BadStudy::Aggregator { index: 2 });
            }
            Ok(Some(two))
        }
        _ => Err(BadStudy::Aggregators),
    }
}

fn one(toml: &AggregatorToml, index: usize) -> Result<Aggregator, BadStudy> {
    let AggregatorToml { address, key } = toml;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    let is_port = port.is_some_and(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let sound = address.len() <= ADDRESS_BYTES_MAX
        && address.bytes().all(plain)
        && is_port
        && key.len() == 64
        && key.bytes().all(is_hex);
    if sound {
        Ok(Aggregator { address: address.clone(), key: key.clone() })
    } else {
        Err(BadStudy::Aggregator { index })
    }
}
