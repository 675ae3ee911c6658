//! A paired phone and its runtime: a session, the store unlocked where it is locked, and calls at the granted paths.

use std::sync::Arc;

use bytes::Bytes;
use handshake::device::HOSTS_OWN;
use handshake::encoding::{Label, Spki};
use handshake::keys::Slot;
use handshake::route::ALPN_CONNECT;
use handshake::session::{
    Distrust, Grant, SessionRequest, StoreState, UnlockReply, UnlockRequest, read_head_field,
};
use rustls::ClientConfig;

use crate::client::{PhoneError, Reply};
use crate::link::{Call, Requests, Secured, secure_with};
use crate::roster::News;
use crate::state::PhoneFile;
use runtime_wire::tls::raw_client;

/// How long opening a session or unlocking may take, ms: sealed uploads are accepted meanwhile.
const SESSION_MS: u64 = 120_000;
/// How long an answer may take, ms: longer than any run of a cell.
const ANSWER_MS: u64 = 120_000;
/// The permissions that a phone asks for.
const WANT: [&str; 6] =
    ["usercache:put", "usercache:get", "datastreams:read", "profile", "pipeline:read", "admin"];

/// A paired phone and its connection.
pub struct Native {
    /// What the phone stores; the caller writes it where it has changed.
    pub file: PhoneFile,
    /// The permissions that the phone was granted.
    pub grant: Grant,
    /// What it learnt of who may open its owner's data.
    pub news: News,
    requests: Requests,
    server_name: String,
    label: Label,
    runtime: Spki,
    config: Arc<ClientConfig>,
}

impl Native {
    /// Connects, opens a session, and unlocks the store where it is locked.
    ///
    /// # Errors
    /// [`PhoneError`], with the words that a phone would show.
    pub async fn open(file: PhoneFile) -> Result<Self, PhoneError> {
        let mut native = Self::session(file).await?;
        native.unlock_if_locked().await?;
        native.sign_harmless().await?;
        Ok(native)
    }

