//! Commands that a person gives about their own data, as the owner's page does: in the form of the control socket,
//! without the member `person`. `docs/api.md` describes them.
//!
//! * A device reads what its scopes let it read in any case, and with `admin` it takes away: it closes the store, or lets
//!   a cell do less. What cannot be undone, and what gives anybody more, needs the console (docs/decisions/0015).
//! * Invariants: no such command names a file of the host, or another person.

use handshake::device::Scope;
use serde_json::Value;

use super::cells::{InstallCell, UpdateCell};
use super::command::Command;
use super::diary::ExportDiary;
use super::intake::BeginImport;
use super::parcels::Given;

/// The commands that a device may give, each with the scope that it needs.
pub const DEVICE_COMMANDS: [(&str, Scope); 18] = [
    ("status", Scope::PipelineRead),
    ("watch", Scope::PipelineRead),
    ("pipeline-status", Scope::PipelineRead),
    ("show", Scope::DatastreamsRead),
    ("audit", Scope::DatastreamsRead),
    ("cell-list", Scope::DatastreamsRead),
    ("cell-show", Scope::DatastreamsRead),
    ("cell-preview", Scope::DatastreamsRead),
    ("study-status", Scope::DatastreamsRead),
    ("export-diary", Scope::DatastreamsRead),
    ("days", Scope::DatastreamsRead),
    ("heat-map", Scope::DatastreamsRead),
    ("places", Scope::DatastreamsRead),
    ("forget-preview", Scope::DatastreamsRead),
    ("device-list", Scope::Admin),
    ("receiver-list", Scope::Admin),
    ("lock", Scope::Admin),
    // Less, a pause, its end, or none: what is resumed has its owner's consent already.
    ("cell-change", Scope::Admin),
];

/// What the page may also do at the console.
pub const CONSOLE_COMMANDS: [&str; 20] = [
    "pair-open",
    "pair-status",
    "pair-answer",
    "device-rename",
    "device-revoke",
    "cell-install",
    "cell-update",
    "receiver-add",
    "receiver-revoke",
    "cell-remove",
    "parcel-begin",
    "parcel-add",
    "parcel-end",
    "import-begin",
    "import-step",
    "import-end",
    "phrase-check",
    "forget",
    "keys",
    "erase",
];

/// Those of [`CONSOLE_COMMANDS`] that are parts of what another one of them decides: a file that is handed in is nothing
/// before a command takes it, and an import that was begun goes on.
const PARTS: [&str; 5] = ["parcel-begin", "parcel-add", "parcel-end", "import-step", "import-end"];

/// Whether a command of that name decides something, in one of its forms at least: [`Command::decides`].
pub fn decides(name: &str) -> bool {
    CONSOLE_COMMANDS.contains(&name) && !PARTS.contains(&name)
}

/// What the operator's page may do: it says nothing about any person.
pub const OPERATOR_COMMANDS: [&str; 1] = ["host-status"];

/// Why a text is no such command. The message repeats nothing of the text but names of members.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadCommand {
    /// It is no JSON object.
    #[error("a command is a JSON object with the member `command`")]
    Form,
    /// It names a person.
    #[error("the connection says who the person is: leave out `person`")]
    Person,
    /// The operator's page does not give it.
    #[error("no command of the operator's page: it shows nothing about any person")]
    NotOperators,
    /// No command has this name and form.
    #[error("no command that this host knows in this form; docs/api.md lists them")]
    Unknown(#[source] serde_json::Error),
}

impl Command {
    /// Reads a command about that person, by name or id.
    ///
    /// # Errors
    /// [`BadCommand`].
    pub fn of_person(text: &[u8], person: &str) -> Result<Self, BadCommand> {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(text) else {
            return Err(BadCommand::Form);
        };
        if members.contains_key("person") {
            return Err(BadCommand::Person);
        }
        members.insert("person".to_owned(), person.into());
        serde_json::from_value(Value::Object(members)).map_err(BadCommand::Unknown)
    }

    /// Reads a command of the operator's page, which is about nobody.
    ///
    /// # Errors
    /// [`BadCommand`]; [`BadCommand::NotOperators`] for every other command of the host.
    pub fn of_operator(text: &[u8]) -> Result<Self, BadCommand> {
        let command: Self = serde_json::from_slice(text).map_err(BadCommand::Unknown)?;
        if OPERATOR_COMMANDS.contains(&command.name()) { Ok(command) } else { Err(BadCommand::NotOperators) }
    }

    /// The scope that a device needs to give it; `None`: only the console gives it.
    pub fn scope(&self) -> Option<Scope> {
        let known = DEVICE_COMMANDS.iter().find(|(name, _)| *name == self.name() && !self.names_file());
        known.map(|(_, scope)| *scope)
    }

    /// Whether the page may give it at the console.
    pub fn is_for_page(&self) -> bool {
        !self.names_file() && (self.scope().is_some() || CONSOLE_COMMANDS.contains(&self.name()))
    }

    /// Whether it takes something away, or gives anybody more: neither a look at what would be, nor a part of what another
    /// command decides.
    pub fn decides(&self) -> bool {
        let only_looks = matches!(
            self,
            Self::BeginImport(BeginImport { dry_run: true, .. })
                | Self::InstallCell(InstallCell { agreed: false, .. })
                | Self::UpdateCell(UpdateCell { agreed: false, .. })
        );
        decides(self.name()) && !only_looks
    }

