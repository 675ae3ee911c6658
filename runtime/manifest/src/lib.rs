//! `cell.toml` as it is written: one form for the tools that build cells and the hosts that run them.
//!
//! * Invariant: a member that is not described here is refused, so that a misspelt one is not ignored.
//! * Holds: the form, and [`CellToml::for_package`]: what only a package must keep, whose cell comes from elsewhere.
//! * Not here: whether its words are valid, such as the names of interfaces and scopes (`runtime/user`).

mod package;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use package::{
    CONTACT_CHARS_MAX, NotForPackage, PUBLISHER_CHARS_MAX, PURPOSE_CHARS_MAX, TITLE_CHARS_MAX, WHY_CHARS_MAX,
    is_package_name,
};

/// A cell's manifest, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CellToml {
    /// The name of the cell's folder, such as `trip-segmentation`.
    pub name: String,
    /// Rises with every release.
    pub version: u32,
    /// The kind of cell.
    pub world: World,
    /// Its purpose, in a sentence.
    #[serde(default)]
    pub description: String,
    /// What an owner reads as its name, such as `Modes by month`; packages only.
    pub title: Option<String>,
    /// What it is for, in words that an owner understands; packages only.
    pub purpose: Option<String>,
    /// Who says that they made it; packages only. What proves it is the signature.
    pub publisher: Option<PublisherToml>,
    /// The stage of the host behind which it runs, such as `MODE_INFERENCE`; stages in packages only.
    pub after: Option<String>,
    /// The stage of the host in whose place it runs; stages in packages only.
    pub replaces: Option<String>,
    /// The interfaces that it imports, such as `timeseries-read`.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// Paths that lead to it; endpoints only.
    #[serde(default)]
    pub paths: Vec<PathToml>,
    /// The stage that it was written for; stages only.
    pub pipeline_stage: Option<String>,
    /// Only for tests and benchmarks: never reachable in a product.
    #[serde(default)]
    pub test: bool,
    /// Streams it may read.
    #[serde(default)]
    pub reads: Vec<StreamsToml>,
    /// Streams it may write.
    #[serde(default)]
    pub writes: Vec<StreamsToml>,
    /// Streams without which a stage has nothing to do.
    #[serde(default)]
    pub needs: Vec<StreamsToml>,
    /// Documents it may reach.
    #[serde(default)]
    pub documents: DocumentsToml,
    /// The limits of a run.
    #[serde(default)]
    pub limits: LimitsToml,
    /// Stream key → data type that the cell introduces.
    #[serde(default)]
    pub types: BTreeMap<String, TypeToml>,
}

/// The kind of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// It answers requests.
    Endpoint,
    /// It is a step of the analysis.
    Stage,
    /// It gives a study numbers from one person's data, and nothing else.
    Contribution,
}

impl World {
    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Stage => "stage",
            Self::Contribution => "contribution",
        }
    }

    /// The function that a component of this world exports.
    pub const fn export(self) -> &'static str {
        match self {
            Self::Endpoint => "handle",
            Self::Stage => "run",
            Self::Contribution => "contribute",
        }
    }
}

/// Who says that they made a package: `[publisher]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherToml {
    /// A name, such as that of an institute.
    pub name: String,
    /// Where an owner can ask, such as an address of e-mail.
    pub contact: Option<String>,
}

/// A path that leads to an endpoint: `[[paths]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PathToml {
    /// A path such as `usercache/put`.
    pub path: String,
    /// The scope that a paired device needs to call it, such as `usercache:put`.
    pub scope: String,
    /// If one more segment follows the path: its name in logs, such as `time_type`.
    pub rest: Option<String>,
    /// Whether a success means that the pipeline has new data.
    #[serde(default)]
    pub brings_data: bool,
    /// Whether a call may be kept sealed while the person's store is locked, and executed when it is unlocked.
    #[serde(default)]
    pub waits_while_locked: bool,
    /// Whether the path is closed to devices and tokens: the host calls it for the unguessable path of a receiver, by
    /// `GET` and `POST`.
    #[serde(default)]
    pub by_receiver: bool,
}

/// Streams of one area.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamsToml {
    /// `timeseries`, `usercache` or `errors`.
    pub area: String,
    /// Keys or patterns, such as `background/location` or `background/*`.
    pub keys: Vec<String>,
    /// Why they are needed, in a sentence for the owner; packages only.
    pub why: Option<String>,
}

/// Documents by name; a trailing `*` stands for any ending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsToml {
    /// Documents that the cell may read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Documents that the cell may write, and read.
    #[serde(default)]
    pub write: Vec<String>,
}

/// Limits of a run; an absent limit is as high as the world allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsToml {
    /// Wall clock, ms.
    pub wall_ms: Option<u32>,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// How much it may read in one run, bytes.
    pub read_bytes: Option<u64>,
    /// How much it may write in one run, bytes.
    pub written_bytes: Option<u64>,
    /// The largest answer, bytes.
    pub output_bytes: Option<u64>,
}

/// A data type that a cell introduces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeToml {
    /// The file of its JSON Schema, relative to the cell's folder.
    pub schema: String,
}

impl CellToml {
    /// Reads a manifest.
    ///
    /// # Errors
    /// The message of the parser, which names the line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = r#"
        name = "notes"
        version = 1
        world = "endpoint"
        [[paths]]
        path = "notes/list"
        scope = "datastreams:read"
        rest = "kind"
        [limits]
        wall-ms = 5
    "#;

    #[test]
    fn what_a_path_does_not_say_is_no() {
        let cell = CellToml::parse(ENDPOINT).expect("read");
        let [path] = &cell.paths[..] else { panic!("{:?}", cell.paths) };
        assert_eq!((path.path.as_str(), path.rest.as_deref()), ("notes/list", Some("kind")));
        assert!(!path.brings_data && !path.waits_while_locked && !cell.test);
        assert_eq!((cell.world, cell.limits.wall_ms), (World::Endpoint, Some(5)));
    }

    #[test]
    fn a_misspelt_member_refuses_the_manifest_wherever_it_stands() {
        for (from, to) in [
            ("version", "versoin"),
            ("rest =", "rests ="),
            ("wall-ms", "wall_ms"),
            ("\"endpoint\"", "\"daemon\""),
            ("scope = \"datastreams:read\"", ""),
        ] {
            assert!(CellToml::parse(&ENDPOINT.replace(from, to)).is_err(), "{from}");
        }
    }
}
