//! The leader's side of a count: it asks the helper, and its own write decides.

use std::sync::PoisonError;

use ring::rand::{SecureRandom, SystemRandom};
use runtime_study::Verdict;

use crate::error::{LedgerError, LinkError, Refusal};
use crate::ledger::{At, Entry, EpochState};
use crate::link::Link;
use crate::message::{CountId, CountKey, Part, Parts, Reply, Request};
use crate::scheme::{About, Checking, Role, VERIFY_KEY_BYTES};
use crate::server::{Admitted, Aggregator, Step, open_epoch};

fn drawn<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::Trouble)?;
    Ok(bytes)
}

/// A helper that cannot be reached now, or that refuses, changes nothing here.
fn unreached(error: LinkError) -> LedgerError {
    match error {
        LinkError::Refused(refusal @ (Refusal::TooFew | Refusal::Apart | Refusal::NotOpen)) => refusal.into(),
        error => {
            tracing::warn!(error = %runtime_types::chain(&error), "the helper did not do what was asked");
            Refusal::Trouble.into()
        }
    }
}

/// Connects to the helper and settles whatever an earlier connection has left undecided.
fn helper(
    aggregator: &Aggregator,
    study: &Admitted,
    verify_key: &[u8; VERIFY_KEY_BYTES],
) -> Result<Link, LedgerError> {
    let [_, helper] = study.signed.study().aggregators().ok_or(Refusal::NoSuchStudy)?;
    let id = study.signed.id().0;
    let mut link = Link::connect(helper, aggregator.folder.key()).map_err(unreached)?;
    let open = Request::Open { study: id, verify_key: *verify_key };
    let Reply::Pending(pending) = link.ask(&open).map_err(unreached)? else {
        return Err(unreached(LinkError::Unexpected));
    };
    for count in pending {
        // Without a key it was not counted here, and never will be: the lock of the study is held.
        let key = aggregator.ledger.key(&id, &count)?;
        settle(&mut link, id, count, key).map_err(unreached)?;
    }
    // What is not pending there was settled before.
    aggregator.ledger.forget_keys(&id, &aggregator.ledger.unsettled(&id)?)?;
    Ok(link)
}

fn settle(link: &mut Link, study: [u8; 32], count: CountId, key: Option<CountKey>) -> Result<(), LinkError> {
    match link.ask(&Request::Settle { study, count, key })? {
        Reply::Done => Ok(()),
        _ => Err(LinkError::Unexpected),
    }
}

fn verify_key(aggregator: &Aggregator, study: &[u8; 32]) -> Result<[u8; VERIFY_KEY_BYTES], LedgerError> {
    aggregator.ledger.verify_key(study, &drawn()?)
}

/// Counts the reports of one message.
pub(crate) fn count(aggregator: &Aggregator, parts: Parts) -> Result<Reply, LedgerError> {
    let study = aggregator.study(&parts.study, Some(Role::Leader))?;
    open_epoch(&study, parts.epoch)?;
    let at = At { study: parts.study, epoch: parts.epoch };
    let _one_at_a_time = study.leading.lock().unwrap_or_else(PoisonError::into_inner);
    if aggregator.ledger.epoch(&at, &study.scheme)?.state != EpochState::Open {
        return Ok(Reply::Verdicts(vec![Verdict::Closed; parts.parts.len()]));
    }
    let key = verify_key(aggregator, &at.study)?;
    let ids: Vec<_> = parts.parts.iter().map(|part| part.id).collect();
    let counted = aggregator.ledger.counted(&at, &ids)?;
    let mut verdicts = vec![Verdict::Again; parts.parts.len()];
    let mut asked = Vec::new();
    for (place, part) in parts.parts.iter().enumerate() {
        if counted[place] || ids[..place].contains(&part.id) {
            verdicts[place] = Verdict::Repeated;
            continue;
        }
        let about = About { epoch: at.epoch, id: part.id, nonce: part.nonce };
        match study.scheme.begin(Role::Leader, &key, &about, &part.public, &part.share) {
            Ok(checking) => asked.push((place, checking)),
            Err(_) => verdicts[place] = Verdict::BadProof,
        }
    }
    let unread = verdicts.iter().filter(|verdict| **verdict == Verdict::BadProof).count() as u64;
    let is_settled = aggregator.ledger.unsettled(&at.study)?.is_empty();
    if asked.is_empty() && unread == 0 && is_settled {
        return Ok(Reply::Verdicts(verdicts));
    }
    aggregator.step(Step::LeaderAsks);
    let mut link = helper(aggregator, &study, &key)?;
    if asked.is_empty() && unread == 0 {
        return Ok(Reply::Verdicts(verdicts));
    }
    ask(aggregator, &study, (&at, &parts), asked, unread, &mut link, &mut verdicts)?;
    Ok(Reply::Verdicts(verdicts))
}

