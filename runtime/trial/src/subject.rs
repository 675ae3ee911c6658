//! What is tried: a package, and what its folder has for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::numbers::Bounds;
use ring::rand::SystemRandom;
use runtime_manifest::{CellToml, World};
use runtime_package::{BadSignature, PACKAGE_BYTES_MAX, Package, PublisherKey};
use runtime_program::{Failure, beside_this, read_text};
use runtime_user::consent::is_within;
use runtime_user::manifest::Manifest;
use runtime_user::study::Study;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The program that builds a cell's folder.
const CELLAR: &str = "cellar";
/// The folder for tests, in a cell's folder.
const TESTS: &str = "tests";
/// The study that a contribution is for, in a cell's folder.
const STUDY: &str = "study.toml";

/// A package that is tried.
pub struct Subject {
    /// The signed package.
    pub package: Vec<u8>,
    /// What it says of itself.
    pub toml: CellToml,
    /// The same, checked: its limits and streams.
    pub manifest: Manifest,
    /// SHA-256 of the package, 64 hex digits.
    pub digest: String,
    /// The folder or file that was named.
    pub named: PathBuf,
    /// The folder with requests, goldens and failures; `None` for a package without one.
    pub tests: Option<PathBuf>,
    /// The requests that an endpoint is asked.
    pub requests: Vec<Asked>,
    /// What the numbers of a contribution are held against.
    pub(crate) bounds: Bounds,
}

/// One request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name of its file, without the ending.
    pub name: String,
    /// What stands behind the cell's name in the path.
    pub rest: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Subject {
    /// A folder, which is built first, or a package. One that nobody has signed is signed with a key that is thrown
    /// away.
    ///
    /// # Errors
    /// [`Failure`]: what is there is no cell, does not build, or cannot be tried.
    pub fn find(named: &Path, tests: Option<&Path>) -> Result<Self, Failure> {
        let (bytes, beside) = match named.is_dir() {
            true => (built(named)?, Some(named.join(TESTS))),
            false => (read(named)?, None),
        };
        Self::of(named, &bytes, tests.map(Path::to_owned).or(beside))
    }

    /// A package, with the folder of its tests.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn of(named: &Path, package: &[u8], tests: Option<PathBuf>) -> Result<Self, Failure> {
        let bad = |error: &dyn std::error::Error| {
            let what = format!("{}: {}", named.display(), runtime_types::chain(error));
            Failure::new(what, "docs/researcher.md explains packages")
        };
        let package = signed(package).map_err(|error| bad(&*error))?;
        let parsed = Package::parse(&package).map_err(|error| bad(&error))?;
        let (toml, digest) = (parsed.manifest().clone(), parsed.digest().to_string());
        let manifest = Manifest::of_package(&toml).map_err(|error| bad(&error))?;
        let requests = match toml.world {
            World::Endpoint => requests(tests.as_deref())?,
            _ => Vec::new(),
        };
        let (named, bounds) = (named.to_owned(), Bounds::default());
        Ok(Self { package, toml, manifest, digest, named, tests, requests, bounds })
    }

    /// The same with the study that a contribution is for: the file that is named, or the one in the cell's folder. Its
    /// cell and digest may be those of another version: it is a draft until it is signed.
    ///
    /// # Errors
    /// [`Failure`]: it is no study, it reads what the cell does not, or the cell is no contribution.
    pub fn with_study(mut self, study: Option<&Path>, may_clamp: bool) -> Result<Self, Failure> {
        if !self.is_contribution() {
            let told = study.is_some() || may_clamp;
            let (what, remedy) =
                ("only a contribution is for a study", "leave out `--study` and `--may-clamp`");
            return if told { Err(Failure::new(what, remedy)) } else { Ok(self) };
        }
        let beside = Some(self.named.join(STUDY)).filter(|path| path.is_file());
        let Some(path) = study.map(Path::to_owned).or(beside) else {
            let remedy = "name the study with `--study`, or leave out `--may-clamp`";
            return if may_clamp { Err(Failure::new("nothing has bounds", remedy)) } else { Ok(self) };
        };
        let bad = |error: &dyn std::fmt::Display| {
            Failure::new(format!("{}: {error}", path.display()), "docs/formats/study.md explains studies")
        };
        let text = read_text(&path).map_err(|error| bad(&error))?;
        // The line of a signature is a comment.
        let study = Study::parse(&text).map_err(|error| bad(&error))?;
        let is_read = |key: &&String| self.manifest.reads.iter().any(|pattern| is_within(key, &pattern.key));
        if let Some(key) = study.streams.iter().find(|key| !is_read(key)) {
            return Err(bad(&format!("it names {key:?}, which the cell does not read")));
        }
        self.bounds = Bounds::of(Some(study), may_clamp);
        Ok(self)
    }

    /// Whether it gives numbers to a study.
    pub fn is_contribution(&self) -> bool {
        self.toml.world == World::Contribution
    }

    /// Whether it answers requests.
    pub fn is_endpoint(&self) -> bool {
        self.toml.world == World::Endpoint
    }

    /// The file that shows a failure of that scenario; `None` for a package without a folder.
    pub fn failure_file(&self, scenario: &str) -> Option<PathBuf> {
        Some(self.tests.as_ref()?.join("failures").join(format!("{scenario}.json")))
    }

    /// The folder with goldens.
    pub fn goldens(&self) -> Option<PathBuf> {
        Some(self.tests.as_ref()?.join("goldens"))
    }
}

