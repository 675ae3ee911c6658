//! Certificates of people's own names from a server that speaks ACME: the settings, and how they come about.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime_acme::{Certificates, Pace, RootsError, Status};
use runtime_user::Runtime;
use serde::{Deserialize, Serialize};

use crate::http::service::epoch_ms;

/// The part of the data folder with the host's account at the server, and with how the certificates are.
pub const ACME_FOLDER: &str = "acme";

/// A server that speaks ACME.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// The address of its directory.
    pub directory: String,
    /// How it reaches the operator, such as `mailto:you@example.org`.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Whether the operator agrees to its terms of service.
    pub terms_agreed: bool,
    /// The authorities by which the server is recognised, in PEM form; none: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
}

impl Acme {
    /// Why certificates could not be ordered with these settings: the setting and what it should be.
    pub(crate) fn fault(&self, public_host: &str) -> Option<(&'static str, String, &'static str)> {
        let is_name = public_host.contains('.') && public_host.parse::<IpAddr>().is_err();
        let rules = [
            (
                !self.directory.starts_with("https://"),
                "web.acme.directory",
                self.directory.clone(),
                "it must begin with https://",
            ),
            (
                !self.terms_agreed,
                "web.acme.terms_agreed",
                "false".to_owned(),
                "read the terms of that server: it gives certificates only to who agrees",
            ),
            (
                !self.contact.iter().all(|contact| contact.starts_with("mailto:")),
                "web.acme.contact",
                self.contact.join(", "),
                "each must begin with mailto:",
            ),
            (
                !is_name,
                "public_address",
                public_host.to_owned(),
                "web.acme needs a name here, below which people's names are",
            ),
        ];
        let broken = rules.into_iter().find(|(broken, ..)| *broken);
        broken.map(|(_, setting, value, why)| (setting, value, why))
    }

    /// The certificates of people's own names. Reads the authorities; asks nothing of the server.
    ///
    /// # Errors
    /// [`RootsError`] where that server could not be recognised.
    pub fn certificates(&self, runtime: &Arc<Runtime>, data: &Path) -> Result<Arc<Certificates>, RootsError> {
        let settings = runtime_acme::Settings {
            directory: self.directory.clone(),
            contact: self.contact.clone(),
            roots: self.roots.clone(),
            folder: data.join(ACME_FOLDER),
            pace: Pace::default(),
        };
        let known = Arc::clone(runtime);
        let clock = move || known.clocks().doubt().is_none().then(|| epoch_ms() / 1_000);
        Ok(Arc::new(Certificates::new(settings, Arc::new(clock))?))
    }
}

/// How the certificates are, as a host with this data folder has written it last.
pub(crate) fn status(data: &Path) -> Option<Status> {
    Status::read(&data.join(ACME_FOLDER))
}

/// Removes what an earlier start has written of certificates, since no server is asked any more.
pub fn forget_status(data: &Path) {
    // Where it stays, the operator sees dates that do not change.
    let _ = std::fs::remove_file(data.join(ACME_FOLDER).join(runtime_acme::STATUS_FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_which_no_certificate_could_be_ordered_are_named() {
        let sound = Acme {
            directory: "https://acme.example/directory".to_owned(),
            contact: vec!["mailto:you@example.org".to_owned()],
            terms_agreed: true,
            roots: None,
        };
        assert_eq!(sound.fault("cellar.example.org"), None);
        let plain = Acme { directory: "http://acme.example/directory".to_owned(), ..sound.clone() };
        let unread = Acme { terms_agreed: false, ..sound.clone() };
        let bare = Acme { contact: vec!["you@example.org".to_owned()], ..sound.clone() };
        for (acme, host, setting) in [
            (&plain, "cellar.example.org", "web.acme.directory"),
            (&unread, "cellar.example.org", "web.acme.terms_agreed"),
            (&bare, "cellar.example.org", "web.acme.contact"),
            (&sound, "192.0.2.1", "public_address"),
            (&sound, "localhost", "public_address"),
        ] {
            assert_eq!(acme.fault(host).map(|(named, ..)| named), Some(setting));
        }
    }
}