    /// Whether it names a file of the host.
    fn names_file(&self) -> bool {
        match self {
            Self::ExportDiary(ExportDiary { output, .. }) => output.is_some(),
            Self::BeginImport(BeginImport { files, .. }) => files.iter().any(Given::is_path),
            Self::InstallCell(InstallCell { package, .. }) | Self::UpdateCell(UpdateCell { package, .. }) => {
                package.is_path()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: Value) -> Result<(Option<Scope>, bool), BadCommand> {
        let command = Command::of_person(body.to_string().as_bytes(), "Ada")?;
        Ok((command.scope(), command.is_for_page()))
    }

    #[test]
    fn every_command_of_the_page_is_one_of_the_hosts() {
        let devices = DEVICE_COMMANDS.map(|(name, _)| name);
        for name in devices.iter().chain(&CONSOLE_COMMANDS) {
            assert!(Command::NAMES.contains(name), "{name}");
        }
        assert!(CONSOLE_COMMANDS.iter().all(|name| !devices.contains(name)));
        assert!(PARTS.iter().all(|name| CONSOLE_COMMANDS.contains(name)));
    }

    #[test]
    fn a_look_and_a_part_decide_nothing_and_a_file_of_the_host_is_not_for_the_page() {
        let read = |body: Value| {
            let command = Command::of_person(body.to_string().as_bytes(), "Ada").expect("a command");
            (command.is_for_page(), command.decides())
        };
        let import = |files: Value, dry_run: bool| json!({ "command": "import-begin", "files": files, "format": null, "zone": null, "dry_run": dry_run });
        let handed = json!([{ "parcel": "x" }]);
        assert_eq!(read(import(handed.clone(), true)), (true, false));
        assert_eq!(read(import(handed, false)), (true, true));
        assert!(!read(import(json!([{ "parcel": "x" }, "/etc/passwd"]), true)).0);
        for name in ["cell-install", "cell-update"] {
            let cell = |package: Value, agreed: bool| json!({ "command": name, "package": package, "agreed": agreed });
            assert_eq!(read(cell(json!({ "parcel": "x" }), false)), (true, false));
            assert_eq!(read(cell(json!({ "parcel": "x" }), true)), (true, true));
            assert!(!read(cell(json!("/a.wasm"), true)).0);
        }
        assert_eq!(read(json!({ "command": "parcel-begin", "name": "a", "bytes": 1 })), (true, false));
        assert_eq!(read(json!({ "command": "erase" })), (true, true));
        assert_eq!(read(json!({ "command": "status" })), (true, false));
    }

    #[test]
    fn attack_219_the_operators_page_gives_no_command_about_a_person() {
        let of_operator = |body: Value| Command::of_operator(body.to_string().as_bytes());
        assert!(of_operator(json!({ "command": "host-status" })).is_ok());
        for body in [
            json!({ "command": "list" }),
            json!({ "command": "show", "person": "Ada" }),
            json!({ "command": "audit", "person": "Ada", "since": null, "cell": null }),
            json!({ "command": "erase", "person": "Ada" }),
            json!({ "command": "add", "name": "Eve", "unattended": true }),
            json!({ "command": "export-diary", "person": "Ada", "format": "csv", "from": null, "to": null, "output": null }),
        ] {
            assert!(matches!(of_operator(body.clone()), Err(BadCommand::NotOperators)), "{body}");
        }
        for body in [json!({ "command": "host-status", "person": "Ada" }), json!("host-status"), json!({})] {
            assert!(matches!(of_operator(body.clone()), Err(BadCommand::Unknown(_))), "{body}");
        }
        assert!(OPERATOR_COMMANDS.iter().all(|name| !CONSOLE_COMMANDS.contains(name)));
        assert!(matches!(asked(json!({ "command": "host-status" })), Ok((None, false)) | Err(_)));
    }

    #[test]
    fn attack_252_a_device_adds_no_way_into_the_diary_and_takes_none_away() {
        let add = json!({ "command": "receiver-add", "app": "traccar", "name": null, "time_zone": null, "base": null });
        let revoke = json!({ "command": "receiver-revoke", "receiver": "phone" });
        for body in [add, revoke] {
            assert!(matches!(asked(body.clone()), Ok((None, true))), "{body}");
        }
        let list = asked(json!({ "command": "receiver-list" }));
        assert!(matches!(list, Ok((Some(Scope::Admin), true))), "{list:?}");
    }

    #[test]
    fn what_names_a_file_or_a_person_or_gives_more_is_not_for_a_device() {
        let diary = |output: Value| json!({ "command": "export-diary", "format": "gpx", "from": null, "to": null, "output": output });
        let read = Some(Scope::DatastreamsRead);
        assert!(matches!(asked(diary(Value::Null)), Ok((scope, true)) if scope == read));
        assert!(matches!(asked(diary(json!("/tmp/x"))), Ok((None, false))));
        let of_console = json!({ "command": "device-revoke", "device": "x" });
        assert!(matches!(asked(of_console), Ok((None, true))));
        assert!(matches!(asked(json!({ "command": "erase" })), Ok((None, true))));
        for body in [
            json!({ "command": "export", "output": "/tmp/x" }),
            json!({ "command": "cell-install", "package": "/tmp/x", "agreed": true }),
            json!({ "command": "recover-begin" }),
            json!({ "command": "roster-unsigned" }),
        ] {
            let asked = asked(body.clone());
            assert!(matches!(asked, Ok((None, false)) | Err(BadCommand::Unknown(_))), "{body}: {asked:?}");
        }
        assert!(matches!(asked(json!({ "command": "status", "person": "Bob" })), Err(BadCommand::Person)));
        assert!(matches!(asked(json!({ "command": "list" })), Err(BadCommand::Unknown(_))));
        assert!(matches!(asked(json!(["status"])), Err(BadCommand::Form)));
    }
}
