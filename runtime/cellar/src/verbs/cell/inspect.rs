//! What is shown of a package.

use runtime_manifest::StreamsToml;
use runtime_package::{BadSignature, Package};
use serde::Serialize;

/// A package as it is shown. What it says of itself is the publisher's word; only `signed` is proved.
#[derive(Serialize)]
pub(super) struct Inspected {
    bytes: usize,
    digest: String,
    pub(super) signed: Signed,
    name: String,
    version: u32,
    world: &'static str,
    title: String,
    purpose: String,
    publisher_name: Option<String>,
    publisher_contact: Option<String>,
    after: Option<String>,
    replaces: Option<String>,
    reads: Vec<Streams>,
    writes: Vec<Streams>,
    types: Vec<String>,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Who signed.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(super) enum Signed {
    /// Proved.
    By {
        publisher: String,
        cell: String,
        /// How often the publisher has changed the key.
        successions: usize,
        public_key: String,
    },
    /// There is no signature.
    Unsigned,
    /// There is one that proves nothing.
    Invalid { why: String },
}

#[derive(Serialize)]
struct Streams {
    keys: Vec<String>,
    why: Option<String>,
}

impl Inspected {
    pub(super) fn of(package: &Package<'_>) -> Self {
        let signed = match package.verify() {
            Ok(verified) => Signed::By {
                publisher: verified.publisher.to_string(),
                cell: verified.cell.to_string(),
                successions: verified.chain_len,
                public_key: verified.newest_key.to_string(),
            },
            Err(BadSignature::Unsigned) => Signed::Unsigned,
            Err(error) => Signed::Invalid { why: error.to_string() },
        };
        let streams = |all: &[StreamsToml]| {
            let one = |one: &StreamsToml| Streams { keys: one.keys.clone(), why: one.why.clone() };
            all.iter().map(one).collect()
        };
        // These names are the component's, and nothing keeps them from having control characters.
        let shown = |names: &[&str]| names.iter().map(|name| name.escape_debug().to_string()).collect();
        let manifest = package.manifest();
        Self {
            bytes: package.component().len(),
            digest: package.digest().to_string(),
            signed,
            name: manifest.name.clone(),
            version: manifest.version,
            world: manifest.world.name(),
            title: manifest.title.clone().unwrap_or_default(),
            purpose: manifest.purpose.clone().unwrap_or_default(),
            publisher_name: manifest.publisher.as_ref().map(|publisher| publisher.name.clone()),
            publisher_contact: manifest.publisher.as_ref().and_then(|publisher| publisher.contact.clone()),
            after: manifest.after.clone(),
            replaces: manifest.replaces.clone(),
            reads: streams(&manifest.reads),
            writes: streams(&manifest.writes),
            types: manifest.types.keys().cloned().collect(),
            imports: shown(package.imports()),
            exports: shown(package.exports()),
        }
    }

    /// Size and digest.
    pub(super) fn tell_size(&self) -> String {
        format!("{} version {}: {} bytes, digest {}", self.name, self.version, self.bytes, self.digest)
    }

    /// Who signed, in a line, and the cell that it is.
    pub(super) fn tell_signed(&self) -> String {
        match &self.signed {
            Signed::By { publisher, cell, successions, .. } => format!(
                "signed by publisher {publisher} with key {}: cell {cell}, {}",
                successions + 1,
                self.tell_size()
            ),
            Signed::Unsigned => "not signed: nobody can tell whose it is".to_owned(),
            Signed::Invalid { why } => format!("NOT TO BE TRUSTED: {why}"),
        }
    }

    /// All of it.
    pub(super) fn tell(&self) -> String {
        let mut lines = vec![self.title.clone(), self.purpose.clone(), String::new(), self.tell_signed()];
        if let Some(name) = &self.publisher_name {
            let contact = self.publisher_contact.as_deref().unwrap_or("no contact");
            lines.push(format!("says that it is by: {name} ({contact})"));
        }
        if !matches!(self.signed, Signed::By { .. }) {
            lines.push(self.tell_size());
        }
        lines.push(match (&self.after, &self.replaces) {
            (Some(stage), _) => format!("runs: as a {} behind {stage}", self.world),
            (_, Some(stage)) => format!("runs: as a {} in the place of {stage}", self.world),
            _ => format!("runs: as a {}", self.world),
        });
        for Streams { keys, why } in &self.reads {
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            lines.push(format!("reads {}{why}", keys.join(", ")));
        }
        lines.extend(self.writes.iter().map(|streams| format!("writes {}", streams.keys.join(", "))));
        let listed = |what: &str, names: &[String]| match names {
            [] => format!("{what} nothing"),
            names => format!("{what} {}", names.join(", ")),
        };
        lines.extend([listed("describes", &self.types), listed("imports", &self.imports)]);
        lines.push(listed("exports", &self.exports));
        lines.join("\n")
    }
}
