//! An aggregator that listens: who may ask what, and what is in memory meanwhile.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use runtime_study::{COLLECT_DOMAIN, Epoch, SignedStudy, collect_document};
use rustls::ServerConfig;
use serde::Serialize;

use crate::error::{LedgerError, Refusal};
use crate::folder::{Folder, FolderError};
use crate::ledger::{At, Ledger};
use crate::link::{Accepted, listening};
use crate::message::{Part, Parts, Reply, Request};
use crate::scheme::{NONCE_BYTES, Role, Scheme};
use crate::{HELD_BYTES_MAX, HELD_S, PEERS_MAX, helper, leader};

/// A point of a count or a close, for tests that end a process there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The helper holds shares in memory.
    HelperHolds,
    /// The leader has checked its side, and asks the helper.
    LeaderAsks,
    /// The helper has written what it would count.
    HelperPrepared,
    /// The leader has heard so.
    LeaderHeard,
    /// The leader has counted: it is decided.
    LeaderCounted,
    /// The helper has counted.
    HelperSettled,
    /// The leader has forgotten the key.
    LeaderForgot,
    /// The helper has closed the epoch.
    HelperClosed,
    /// The leader has closed the epoch.
    LeaderClosed,
    /// The share has its noise, on disk.
    Drawn,
}

/// Sees each step.
pub type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// A study that is admitted here.
pub(crate) struct Admitted {
    pub signed: SignedStudy,
    pub scheme: Scheme,
    pub role: Role,
    /// Held by the leader from the first message to the helper until the count is settled.
    pub leading: Mutex<()>,
}

/// Shares that wait in memory, by study, epoch, report and nonce.
type HeldKey = ([u8; 32], u32, [u8; 16], [u8; NONCE_BYTES]);

struct Waiting {
    part: Part,
    since: Instant,
}

#[derive(Default)]
struct Held {
    bytes: usize,
    waiting: BTreeMap<HeldKey, Waiting>,
}

/// An aggregator.
pub struct Aggregator {
    pub(crate) folder: Folder,
    pub(crate) ledger: Ledger,
    studies: Mutex<BTreeMap<[u8; 32], Arc<Admitted>>>,
    held: Mutex<Held>,
    connections: AtomicUsize,
    watch: Watch,
}

/// Why an aggregator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its key.
    #[error("the key of the aggregator cannot be used for TLS")]
    Tls(#[from] rustls::Error),
}

