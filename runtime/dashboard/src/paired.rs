//! Carries calls over the native, pinned connection of a paired device.

use std::path::PathBuf;

use bytes::Bytes;
use handshake::device::Scope;
use handshake::error::Code;
use handshake::session::PhoneState;
use runtime_phone::{BadPhoneFile, Native, PhoneError, PhoneFile};

use crate::carrier::{About, Carried, Carrier, NotCarried, Waiting, Way};

/// The connection of a paired device, made again when a call needs it.
pub struct Paired {
    /// What `cellar phone pair` wrote.
    path: PathBuf,
    about: About,
    native: Option<Native>,
    /// What the file says.
    kept: PhoneState,
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairedError {
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] BadPhoneFile),
    /// Its runtime does not let it in.
    #[error(transparent)]
    Phone(#[from] PhoneError),
}

impl Paired {
    /// Connects as the device of that file, and opens the store if it is locked. `commands`: what a device may ask of a
    /// runtime, each with the scope that it needs.
    ///
    /// # Errors
    /// [`PairedError`].
    pub async fn open(path: PathBuf, commands: &[(&str, Scope)]) -> Result<Self, PairedError> {
        let native = Native::open(PhoneFile::load(&path)?).await?;
        native.file.store(&path)?;
        let state = &native.file.state;
        let commands = commands.iter().filter(|(_, scope)| state.scopes.has(*scope));
        let about = About {
            way: Way::Device,
            device: Some(state.device.to_string()),
            scopes: state.scopes.iter().map(|scope| scope.to_string()).collect(),
            commands: commands.map(|(name, _)| (*name).to_owned()).collect(),
            puts: state.scopes.has(Scope::UsercachePut),
            opens: true,
        };
        Ok(Self { path, about, kept: native.file.state.clone(), native: Some(native) })
    }

    async fn post(&mut self, path: &str, body: Bytes) -> Result<Carried, NotCarried> {
        let done = self.try_post(path, body).await;
        if done.is_err() {
            // The next call connects anew. This one is not sent twice: the runtime may have carried it out.
            self.native = None;
        }
        done.map_err(|error| not_carried(&error))
    }

    async fn try_post(&mut self, path: &str, body: Bytes) -> Result<Carried, PairedError> {
        let native = self.connected().await?;
        let reply = native.post(path, body).await;
        self.keep()?;
        let reply = reply?;
        Ok(Carried { status: reply.status, body: reply.body })
    }

    /// The connection; a new one where there is none, or the runtime has ended it.
    async fn connected(&mut self) -> Result<&mut Native, PairedError> {
        Ok(match self.native.take().filter(|native| !native.is_closed()) {
            Some(native) => self.native.insert(native),
            // A session alone: a store that its owner has locked stays locked.
            None => self.native.insert(Native::session(PhoneFile::load(&self.path)?).await?),
        })
    }

    /// Writes the device's file where something has changed: the page asks often, and mostly nothing has.
    fn keep(&mut self) -> Result<(), PairedError> {
        if let Some(native) = self.native.as_ref().filter(|native| native.file.state != self.kept) {
            native.file.store(&self.path)?;
            self.kept = native.file.state.clone();
        }
        Ok(())
    }

    async fn try_watch(&mut self, command: Bytes) -> Result<Waiting, PairedError> {
        let answer = self.connected().await?.post_beside("/owner/ask", command)?;
        self.keep()?;
        Ok(Box::pin(async move {
            let reply = answer.await.map_err(|error| not_carried(&error.into()))?;
            Ok(Carried { status: reply.status, body: reply.body })
        }))
    }

    async fn try_open(&mut self) -> Result<(), PairedError> {
        self.native = None;
        let native = Native::open(PhoneFile::load(&self.path)?).await?;
        native.file.store(&self.path)?;
        self.kept = native.file.state.clone();
        self.native = Some(native);
        Ok(())
    }
}

impl Carrier for Paired {
    fn about(&self) -> About {
        self.about.clone()
    }

    async fn ask(&mut self, command: Bytes) -> Result<Carried, NotCarried> {
        self.post("/owner/ask", command).await
    }

    async fn put(&mut self, batch: Bytes) -> Result<Carried, NotCarried> {
        self.post("/usercache/put", batch).await
    }

    async fn watch(&mut self, command: Bytes) -> Result<Waiting, NotCarried> {
        self.try_watch(command).await.map_err(|error| not_carried(&error))
    }

    async fn open(&mut self) -> Result<(), NotCarried> {
        self.try_open().await.map_err(|error| not_carried(&error))
    }
}

fn not_carried(error: &PairedError) -> NotCarried {
    let code = match error {
        PairedError::Phone(PhoneError::Code { code: Code::DeviceUnknown }) => "shut-out",
        PairedError::Phone(error) if matches!(error.alert(), Some(49 | 112)) => "shut-out",
        PairedError::Phone(PhoneError::OtherRuntime | PhoneError::Distrust(_)) => "distrust",
        PairedError::Phone(PhoneError::Reach { .. } | PhoneError::Silent { .. } | PhoneError::Broken(_)) => {
            "unreachable"
        }
        _ => "failed",
    };
    NotCarried { code, message: error.to_string() }
}
