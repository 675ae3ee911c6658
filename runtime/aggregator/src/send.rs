//! A host's side: numbers are split in this process's memory, and each share goes to its aggregator alone.

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::{SecureRandom, SystemRandom};
use runtime_study::{Aggregator, Report, SEND_REPORTS_MAX, SendAsk, Sent, SignedStudy, Verdict};

use crate::error::LinkError;
use crate::link::Link;
use crate::message::{Part, Parts, Reply, Request};
use crate::scheme::{About, Scheme};
use crate::{MESSAGE_BYTES_MAX, MESSAGE_REPORTS_MAX};

/// How often a report is sent that was not counted.
pub const ATTEMPTS_MAX: u32 = 3;
/// What the other parts of a report take in a message, at most, bytes.
const PART_BYTES: usize = 256;

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is no study with two aggregators.
    #[error("the question names no study with two aggregators, or has too many reports")]
    Ask,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// An aggregator.
    #[error("the {which} at {address} did not take the shares")]
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

/// Sends the reports of one question. Each attempt has new shares under a new nonce, so that no two of them together tell
/// anything; the id of a report stays, so that it is counted once.
pub fn send(ask: &SendAsk) -> Sent {
    match attempts(ask) {
        Ok(verdicts) => Sent::Verdicts(verdicts),
        Err(error) => Sent::Failed { why: runtime_types::chain(&error) },
    }
}

fn attempts(ask: &SendAsk) -> Result<Vec<Verdict>, SendError> {
    let signed = SignedStudy::parse(ask.study.as_bytes()).map_err(|_| SendError::Ask)?;
    let scheme = Scheme::of(&signed).ok_or(SendError::Ask)?;
    let aggregators = signed.study().aggregators().ok_or(SendError::Ask)?;
    if ask.reports.len() > SEND_REPORTS_MAX {
        return Err(SendError::Ask);
    }
    let sender = Sender { signed: &signed, scheme, aggregators, epoch: ask.epoch, key: key()? };
    let mut verdicts = vec![Verdict::Again; ask.reports.len()];
    let mut failed = None;
    for _ in 0..ATTEMPTS_MAX {
        let open: Vec<usize> = (0..verdicts.len()).filter(|at| verdicts[*at] == Verdict::Again).collect();
        if open.is_empty() {
            break;
        }
        failed = None;
        for chunk in open.chunks(sender.together(&ask.reports[open[0]])) {
            let reports: Vec<&Report> = chunk.iter().map(|at| &ask.reports[*at]).collect();
            match sender.once(&reports) {
                Ok(said) => chunk.iter().zip(said).for_each(|(at, verdict)| verdicts[*at] = verdict),
                Err(error) => failed = Some(error),
            }
        }
    }
    match failed {
        // Of some it is known what became of them.
        Some(error) if verdicts.iter().all(|verdict| *verdict == Verdict::Again) => Err(error),
        _ => Ok(verdicts),
    }
}

/// A key for connections of this process: a host has no name among aggregators.
fn key() -> Result<SigningKey, SendError> {
    SigningKey::generate(KeyKind::Ed25519, &SystemRandom::new()).map_err(|_| SendError::NoRandomness)
}

/// The messages for the leader and for the helper, and who of the reports could be split.
type Messages = (Vec<Part>, Vec<Part>, Vec<bool>);

struct Sender<'s> {
    signed: &'s SignedStudy,
    scheme: Scheme,
    aggregators: &'s [Aggregator; 2],
    epoch: u32,
    key: SigningKey,
}

impl Sender<'_> {
    /// How many reports fit into one message.
    fn together(&self, one: &Report) -> usize {
        let about = About { epoch: self.epoch, id: one.id, nonce: [0; 16] };
        let nothing = vec![0; one.numbers.len()];
        let size = self.scheme.split(&about, &nothing).map_or(0, |shares| shares.leader.len()) + PART_BYTES;
        ((MESSAGE_BYTES_MAX - PART_BYTES) / size).clamp(1, MESSAGE_REPORTS_MAX)
    }

    fn split(&self, reports: &[&Report]) -> Result<Messages, SendError> {
        let (mut leader, mut helper, mut is_split) = (Vec::new(), Vec::new(), Vec::new());
        for report in reports {
            let mut nonce = [0; 16];
            SystemRandom::new().fill(&mut nonce).map_err(|_| SendError::NoRandomness)?;
            let about = About { epoch: self.epoch, id: report.id, nonce };
            let shares = self.scheme.split(&about, &report.numbers);
            is_split.push(shares.is_ok());
            let Ok(shares) = shares else { continue };
            let (id, public) = (report.id, shares.public);
            leader.push(Part { id, nonce, public: public.clone(), share: shares.leader });
            helper.push(Part { id, nonce, public, share: shares.helper });
        }
        Ok((leader, helper, is_split))
    }

    fn once(&self, reports: &[&Report]) -> Result<Vec<Verdict>, SendError> {
        let (leader, helper, is_split) = self.split(reports)?;
        let parts = |parts| Parts { study: self.signed.id().0, epoch: self.epoch, parts };
        let count = leader.len();
        // The helper's first: the leader asks for them at once.
        match self.ask(1, &Request::Hold(parts(helper)))? {
            Reply::Done => {}
            _ => return Err(self.of(1, LinkError::Unexpected)),
        }
        let mut said = match self.ask(0, &Request::Count(parts(leader)))? {
            Reply::Verdicts(verdicts) if verdicts.len() == count => verdicts.into_iter(),
            _ => return Err(self.of(0, LinkError::Unexpected)),
        };
        let verdict = |is_split: bool| if is_split { said.next() } else { None };
        Ok(is_split.into_iter().map(verdict).map(|said| said.unwrap_or(Verdict::BadProof)).collect())
    }

    fn ask(&self, which: usize, request: &Request) -> Result<Reply, SendError> {
        let link = Link::connect(&self.aggregators[which], &self.key);
        link.and_then(|mut link| link.ask(request)).map_err(|error| self.of(which, error))
    }

    fn of(&self, which: usize, source: LinkError) -> SendError {
        let address = self.aggregators[which].address.clone();
        SendError::Aggregator { which: ["leader", "helper"][which], address, source }
    }
}
