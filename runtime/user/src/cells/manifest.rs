//! A cell's manifest: `cell.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use handshake::device::Scope;
use handshake::session::ANSWERS_MAX;
use runtime_manifest::{CellToml, LimitsToml, PathToml, StreamsToml, World as Kind};
use runtime_sandbox::{Interface, Interfaces, Limits, World};
use runtime_types::{Area, Stream, StreamKey};

use super::paths::EndpointPath;

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadManifest {
    /// It is not TOML in the documented form.
    #[error("the manifest does not read")]
    Toml(#[from] toml::de::Error),
    /// A word in it is unknown.
    #[error("the manifest of {cell} says {what} `{word}`, which is unknown")]
    Unknown {
        /// The cell.
        cell: String,
        /// What the word should be, such as `the interface`.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// It asks for something that its world cannot have, or lacks something that its world requires.
    #[error("the manifest of {cell} {why}")]
    Invalid {
        /// The cell.
        cell: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// Streams by area and pattern: `family/name`, where a whole part may be `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPattern {
    /// The area.
    pub area: Area,
    /// A pattern such as `background/*`.
    pub key: String,
}

impl StreamPattern {
    /// Whether the pattern covers the stream.
    pub fn covers(&self, area: Area, key: &StreamKey) -> bool {
        let fits = |pattern: &str, part: &str| pattern == "*" || pattern == part;
        let (Some((family, name)), Some((key_family, key_name))) =
            (self.key.split_once('/'), key.as_str().split_once('/'))
        else {
            return false;
        };
        self.area == area && fits(family, key_family) && fits(name, key_name)
    }
}

/// A cell's manifest, checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// A name such as `trip-segmentation`.
    pub name: String,
    /// Rises with every release.
    pub version: u32,
    /// Its purpose, in a sentence.
    pub description: String,
    /// Endpoint or stage.
    pub world: World,
    /// The interfaces that it may import.
    pub interfaces: Interfaces,
    /// Paths that lead to it; endpoints only.
    pub paths: Vec<Arc<EndpointPath>>,
    /// The stage that it was written for; stages only.
    pub pipeline_stage: Option<String>,
    /// Only for tests: never reachable in a product.
    pub test: bool,
    /// Streams it may read.
    pub reads: Vec<StreamPattern>,
    /// Streams it may write.
    pub writes: Vec<StreamPattern>,
    /// Stages only: if none of these streams exists and the stage has no memory, it has nothing to do and is not run.
    /// Empty: it always runs.
    pub needs: Vec<StreamPattern>,
    /// Documents it may read; a trailing `*` stands for any ending.
    pub documents_read: Vec<String>,
    /// Documents it may write.
    pub documents_write: Vec<String>,
    /// What a run may use: the world's limits, lowered.
    pub limits: Limits,
    /// Stream key → file of the JSON Schema of a data type that it introduces.
    pub types: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads and checks the manifest of a built-in cell.
    pub fn parse(text: &str) -> Result<Self, BadManifest> {
        let manifest = Self::of_toml(CellToml::parse(text)?)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks the manifest of a package, which has been found to be one of a package. An endpoint of a package has no
    /// paths of its own: it is reached by its name.
    pub fn of_package(toml: &CellToml) -> Result<Self, BadManifest> {
        let mut manifest = Self::of_toml(toml.clone())?;
        manifest.pipeline_stage = match (manifest.world, &toml.replaces) {
            (World::Stage, Some(replaced)) => Some(replaced.clone()),
            (World::Stage, None) => Some(format!("{}{}", super::installed::PREFIX, toml.name)),
            _ => None,
        };
        Ok(manifest)
    }

    fn of_toml(wire: CellToml) -> Result<Self, BadManifest> {
        let unknown =
            |what, word: &str| BadManifest::Unknown { cell: wire.name.clone(), what, word: word.to_owned() };
        let world = match wire.world {
            Kind::Endpoint => World::Endpoint,
            Kind::Stage => World::Stage,
            Kind::Contribution => World::Contribution,
        };
        let path = |path: &PathToml| {
            let scope = Scope::parse(&path.scope).ok_or_else(|| unknown("the scope", &path.scope))?;
            EndpointPath::new(path, scope).map(Arc::new).ok_or_else(|| unknown("the path", &path.path))
        };
        let paths = wire.paths.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let interfaces = wire
            .interfaces
            .iter()
            .map(|name| name.parse::<Interface>().map_err(|_| unknown("the interface", name)))
            .collect::<Result<Interfaces, _>>()?;
        let patterns = |streams: &[StreamsToml]| {
            let one = |streams: &StreamsToml| {
                let area = area_of(&streams.area).ok_or_else(|| unknown("the area", &streams.area))?;
                streams
                    .keys
                    .iter()
                    .map(|key| match key.split_once('/') {
                        Some(_) => Ok(StreamPattern { area, key: key.clone() }),
                        None => Err(unknown("the stream", key)),
                    })
                    .collect::<Result<Vec<_>, _>>()
            };
            streams.iter().map(one).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
        };
        let (reads, writes, needs) =
            (patterns(&wire.reads)?, patterns(&wire.writes)?, patterns(&wire.needs)?);
        let limits = limits_of(world, &wire.limits);
        Ok(Self {
            name: wire.name,
            version: wire.version,
            description: wire.description,
            world,
            interfaces,
            paths,
            pipeline_stage: wire.pipeline_stage,
            test: wire.test,
            reads,
            writes,
            needs,
            documents_read: wire.documents.read,
            documents_write: wire.documents.write,
            limits,
            types: wire.types.into_iter().map(|(key, entry)| (key, entry.schema)).collect(),
        })
    }

    fn check(&self) -> Result<(), BadManifest> {
        let invalid = |why| Err(BadManifest::Invalid { cell: self.name.clone(), why });
        match self.world {
            World::Endpoint if self.paths.is_empty() => invalid("is an endpoint without a path"),
            World::Endpoint if self.pipeline_stage.is_some() => invalid("is an endpoint and names a stage"),
            World::Endpoint if !self.needs.is_empty() => invalid("is an endpoint and needs streams"),
            World::Endpoint if self.paths.iter().any(|path| path.brings_data) && !self.may_write() => {
                invalid("has a path that brings data, and may write none")
            }
            World::Endpoint if self.paths.iter().any(|path| path.waits_while_locked && !path.brings_data) => {
                invalid("has a path that waits while the store is locked, and brings no data")
            }
            World::Endpoint if self.paths.len() > ANSWERS_MAX => invalid("has more than 16 paths"),
            World::Stage if !self.paths.is_empty() => invalid("is a stage and has paths"),
            World::Stage if self.pipeline_stage.is_none() => invalid("is a stage without a name"),
            _ => Ok(()),
        }
    }

    /// The stage of the host's list in whose place a package's stage runs.
    pub(crate) fn takes_over(&self) -> Option<&str> {
        self.pipeline_stage.as_deref().filter(|stage| !stage.starts_with(super::installed::PREFIX))
    }

    /// Whether a stage without a memory has work, given all streams that exist.
    pub(crate) fn has_work<'s>(&self, mut streams: impl Iterator<Item = &'s Stream>) -> bool {
        let is_needed = |stream: &Stream| self.needs.iter().any(|need| need.covers(stream.area, &stream.key));
        self.needs.is_empty() || streams.any(is_needed)
    }

    /// Whether a run may write: then it waits for the disk and runs on the pool.
    pub fn may_write(&self) -> bool {
        [Interface::TimeseriesWrite, Interface::Usercache, Interface::State]
            .iter()
            .any(|one| self.interfaces.contains(*one))
            || !self.documents_write.is_empty()
    }
}

fn area_of(name: &str) -> Option<Area> {
    // No cell is granted access to the audit area.
    [Area::Timeseries, Area::Usercache, Area::Errors].into_iter().find(|area| area_name(*area) == name)
}

/// The name of an area in manifests and in messages.
pub(crate) fn area_name(area: Area) -> &'static str {
    match area {
        Area::Timeseries => "timeseries",
        Area::Usercache => "usercache",
        Area::Errors => "errors",
        Area::Audit => "audit",
    }
}

fn limits_of(world: World, wire: &LimitsToml) -> Limits {
    let most = match world {
        World::Endpoint => Limits::endpoint(),
        World::Stage => Limits::stage(),
        World::Contribution => Limits::contribution(),
    };
    most.lowered_by(Limits {
        wall_ms: wire.wall_ms.unwrap_or(most.wall_ms),
        memory_bytes: wire.memory_bytes.unwrap_or(most.memory_bytes),
        read_bytes: wire.read_bytes.unwrap_or(most.read_bytes),
        written_bytes: wire.written_bytes.unwrap_or(most.written_bytes),
        output_bytes: wire.output_bytes.unwrap_or(most.output_bytes),
        ..most
    })
}

/// Whether one of the names covers `name`; a trailing `*` stands for any ending.
pub fn names_cover(names: &[String], name: &str) -> bool {
    names.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: &str = r#"
        name = "trips"
        version = 1
        world = "stage"
        interfaces = ["timeseries-read", "timeseries-write"]
        pipeline-stage = "TRIP_SEGMENTATION"
        [[reads]]
        area = "timeseries"
        keys = ["background/*", "statemachine/transition"]
        [limits]
        wall-ms = 100
        memory-bytes = 99999999999
    "#;

    #[test]
    fn a_manifest_grants_what_it_names_and_no_more() {
        let manifest = Manifest::parse(STAGE).expect("sound");
        let covers = |area, key: &str| {
            let key = StreamKey::parse(key).expect("sound");
            manifest.reads.iter().any(|pattern| pattern.covers(area, &key))
        };
        assert!(covers(Area::Timeseries, "background/location"));
        assert!(covers(Area::Timeseries, "statemachine/transition"));
        assert!(!covers(Area::Timeseries, "statemachine/other"));
        assert!(!covers(Area::Usercache, "background/location"));
        assert!(manifest.may_write());
    }

    #[test]
    fn a_stage_that_needs_nothing_always_has_work_and_an_endpoint_cannot_need_anything() {
        let has = |manifest: &str, there: &str| {
            let there = Stream { area: Area::Usercache, key: StreamKey::parse(there).expect("sound") };
            Manifest::parse(manifest).expect("sound").has_work(std::iter::once(&there))
        };
        let needing = format!("{STAGE}\n[[needs]]\narea = \"usercache\"\nkeys = [\"manual/*\"]");
        assert!(has(STAGE, "background/location"));
        assert!(has(&needing, "manual/mode_confirm") && !has(&needing, "background/location"));
        let endpoint = needing
            .replace("\"stage\"", "\"endpoint\"")
            .replace("pipeline-stage = \"TRIP_SEGMENTATION\"", "");
        let endpoint = format!("{endpoint}\n{PATH}");
        let refused = Manifest::parse(&endpoint).expect_err("refused").to_string();
        assert!(refused.ends_with("is an endpoint and needs streams"), "{refused}");
    }

    const PATH: &str = r#"
        [[paths]]
        path = "trips/put"
        scope = "usercache:put"
        brings-data = true
        waits-while-locked = true
    "#;

    #[test]
    fn a_path_says_what_a_call_of_it_needs_and_does() {
        let endpoint = |path: &str| {
            format!(
                "{}\n{path}",
                STAGE.replace("\"stage\"", "\"endpoint\"").replace("pipeline-stage", "description")
            )
        };
        let manifest = Manifest::parse(&endpoint(PATH)).expect("sound");
        let [path] = &manifest.paths[..] else { panic!("{:?}", manifest.paths) };
        assert!(path.brings_data && path.waits_while_locked);
        assert_eq!((path.scope, path.template()), (Scope::UsercachePut, "/trips/put"));
        for (from, to, why) in [
            ("usercache:put", "usercache:burn", "the scope `usercache:burn`"),
            ("trips/put", "/trips/put", "the path `/trips/put`"),
            ("brings-data = true", "", "brings no data"),
        ] {
            let refused = Manifest::parse(&endpoint(&PATH.replace(from, to))).expect_err(why).to_string();
            assert!(refused.contains(why), "{refused}");
        }
        let reader = endpoint(PATH).replace(", \"timeseries-write\"", "");
        assert!(Manifest::parse(&reader).expect_err("refused").to_string().contains("may write none"));
    }

    #[test]
    fn limits_are_lowered_and_never_raised() {
        let limits = Manifest::parse(STAGE).expect("sound").limits;
        assert_eq!(limits.wall_ms, 100);
        assert_eq!(limits.memory_bytes, Limits::stage().memory_bytes);
    }

    #[test]
    fn an_unknown_word_refuses_the_manifest() {
        let odd = STAGE.replace("timeseries-write", "clock");
        assert!(matches!(Manifest::parse(&odd), Err(BadManifest::Unknown { word, .. }) if word == "clock"));
        let odd = STAGE.replace("pipeline-stage = \"TRIP_SEGMENTATION\"", "");
        assert!(matches!(Manifest::parse(&odd), Err(BadManifest::Invalid { .. })));
    }

    #[test]
    fn a_star_ends_a_name_of_documents() {
        let names = ["profile".to_owned(), "pipeline/*".to_owned()];
        assert!(names_cover(&names, "profile") && names_cover(&names, "pipeline/X"));
        assert!(!names_cover(&names, "profile2"));
    }
}