/// The package with a signature.
fn signed(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    match Package::parse(bytes)?.verify() {
        Ok(_) => Ok(bytes.to_vec()),
        Err(BadSignature::Unsigned) => {
            let random = SystemRandom::new();
            Ok(PublisherKey::generate(&random)?.sign(bytes, &random)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |error: &dyn std::fmt::Display| {
        Failure::new(
            format!("cannot read {}: {error}", path.display()),
            "name a cell's folder or the file of a package",
        )
    };
    let size = fs::metadata(path).map_err(|error| unread(&error))?.len();
    if size > PACKAGE_BYTES_MAX as u64 {
        return Err(unread(&format!("its {size} bytes are more than the {PACKAGE_BYTES_MAX} of a package")));
    }
    fs::read(path).map_err(|error| unread(&error))
}

/// Builds a folder as `cellar cell build` does.
fn built(folder: &Path) -> Result<Vec<u8>, Failure> {
    let cellar = beside_this(CELLAR).map_err(|error| Failure::of(&error, "report this"))?;
    let home = tempfile::tempdir().map_err(|error| Failure::of(&error, "make room for temporary files"))?;
    let package = home.path().join("package.wasm");
    let mut build = Command::new(&cellar);
    build.args(["cell", "build"]).arg(folder).arg("--output").arg(&package);
    let ended = build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let ended = ended.map_err(|error| {
        let what = format!("cannot start {}: {error}", cellar.display());
        Failure::new(what, "install `cellar` beside this program")
    })?;
    if !ended.status.success() {
        // What cargo says has lines that must stay as they are.
        runtime_program::console::note(String::from_utf8_lossy(&ended.stderr).trim_end());
        return Err(Failure::new("the cell was not built", "correct what stands above"));
    }
    read(&package)
}

/// The requests in the folder of tests; without any, one without a body.
fn requests(tests: Option<&Path>) -> Result<Vec<Asked>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        rest: String,
        #[serde(default)]
        body: Option<Box<RawValue>>,
    }
    let mut asked = Vec::new();
    for path in json_files(tests.map(|tests| tests.join("requests")).as_deref()) {
        let bad = |error: &dyn std::fmt::Display| {
            Failure::new(
                format!("cannot read {}: {error}", path.display()),
                "a request is {\"rest\": \"…\", \"body\": …}; either may be left out",
            )
        };
        let text = read_text(&path).map_err(|error| bad(&error))?;
        let File { rest, body } = serde_json::from_str(&text).map_err(|error| bad(&error))?;
        let body = body.map_or_else(Vec::new, |body| body_of(&body));
        asked.push(Asked { name: stem(&path), rest, body });
    }
    if asked.is_empty() {
        asked.push(Asked { name: "empty".to_owned(), rest: String::new(), body: Vec::new() });
    }
    Ok(asked)
}

/// A text is sent as it is, everything else as JSON.
fn body_of(body: &RawValue) -> Vec<u8> {
    match serde_json::from_str::<String>(body.get()) {
        Ok(text) => text.into_bytes(),
        Err(_) => body.get().as_bytes().to_vec(),
    }
}

/// The JSON files of a folder by name; none where there is no folder.
pub(crate) fn json_files(folder: Option<&Path>) -> Vec<PathBuf> {
    let read = folder.and_then(|folder| fs::read_dir(folder).ok());
    let paths = read.into_iter().flatten().filter_map(|item| Some(item.ok()?.path()));
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files
}

/// A file's name without its ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_from_files_by_name_and_a_misspelt_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("requests");
        assert_eq!(requests(Some(folder.path())).expect("read")[0].name, "empty");
        fs::create_dir(&home).expect("made");
        fs::write(home.join("b.json"), r#"{"rest": "day", "body": "plain"}"#).expect("written");
        fs::write(home.join("a.json"), r#"{"body": {"find": "count"}}"#).expect("written");
        let read = requests(Some(folder.path())).expect("read");
        let told: Vec<_> = read
            .iter()
            .map(|one| {
                (one.name.as_str(), one.rest.as_str(), String::from_utf8_lossy(&one.body).into_owned())
            })
            .collect();
        assert_eq!(told, [("a", "", r#"{"find": "count"}"#.to_owned()), ("b", "day", "plain".to_owned())]);
        fs::write(home.join("c.json"), r#"{"bodi": 1}"#).expect("written");
        assert!(requests(Some(folder.path())).expect_err("refused").what.contains("c.json"));
    }
}
