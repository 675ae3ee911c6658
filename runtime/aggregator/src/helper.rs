//! The helper's side of a count: it decides about each report, and counts what the leader has counted.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use runtime_study::Verdict;

use crate::error::{LedgerError, Refusal};
use crate::ledger::{At, Entry, EpochState};
use crate::message::{CountId, CountKey, Part, Parts, Reply};
use crate::scheme::{About, Role, Sum, VERIFY_KEY_BYTES};
use crate::server::{Admitted, Aggregator, Step, check_researcher, open_epoch};

/// A study of which this is the helper and the peer is the leader.
fn led_by(aggregator: &Aggregator, peer: &str, study: &[u8; 32]) -> Result<Arc<Admitted>, Refusal> {
    let study = aggregator.study(study, Some(Role::Helper))?;
    let leader = study.signed.study().aggregators().map(|[leader, _]| leader.key.clone());
    if leader.as_deref() == Some(peer) { Ok(study) } else { Err(Refusal::NotForMe) }
}

/// Which counts are undecided. The key of the proofs is the first that was proposed.
pub(crate) fn open(
    aggregator: &Aggregator,
    peer: &str,
    study: &[u8; 32],
    verify_key: &[u8; VERIFY_KEY_BYTES],
) -> Result<Reply, LedgerError> {
    led_by(aggregator, peer, study)?;
    if aggregator.ledger.verify_key(study, verify_key)? != *verify_key {
        return Err(Refusal::OtherKey.into());
    }
    Ok(Reply::Pending(aggregator.ledger.pending(study)?))
}

/// Decides about each report, and keeps the sum of those that hold until the leader has counted.
pub(crate) fn prepare(
    aggregator: &Aggregator,
    peer: &str,
    count: CountId,
    parts: &Parts,
) -> Result<Reply, LedgerError> {
    let study = led_by(aggregator, peer, &parts.study)?;
    open_epoch(&study, parts.epoch)?;
    let at = At { study: parts.study, epoch: parts.epoch };
    let is_open = aggregator.ledger.epoch(&at, &study.scheme)?.state == EpochState::Open;
    // The leader proposes a key before it asks for anything else; without one there is nothing to check with.
    let verify_key = aggregator.ledger.known_verify_key(&parts.study)?.ok_or(Refusal::OtherKey)?;
    let ids: Vec<_> = parts.parts.iter().map(|part| part.id).collect();
    let counted = aggregator.ledger.counted(&at, &ids)?;
    let mut entry = Entry { count, ids: Vec::new(), refused: 0, sum: study.scheme.nothing() };
    let mut checked = Vec::new();
    for (part, is_counted) in parts.parts.iter().zip(counted) {
        let held = aggregator.take_held(&at, part);
        let decided = match held {
            _ if !is_open => (Verdict::Closed, Vec::new()),
            _ if is_counted || entry.ids.contains(&part.id) => (Verdict::Repeated, Vec::new()),
            None => (Verdict::Again, Vec::new()),
            Some(held) => match decide(&study, &verify_key, parts.epoch, part, &held) {
                Some((said, share)) => {
                    entry.ids.push(part.id);
                    entry.sum.add(&share);
                    (Verdict::Counted, said)
                }
                None => {
                    entry.refused += 1;
                    (Verdict::BadProof, Vec::new())
                }
            },
        };
        checked.push(decided);
    }
    let mut key: CountKey = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| Refusal::Trouble)?;
    if !is_open {
        return Ok(Reply::Prepared { key, checked });
    }
    aggregator.ledger.prepare(&at, &entry, &key)?;
    aggregator.step(Step::HelperPrepared);
    Ok(Reply::Prepared { key, checked })
}

fn decide(
    study: &Admitted,
    verify_key: &[u8; VERIFY_KEY_BYTES],
    epoch: u32,
    asked: &Part,
    held: &Part,
) -> Option<(Vec<u8>, Sum)> {
    let about = About { epoch, id: held.id, nonce: held.nonce };
    let checking = study.scheme.begin(Role::Helper, verify_key, &about, &held.public, &held.share).ok()?;
    study.scheme.decide(checking, &asked.share).ok()
}

/// Counts what was prepared, with its key, or drops it.
pub(crate) fn settle(
    aggregator: &Aggregator,
    peer: &str,
    study: &[u8; 32],
    count: &CountId,
    key: Option<&CountKey>,
) -> Result<Reply, LedgerError> {
    let admitted = led_by(aggregator, peer, study)?;
    aggregator.ledger.settle(study, count, key, &admitted.scheme)?;
    aggregator.step(Step::HelperSettled);
    Ok(Reply::Done)
}

/// Closes an epoch over exactly what the leader has counted, if the researcher has signed that.
pub(crate) fn close(
    aggregator: &Aggregator,
    peer: &str,
    at: &At,
    counted: (u64, &[u8; 32]),
    signature: &[u8],
) -> Result<Reply, LedgerError> {
    let study = led_by(aggregator, peer, &at.study)?;
    check_researcher(&study, at, signature)?;
    let smallest_group = study.signed.study().smallest_group;
    aggregator.ledger.close(at, counted, smallest_group, &study.scheme)?;
    aggregator.step(Step::HelperClosed);
    Ok(Reply::Done)
}
