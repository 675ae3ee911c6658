//! Carries the page's calls at the host's console: to the host that runs, or to the data folder itself.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use runtime_dashboard::{About, Carried, Carrier, NotCarried, Waiting, Way};
use runtime_host::admin::{
    CONSOLE_COMMANDS, Claim, Command, Context, DEVICE_COMMANDS, OPERATOR_COMMANDS, PersonStatus,
    PhoneAddress, ask_any, claim,
};
use runtime_program::Failure;
use runtime_user::Runtime;
use serde_json::json;

use crate::verbs::{Options, identity, open_runtime};

/// The console, for one person, or for the operator.
#[derive(Clone)]
pub(super) struct Console {
    /// Whose page it is; none: the operator's.
    person: Option<String>,
    data: PathBuf,
    /// No host runs: this process has the folder.
    own: Option<Arc<Own>>,
}

struct Own {
    runtime: Arc<Runtime>,
    address: PhoneAddress,
    _lock: File,
}

impl Console {
    /// The console of the data folder that the options name, if that person is there; none: the operator's.
    pub(super) fn open(options: &Options, person: Option<String>) -> Result<Self, Failure> {
        let data = options.data()?;
        if !data.join("people").is_dir() {
            let what = format!("{} is no data folder of a host", data.display());
            return Err(Failure::new(what, "`cellar user add` or `cellar serve` makes one"));
        }
        let claimed = claim(&data);
        let claimed = claimed.map_err(|error| Failure::of(&error, "name a folder that you may write to"))?;
        let own = match claimed {
            Claim::Ours(lock) => {
                let config = options.config()?;
                let runtime = open_runtime(&config, &data)?;
                let pin = identity(&config, &data, &runtime)?.pin();
                let address = config.public_address.clone().unwrap_or_else(|| config.listen.to_string());
                Some(Arc::new(Own { runtime, address: PhoneAddress { address, pin }, _lock: lock }))
            }
            _ => None,
        };
        let console = Self { person, data, own };
        // Somebody who is not there is said here, and not in the browser.
        let asked = console.person.clone().map(|person| console.give(PersonStatus { person }.into()));
        if let Some(Err(failure)) = asked {
            console.close();
            return Err(failure);
        }
        Ok(console)
    }

    /// Ends what this process has opened.
    pub(super) fn close(self) {
        if let Some(own) = self.own {
            own.runtime.shutdown();
        }
    }

    fn give(&self, command: Command) -> Result<serde_json::Value, Failure> {
        match &self.own {
            Some(own) => command.answer(&Context { runtime: &own.runtime, phone_address: &own.address }),
            None => ask_any(&self.data, &command).unwrap_or_else(|error| {
                let what = format!("the host over {} does not answer: {error}", self.data.display());
                Err(Failure::new(what, "see whether `cellar serve` still runs, and open the page again"))
            }),
        }
    }
}

impl Console {
    async fn carry(self, command: Bytes) -> Result<Carried, NotCarried> {
        let refused = |status, message: String| {
            let body = json!({ "error": { "code": "bad-command", "message": message } });
            Ok(Carried { status, body: body.to_string().into() })
        };
        let read = match &self.person {
            Some(person) => Command::of_person(&command, person),
            None => Command::of_operator(&command),
        };
        let command = match read {
            Ok(command) if self.person.is_none() || command.is_for_page() => command,
            Ok(command) => return refused(403, format!("`{}` is no command of the page", command.name())),
            Err(error) => return refused(400, error.to_string()),
        };
        let failed = |message: &str| NotCarried { code: "failed", message: message.to_owned() };
        let outcome = tokio::task::spawn_blocking(move || self.give(command)).await;
        let outcome = outcome.map_err(|_| failed("the command stopped half way"))?;
        let body = serde_json::to_vec(&outcome).map_err(|_| failed("the answer is no JSON"))?;
        Ok(Carried { status: 200, body: body.into() })
    }
}

impl Carrier for Console {
    fn about(&self) -> About {
        let about = |way, commands| About {
            way,
            device: None,
            scopes: Vec::new(),
            commands,
            puts: false,
            opens: false,
        };
        if self.person.is_none() {
            return about(Way::Operator, OPERATOR_COMMANDS.map(str::to_owned).to_vec());
        }
        let devices = DEVICE_COMMANDS.iter().map(|(name, _)| *name);
        // No phone reaches a folder that no host serves.
        let has_host = self.own.is_none();
        let console = CONSOLE_COMMANDS.into_iter().filter(|name| has_host || !name.starts_with("pair-"));
        about(Way::Console, devices.chain(console).map(str::to_owned).collect())
    }

    async fn ask(&mut self, command: Bytes) -> Result<Carried, NotCarried> {
        self.clone().carry(command).await
    }

    async fn watch(&mut self, command: Bytes) -> Result<Waiting, NotCarried> {
        Ok(Box::pin(self.clone().carry(command)))
    }

    async fn put(&mut self, _batch: Bytes) -> Result<Carried, NotCarried> {
        Err(NotCarried::not_here("entries come from a paired device: open the page with --state"))
    }

    async fn open(&mut self) -> Result<(), NotCarried> {
        Err(NotCarried::not_here("a store is opened by a paired device, or by the recovery phrase"))
    }
}