    /// Connects and opens a session, and leaves the store as it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn session(file: PhoneFile) -> Result<Self, PhoneError> {
        let state = file.state.clone();
        let config = raw_client(
            file.device.pkcs8(),
            file.device.spki(),
            ALPN_CONNECT,
            Arc::new(move |spki: &Spki| state.expects(spki.as_bytes())),
        )?;
        Self::session_with(file, config).await
    }

    /// Like [`Self::session`], with a configuration that may resume a session.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn session_with(mut file: PhoneFile, config: Arc<ClientConfig>) -> Result<Self, PhoneError> {
        let names: Vec<_> = file.state.server_names().collect();
        let mut last = PhoneError::Name(file.state.host.clone());
        for (label, server_name) in names {
            let secured = match connect(&file, &server_name, &config).await {
                Ok(secured) => secured,
                // The label may no longer exist, or not yet: the previous label may work.
                Err(PhoneError::Alert { description: 112, authority }) => {
                    last = PhoneError::Alert { description: 112, authority };
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Secured { stream, runtime, .. } = secured;
            let mut requests = Requests::two(stream).await?;
            let grant = ask_session(&mut requests, &server_name, &file).await?;
            let trusted = file.state.take_grant(&grant, runtime.as_bytes(), label);
            trusted.map_err(PhoneError::Distrust)?;
            let news = News::default();
            let mut native = Self { file, grant, news, requests, server_name, label, runtime, config };
            // Before it sends anything of its owner's.
            native.follow_rosters().await?;
            return Ok(native);
        }
        Err(last)
    }

    /// Opens the phone's slot and sends the key, where the store is locked.
    ///
    /// # Errors
    /// [`PhoneError::Slot`] where there is no slot that this phone opens.
    pub async fn unlock_if_locked(&mut self) -> Result<(), PhoneError> {
        if self.grant.store != StoreState::Locked {
            return Ok(());
        }
        // A host that has lost the slot is helped by the one that the phone keeps.
        let slots = [self.grant.slot, self.file.state.slot].into_iter().flatten();
        let opened = slots.filter_map(|slot| {
            let slot = Slot::parse(&slot.0).ok()?;
            let udk = slot.open(&self.file.wrap, &self.file.state.user.0).ok()?;
            Some((slot.generation(), udk))
        });
        let (generation, udk) = opened.max_by_key(|(generation, _)| *generation).ok_or(PhoneError::Slot)?;
        let request = UnlockRequest { generation, udk };
        let _: UnlockReply = self.ask("/.upc/v1/unlock", &request).await?;
        // The head is reported once the store is open.
        self.grant = ask_session(&mut self.requests, &self.server_name, &self.file).await?;
        let taken = self.file.state.take_grant(&self.grant, self.runtime.as_bytes(), self.label);
        taken.map_err(PhoneError::Distrust)?;
        // The open store may have put back what was signed last.
        self.follow_rosters().await
    }

    /// Sends a request to a path below `/.upc/v1/`.
    ///
    /// # Errors
    /// [`PhoneError::Code`] where the runtime refuses it.
    pub async fn ask<T: serde::de::DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, PhoneError> {
        self.requests.ask(&self.server_name, path, body, SESSION_MS).await
    }

    /// Posts to a path of the API, at the path that was granted for it.
    ///
    /// # Errors
    /// [`PhoneError::NotGranted`] where the grant has no cell for it.
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<Reply, PhoneError> {
        let granted = self.granted(path)?;
        self.post_raw(&granted, body).await
    }

    /// Posts to a path unchanged, and keeps where the answer says that the store stands: write `file` before data that
    /// the answer acknowledges is deleted.
    ///
    /// # Errors
    /// [`PhoneError`] where no answer came, or the store stands before what this phone has seen.
    pub async fn post_raw(&mut self, path: &str, body: Bytes) -> Result<Reply, PhoneError> {
        let reply = self.requests.post(&self.server_name, path, body, ANSWER_MS).await?;
        self.noted(reply)
    }

    /// Posts to a path of the API beside other calls, which go on meanwhile. Where the answer says that the store stands
    /// is not kept.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub fn post_beside(
        &self,
        path: &str,
        body: Bytes,
    ) -> Result<impl Future<Output = Result<Reply, PhoneError>> + Send + 'static + use<>, PhoneError> {
        let granted = self.granted(path)?;
        let mut requests = self.requests.beside().ok_or_else(|| PhoneError::NotGranted(path.to_owned()))?;
        let server_name = self.server_name.clone();
        Ok(async move { requests.post(&server_name, &granted, body, ANSWER_MS).await })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Asks a cell that its owner has installed with `GET`, at the path that was granted for `path`, such as
    /// `/x/reader/days?from=1`.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Reply, PhoneError> {
        let granted = self.granted(path)?;
        let reply = self.requests.get(&self.server_name, &granted, headers, ANSWER_MS).await?;
        self.noted(reply)
    }

    /// Keeps where an answer says that the store stands.
    fn noted(&mut self, reply: Reply) -> Result<Reply, PhoneError> {
        let before = self.file.state.head;
        if let Some(told) = &reply.head {
            let head = read_head_field(told).map_err(|_| PhoneError::Distrust(Distrust::Malformed))?;
            self.file.state.take_head(before, head).map_err(PhoneError::Distrust)?;
        }
        Ok(reply)
    }

    /// The granted path of a path of the API.
    ///
    /// # Errors
    /// [`PhoneError::NotGranted`].
    pub fn granted(&self, path: &str) -> Result<String, PhoneError> {
        let asked = path.trim_start_matches('/');
        let is_it = |answered: &String| {
            asked
                .strip_prefix(answered.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let granted = self.grant.cells.iter().find(|cell| cell.answers.iter().any(is_it));
        match granted {
            Some(cell) => Ok(format!("{}{path}", cell.path)),
            // Paths that the host itself answers are in no grant.
            None if HOSTS_OWN.iter().any(|own| asked.split('/').next() == Some(own)) => Ok(path.to_owned()),
            None => Err(PhoneError::NotGranted(path.to_owned())),
        }
    }

    /// The server name of this connection's TLS handshake.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The TLS configuration; another connection with it resumes the session.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

async fn connect(
    file: &PhoneFile,
    server_name: &str,
    config: &Arc<ClientConfig>,
) -> Result<Secured, PhoneError> {
    let state = file.state.clone();
    let call = Call {
        host: &file.state.host,
        port: file.state.port,
        server_name,
        key: &file.device,
        protocol: ALPN_CONNECT,
        accepts: Arc::new(move |spki: &Spki| state.expects(spki.as_bytes())),
    };
    secure_with(&call, Arc::clone(config)).await
}

async fn ask_session(
    requests: &mut Requests,
    server_name: &str,
    file: &PhoneFile,
) -> Result<Grant, PhoneError> {
    let request = SessionRequest {
        v: vec![handshake::session::VERSION],
        want: WANT.map(str::to_owned).to_vec(),
        last_head: file.state.head,
        client: concat!("cellar/", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    requests.ask(server_name, "/.upc/v1/session", &request, SESSION_MS).await
}
