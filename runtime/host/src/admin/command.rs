//! The table of commands. To add one, write a type that implements [`Ask`] and add a line here.

use runtime_program::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{Ask, Context};
use super::*;

macro_rules! commands {
    ($($name:literal => $ask:ident),+ $(,)?) => {
        /// Any command in its form on the socket: an object whose member `command` names it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "command")]
        pub enum Command {
            $(
                #[doc = concat!("`", $name, "`")]
                #[serde(rename = $name)]
                $ask($ask),
            )+
        }

        $(
            impl From<$ask> for Command {
                fn from(ask: $ask) -> Self {
                    Self::$ask(ask)
                }
            }
        )+

        impl Command {
            /// The names of all commands on the wire.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Its name on the wire.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$ask(_) => $name,)+
                }
            }

            /// Carries out the command and returns the answer as JSON. Blocks on the disk.
            ///
            /// # Errors
            /// [`Failure`] with the remedy.
            pub fn answer(self, context: &Context<'_>) -> Result<Value, Failure> {
                match self {
                    $(Self::$ask(ask) => as_json(&ask.answer(context)?),)+
                }
            }
        }
    };
}

commands! {
    "add" => AddPerson,
    "list" => ListPeople,
    "host-status" => ShowHost,
    "show" => ShowPerson,
    "suspend" => SuspendPerson,
    "token" => MakeToken,
    "app-config" => SetAppConfig,
    "status" => PersonStatus,
    "watch" => WatchPerson,
    "lock" => LockPerson,
    "keys" => SetKeys,
    "phrase-check" => CheckPhrase,
    "recover-begin" => BeginRecovery,
    "recover-end" => EndRecovery,
    "roster-unsigned" => ShowUnsigned,
    "roster-sign" => SignByPhrase,
    "pair-open" => OpenPairing,
    "pair-check" => CheckPairing,
    "pair-status" => ShowPairing,
    "pair-answer" => AnswerPairing,
    "web-address" => ShowWebAddress,
    "device-list" => ListDevices,
    "device-rename" => RenameDevice,
    "device-revoke" => RevokeDevice,
    "device-relabel" => RelabelDevice,
    "receiver-add" => AddReceiver,
    "receiver-list" => ListReceivers,
    "receiver-revoke" => RevokeReceiver,
    "pipeline-run" => RunPipeline,
    "pipeline-status" => ShowPipeline,
    "pipeline-reset" => ResetPipeline,
    "errors" => ListErrors,
    "retry-errors" => RetryErrors,
    "audit" => ShowAudit,
    "cell-install" => InstallCell,
    "cell-update" => UpdateCell,
    "cell-list" => ListCells,
    "cell-show" => ShowCell,
    "cell-preview" => PreviewCell,
    "cell-change" => ChangeCell,
    "cell-remove" => RemoveCell,
    "study-publish" => PublishStudy,
    "study-join" => JoinStudy,
    "study-leave" => LeaveStudy,
    "study-status" => ShowStudies,
    "study-result" => StudyResult,
    "study-send" => SendStudy,
    "export" => ExportPerson,
    "export-diary" => ExportDiary,
    "days" => ShowDays,
    "heat-map" => ShowHeat,
    "places" => ShowPlaces,
    "import" => ImportPerson,
    "forget-preview" => PreviewForget,
    "parcel-begin" => BeginParcel,
    "parcel-add" => AddParcel,
    "parcel-end" => EndParcel,
    "import-begin" => BeginImport,
    "import-step" => StepImport,
    "import-end" => EndImport,
    "forget" => ForgetSpan,
    "erase" => ErasePerson,
}

fn as_json(answer: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure::of(&error, "report this"))
}

#[cfg(test)]
mod tests;
