//! The researcher's side: closes an epoch, fetches both shares of its totals, and adds them.

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use runtime_package::PublisherKey;
use runtime_study::{Answer, COLLECT_DOMAIN, CONFIDENCE_PERCENT, SignedStudy, Total, collect_document};

use crate::error::LinkError;
use crate::link::Link;
use crate::message::{Reply, Request};
use crate::scheme::{Scheme, Sum};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// It is no study with two aggregators.
    #[error("the study has no aggregators: ask the host on which it was published")]
    NoAggregators,
    /// The study has no such epoch.
    #[error("the study has no epoch {epoch}; it has {epochs}, from 0 on")]
    NoSuchEpoch {
        /// What was asked for.
        epoch: u32,
        /// How many it has.
        epochs: usize,
    },
    /// Another key has signed the study.
    #[error("the key is not of the publisher who signed the study")]
    OtherKey,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// An aggregator.
    #[error("the {which} at {address} gave no share of the totals")]
    Aggregator {
        /// `leader` or `helper`.
        which: &'static str,
        /// Its address.
        address: String,
        /// The cause.
        #[source]
        source: LinkError,
    },
}

/// Asks both aggregators for an epoch. Asked again, they give the same.
///
/// # Errors
/// [`CollectError`].
pub fn collect(signed: &SignedStudy, epoch: u32, key: &PublisherKey) -> Result<Answer, CollectError> {
    let study = signed.study();
    let aggregators = study.aggregators().ok_or(CollectError::NoAggregators)?;
    let scheme = Scheme::of(signed).ok_or(CollectError::NoAggregators)?;
    let epochs = study.epochs().len();
    let span = *study.epoch_at(epoch).ok_or(CollectError::NoSuchEpoch { epoch, epochs })?;
    if key.publisher() != signed.signed().publisher {
        return Err(CollectError::OtherKey);
    }
    let random = SystemRandom::new();
    let document = collect_document(&signed.id().0, epoch);
    let signature = key.sign_document(COLLECT_DOMAIN, &document, &random);
    let signature = signature.map_err(|_| CollectError::NoRandomness)?;
    let own = SigningKey::generate(KeyKind::Ed25519, &random).map_err(|_| CollectError::NoRandomness)?;
    let request = Request::Collect { study: signed.id().0, epoch, signature };
    let share = |which: usize| -> Result<Sum, CollectError> {
        let asked = Link::connect(&aggregators[which], &own).and_then(|mut link| link.ask(&request));
        let read = asked.and_then(|reply| match reply {
            Reply::Share(share) => scheme.sum(&share).ok_or(LinkError::Unexpected),
            _ => Err(LinkError::Unexpected),
        });
        let address = || aggregators[which].address.clone();
        let which = ["leader", "helper"][which];
        read.map_err(|source| CollectError::Aggregator { which, address: address(), source })
    };
    // The leader closes the epoch with the helper, and only then is there a share at either.
    let mut sum = share(0)?;
    sum.add(&share(1)?);
    let named = study.numbers().iter().zip(sum.totals());
    Ok(Answer {
        study: signed.id().to_string(),
        name: study.name.clone(),
        epoch,
        from_s: span.from_s,
        until_s: span.until_s,
        smallest_group: study.smallest_group,
        epsilon_micro: study.epsilon_micro,
        scale: study.scale(),
        error_bar: study.error_bar(),
        confidence_percent: CONFIDENCE_PERCENT,
        totals: named.map(|(number, total)| Total { name: number.name.clone(), total }).collect(),
    })
}