/// Has the helper decide, and counts what it has found right.
fn ask(
    aggregator: &Aggregator,
    study: &Admitted,
    (at, parts): (&At, &Parts),
    asked: Vec<(usize, Checking)>,
    unread: u64,
    link: &mut Link,
    verdicts: &mut [Verdict],
) -> Result<(), LedgerError> {
    let count: CountId = drawn()?;
    let said = asked.iter().map(|(place, checking)| {
        let Part { id, nonce, .. } = parts.parts[*place];
        Part { id, nonce, public: Vec::new(), share: checking.said() }
    });
    let said = Parts { study: at.study, epoch: at.epoch, parts: said.collect() };
    let reply = link.ask(&Request::Prepare { count, parts: said }).map_err(unreached)?;
    aggregator.step(Step::LeaderHeard);
    let (key, checked) = match reply {
        Reply::Prepared { key, checked } if checked.len() == asked.len() => (key, checked),
        _ => return Err(unreached(LinkError::Unexpected)),
    };
    let mut entry = Entry { count, ids: Vec::new(), refused: unread, sum: study.scheme.nothing() };
    let mut agree = true;
    for ((place, checking), (verdict, said)) in asked.into_iter().zip(checked) {
        verdicts[place] = verdict;
        match verdict {
            Verdict::Counted => match study.scheme.finish(checking, &said) {
                Ok(share) => {
                    entry.ids.push(parts.parts[place].id);
                    entry.sum.add(&share);
                }
                Err(_) => {
                    verdicts[place] = Verdict::BadProof;
                    agree = false;
                }
            },
            Verdict::BadProof => entry.refused += 1,
            _ => {}
        }
    }
    if !agree {
        // The helper's sum has a report that does not hold here. Nothing is counted; the others may be sent again.
        let again = |verdict: &mut Verdict| {
            if *verdict == Verdict::Counted {
                *verdict = Verdict::Again;
            }
        };
        verdicts.iter_mut().for_each(again);
        return settle(link, at.study, count, None).map_err(unreached);
    }
    if verdicts.contains(&Verdict::Closed) {
        return Ok(());
    }
    aggregator.ledger.count(at, &entry, &key, &study.scheme)?;
    aggregator.step(Step::LeaderCounted);
    // It is decided: a helper that does not hear it now will hear it before the next count.
    match settle(link, at.study, count, Some(key)) {
        Ok(()) => {
            aggregator.ledger.forget_keys(&at.study, &[count])?;
            aggregator.step(Step::LeaderForgot);
        }
        Err(error) => {
            tracing::warn!(error = %runtime_types::chain(&error), "the helper will settle a count later");
        }
    }
    Ok(())
}

/// Closes an epoch, the helper's first: both over the same reports.
pub(crate) fn close(
    aggregator: &Aggregator,
    study: &Admitted,
    at: &At,
    signature: &[u8],
) -> Result<(), LedgerError> {
    let _one_at_a_time = study.leading.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = aggregator.ledger.epoch(at, &study.scheme)?;
    if kept.state != EpochState::Open {
        return Ok(());
    }
    let smallest_group = study.signed.study().smallest_group;
    if kept.people < smallest_group {
        return Err(Refusal::TooFew.into());
    }
    let key = verify_key(aggregator, &at.study)?;
    let mut link = helper(aggregator, study, &key)?;
    let (people, chain, signature) = (kept.people, kept.chain, signature.to_vec());
    let close = Request::Close { study: at.study, epoch: at.epoch, people, chain, signature };
    match link.ask(&close).map_err(unreached)? {
        Reply::Done => {}
        _ => return Err(unreached(LinkError::Unexpected)),
    }
    aggregator.ledger.close(at, (people, &chain), smallest_group, &study.scheme)?;
    aggregator.step(Step::LeaderClosed);
    Ok(())
}
