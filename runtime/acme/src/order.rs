//! One order: the account, the proof that this host answers for the name, a new key, and the certificate for it.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, Problem,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use crate::certificate::Unfit;
use crate::challenge::{Challenges, NoProof};
use crate::keeper::Subject;

/// Why an order did not bring a certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the acme server")]
    Server(#[from] instant_acme::Error),
    #[error("the acme server does not accept the proof: {0}")]
    Refused(String),
    #[error("the acme server wants another proof than tls-alpn-01, or one of another name")]
    Offer,
    #[error("the order was not done within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    #[error(transparent)]
    Proof(#[from] NoProof),
    #[error("the key of the certificate cannot be made")]
    Key(#[from] rcgen::Error),
    #[error("what the acme server sent")]
    Certificate(#[from] Unfit),
    #[error("the account cannot be kept")]
    File(#[from] std::io::Error),
    #[error("the account cannot be written")]
    Account(#[from] serde_json::Error),
    #[error("the task of the order ended")]
    Ended,
}

/// Kinds of problems that are one name's and no other's (RFC 8555, 6.7).
const OF_NAME: [&str; 8] = [
    "caa",
    "connection",
    "dns",
    "incorrectResponse",
    "rejectedIdentifier",
    "tls",
    "unauthorized",
    "unsupportedIdentifier",
];
/// Characters of a reason that are shown.
const REASON_CHARS_MAX: usize = 300;

impl OrderError {
    fn kind(&self) -> Option<&str> {
        let Self::Server(instant_acme::Error::Api(problem)) = self else { return None };
        problem.r#type.as_deref()?.rsplit(':').next()
    }

    /// Whether another name may fare better.
    pub(crate) fn is_of_name(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Offer | Self::Certificate(_) => true,
            other => other.kind().is_some_and(|kind| OF_NAME.contains(&kind)),
        }
    }

    /// Whether the server does not know the account.
    pub(crate) fn is_of_account(&self) -> bool {
        self.kind() == Some("accountDoesNotExist")
    }

    /// The reason with its causes, for a log: one line, without the name.
    pub(crate) fn reason(&self, name: &str) -> String {
        let first: &dyn std::error::Error = self;
        let causes = std::iter::successors(Some(first), |error| error.source());
        let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let text = text.replace(name, "the name");
        text.chars().filter(|letter| !letter.is_control()).take(REASON_CHARS_MAX).collect()
    }
}

/// A key and the chain for it, in PEM form.
pub(crate) struct Issued {
    pub(crate) key: Zeroizing<String>,
    pub(crate) chain: String,
}

/// Orders a certificate for the name; `poll` is the first pause between looks at the order, `within` bounds them all.
pub(crate) async fn order(
    account: &Account,
    subject: &Subject,
    challenges: &Challenges,
    (poll, within): (Duration, Duration),
) -> Result<Issued, OrderError> {
    let retries = RetryPolicy::new().initial_delay(poll).backoff(2.0).timeout(within);
    let wanted = [Identifier::Dns(subject.name.clone())];
    let mut order = account.new_order(&NewOrder::new(&wanted)).await?;
    if order.state().authorizations.len() != 1 {
        return Err(OrderError::Offer);
    }
    if order.state().status == OrderStatus::Pending {
        prove(&mut order, subject, challenges, &retries).await?;
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([subject.name.clone()])?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&retries).await?;
    Ok(Issued { key: Zeroizing::new(key.serialize_pem()), chain })
}

/// Shows the proof until the server has looked at it.
async fn prove(
    order: &mut Order,
    subject: &Subject,
    challenges: &Challenges,
    retries: &RetryPolicy,
) -> Result<(), OrderError> {
    let _showing = {
        let mut all = order.authorizations();
        let mut authorization = all.next().await.ok_or(OrderError::Offer)??;
        let is_ours =
            matches!(&authorization.identifier().identifier, Identifier::Dns(name) if *name == subject.name);
        if !is_ours {
            return Err(OrderError::Offer);
        }
        // It may be known from an order that ended before its certificate came.
        if authorization.status == AuthorizationStatus::Valid {
            return Ok(());
        }
        let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or(OrderError::Offer)?;
        let digest = challenge.key_authorization().digest();
        let showing = challenges.show(subject.user, &subject.name, digest.as_ref())?;
        challenge.set_ready().await?;
        showing
    };
    match order.poll_ready(retries).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
        Ok(_) => Err(OrderError::Refused(refusal(order).await)),
        // What the order says is less than what the proof's own answer says.
        Err(instant_acme::Error::Api(problem)) => {
            let said = refusal(order).await;
            Err(OrderError::Refused(if said.is_empty() { told(&problem) } else { said }))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the server says of a proof that it did not accept.
async fn refusal(order: &mut Order) -> String {
    let mut all = order.authorizations();
    let Some(Ok(mut authorization)) = all.next().await else { return String::new() };
    let Ok(state) = authorization.refresh().await else { return String::new() };
    let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
    problems.map(told).next().unwrap_or_default()
}

/// A problem in words, as the server puts it.
fn told(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    format!("{kind}: {}", problem.detail.as_deref().unwrap_or_default())
}