/// What an operator is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpochStatus {
    /// The study's name.
    pub study: String,
    /// Its id.
    pub id: String,
    /// `leader` or `helper`.
    pub role: &'static str,
    /// The epoch.
    pub epoch: u32,
    /// `open`, `closed` or `answered`.
    pub state: &'static str,
    /// How many reports are counted.
    pub people: u64,
    /// How many were refused because their proofs did not hold.
    pub refused: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Aggregator {
    /// Opens the aggregator of a folder.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(folder: Folder, watch: Watch) -> Result<Self, StartError> {
        let ledger = Ledger::open(&folder.ledger())?;
        let (studies, held) = (Mutex::default(), Mutex::default());
        Ok(Self { folder, ledger, studies, held, connections: AtomicUsize::new(0), watch })
    }

    /// Answers connections until the listener breaks.
    ///
    /// # Errors
    /// [`StartError::Tls`].
    pub fn serve(self: &Arc<Self>, listener: &TcpListener) -> Result<(), StartError> {
        let config = listening(self.folder.key())?;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let (aggregator, config) = (Arc::clone(self), Arc::clone(&config));
            if self.connections.fetch_add(1, Ordering::SeqCst) >= PEERS_MAX {
                self.connections.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            std::thread::spawn(move || {
                // A thread that panics gives its place back, too.
                let _place = Place(&aggregator.connections);
                aggregator.talk(stream, &config);
            });
        }
        Ok(())
    }

    fn talk(&self, stream: TcpStream, config: &Arc<ServerConfig>) {
        let Ok((mut peer, key)) = Accepted::over(stream, config) else { return };
        loop {
            let reply = match peer.request() {
                Ok(Some(request)) => self.answer(request, &key),
                Err(crate::error::LinkError::Form(_)) => Reply::Refused(Refusal::Form),
                Ok(None) | Err(_) => return,
            };
            let ends = reply == Reply::Refused(Refusal::Form);
            if peer.reply(&reply).is_err() || ends {
                return;
            }
        }
    }

    fn answer(&self, request: Request, peer: &str) -> Reply {
        let answered = match request {
            Request::Hold(parts) => self.hold(parts),
            Request::Count(parts) => leader::count(self, parts),
            Request::Open { study, verify_key } => helper::open(self, peer, &study, &verify_key),
            Request::Prepare { count, parts } => helper::prepare(self, peer, count, &parts),
            Request::Settle { study, count, key } => helper::settle(self, peer, &study, &count, key.as_ref()),
            Request::Close { study, epoch, people, chain, signature } => {
                helper::close(self, peer, &At { study, epoch }, (people, &chain), &signature)
            }
            Request::Collect { study, epoch, signature } => self.collect(&At { study, epoch }, &signature),
            Request::Status => self.status_for(peer),
        };
        match answered {
            Ok(reply) => reply,
            Err(LedgerError::Refused(refusal)) => Reply::Refused(refusal),
            Err(error) => {
                tracing::error!(error = %runtime_types::chain(&error), "a message was not carried out");
                Reply::Refused(Refusal::Trouble)
            }
        }
    }

    pub(crate) fn step(&self, step: Step) {
        (self.watch)(step);
    }

    /// A study that is admitted here, in that role.
    pub(crate) fn study(&self, id: &[u8; 32], role: Option<Role>) -> Result<Arc<Admitted>, Refusal> {
        let known = lock(&self.studies).get(id).cloned();
        let study = match known {
            Some(study) => study,
            None => {
                let signed = self.folder.study(id).ok_or(Refusal::NoSuchStudy)?;
                let role = self.folder.role(&signed).ok_or(Refusal::NoSuchStudy)?;
                let scheme = Scheme::of(&signed).ok_or(Refusal::NoSuchStudy)?;
                let study = Arc::new(Admitted { signed, scheme, role, leading: Mutex::new(()) });
                // Somebody else may have been faster: there is one lock for each study.
                Arc::clone(lock(&self.studies).entry(*id).or_insert(study))
            }
        };
        if role.is_some_and(|role| role != study.role) { Err(Refusal::NotForMe) } else { Ok(study) }
    }

    fn hold(&self, parts: Parts) -> Result<Reply, LedgerError> {
        let study = self.study(&parts.study, Some(Role::Helper))?;
        open_epoch(&study, parts.epoch)?;
        let mut held = lock(&self.held);
        held.waiting.retain(|_, waiting| waiting.since.elapsed() < Duration::from_secs(HELD_S));
        held.bytes = held.waiting.values().map(|waiting| size(&waiting.part)).sum();
        let more: usize = parts.parts.iter().map(size).sum();
        if held.bytes + more > HELD_BYTES_MAX {
            return Err(Refusal::Full.into());
        }
        held.bytes += more;
        let since = Instant::now();
        for part in parts.parts {
            let key = (parts.study, parts.epoch, part.id.0, part.nonce);
            held.waiting.insert(key, Waiting { part, since });
        }
        drop(held);
        self.step(Step::HelperHolds);
        Ok(Reply::Done)
    }

    /// What waits of a report. It waits no more: a share is looked at once.
    pub(crate) fn take_held(&self, at: &At, part: &Part) -> Option<Part> {
        let mut held = lock(&self.held);
        let waiting = held.waiting.remove(&(at.study, at.epoch, part.id.0, part.nonce))?;
        held.bytes = held.bytes.saturating_sub(size(&waiting.part));
        Some(waiting.part)
    }

    fn collect(&self, at: &At, signature: &[u8]) -> Result<Reply, LedgerError> {
        let study = self.study(&at.study, None)?;
        check_researcher(&study, at, signature)?;
        if study.role == Role::Leader {
            leader::close(self, &study, at, signature)?;
        }
        let share = self.ledger.share(at, &study.scheme)?;
        self.step(Step::Drawn);
        Ok(Reply::Share(share))
    }

    fn status_for(&self, peer: &str) -> Result<Reply, LedgerError> {
        if peer != self.folder.key_name() {
            return Err(Refusal::NotForMe.into());
        }
        Ok(Reply::Status(serde_json::to_vec(&self.status()?).expect("texts and numbers are JSON")))
    }

    /// What was counted, of each epoch of each study of which something was.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn status(&self) -> Result<Vec<EpochStatus>, LedgerError> {
        let mut all = Vec::new();
        for signed in self.folder.studies() {
            let Ok(study) = self.study(&signed.id().0, None) else { continue };
            for epoch in signed.study().epochs() {
                let at = At { study: signed.id().0, epoch: epoch.index };
                let kept = self.ledger.epoch(&at, &study.scheme)?;
                if kept.people + kept.refused == 0 {
                    continue;
                }
                all.push(EpochStatus {
                    study: signed.study().name.clone(),
                    id: signed.id().to_string(),
                    role: if study.role == Role::Leader { "leader" } else { "helper" },
                    epoch: epoch.index,
                    state: ["open", "closed", "answered"][kept.state as usize],
                    people: kept.people,
                    refused: kept.refused,
                });
            }
        }
        Ok(all)
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn size(part: &Part) -> usize {
    part.public.len() + part.share.len() + size_of::<HeldKey>() + size_of::<Waiting>()
}

/// The epoch, if reports of it are counted at this moment.
pub(crate) fn open_epoch(study: &Admitted, epoch: u32) -> Result<Epoch, Refusal> {
    let epoch = study.signed.study().epoch_at(epoch).ok_or(Refusal::NoSuchEpoch)?;
    if epoch.is_open_at(now()) { Ok(*epoch) } else { Err(Refusal::NotOpen) }
}

/// Whether whoever signed the study has signed that its epoch is closed, and that it has ended.
pub(crate) fn check_researcher(study: &Admitted, at: &At, signature: &[u8]) -> Result<(), Refusal> {
    let epoch = study.signed.study().epoch_at(at.epoch).ok_or(Refusal::NoSuchEpoch)?;
    let document = collect_document(&at.study, at.epoch);
    let signed = runtime_package::verify_document(COLLECT_DOMAIN, &document, signature);
    let signed = signed.map_err(|_| Refusal::NotTheResearcher)?;
    if signed.publisher != study.signed.signed().publisher {
        return Err(Refusal::NotTheResearcher);
    }
    if now() < epoch.until_s as f64 { Err(Refusal::NotOpen) } else { Ok(()) }
}
