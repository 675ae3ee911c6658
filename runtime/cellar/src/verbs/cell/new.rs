//! `cellar cell new`: a folder with a cell that builds and has tests, outside of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use runtime_manifest::{World, is_package_name};
use runtime_program::Failure;
use serde::Serialize;

/// The options of a new cell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name, which is that of its folder: 3 to 40 of a-z, 0-9 and '-', the first a letter
    name: String,
    /// The language that it is written in
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// What it is: a stage computes from new data, an endpoint answers requests
    #[arg(long, value_name = "WORLD", value_enum, default_value_t = Kind::Stage)]
    world: Kind,
    /// The folder in which its folder is made
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
    /// The package cells-sdk, if it is not to come from the registry
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// A language that cells are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Rust
    Rust,
}

/// A world that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A step of the analysis.
    Stage,
    /// It answers requests.
    Endpoint,
}

/// What was made.
#[derive(Serialize)]
pub(super) struct Made {
    pub(super) folder: PathBuf,
    pub(super) files: Vec<&'static str>,
}

/// A file: its path in the folder, and its text with placeholders.
type Template = (&'static str, &'static str);

macro_rules! template {
    ($path:literal, $file:literal) => {
        ($path, include_str!(concat!("templates/rust/", $file)))
    };
}

const COMMON: [Template; 4] = [
    template!("Cargo.toml", "Cargo.toml.txt"),
    template!(".cargo/config.toml", "config.toml.txt"),
    template!(".gitignore", "gitignore.txt"),
    template!("README.md", "README.md.txt"),
];
const STAGE: [Template; 4] = [
    template!("cell.toml", "stage.toml.txt"),
    template!("src/lib.rs", "stage.rs.txt"),
    template!("schemas/silence.json", "silence.json.txt"),
    template!("tests/runs.rs", "stage_tests.rs.txt"),
];
const ENDPOINT: [Template; 3] = [
    template!("cell.toml", "endpoint.toml.txt"),
    template!("src/lib.rs", "endpoint.rs.txt"),
    template!("tests/requests.rs", "endpoint_tests.rs.txt"),
];

/// Makes the folder, as a whole or not at all.
pub(super) fn make(args: &Args) -> Result<Made, Failure> {
    let Args { name, lang: Language::Rust, world, within, sdk } = args;
    if !is_package_name(name) {
        return Err(Failure::new(
            "this is no name of a cell",
            "a name has 3 to 40 of a-z, 0-9 and '-', and begins with a letter",
        ));
    }
    let folder = within.join(name);
    if fs::symlink_metadata(&folder).is_ok() {
        return Err(Failure::new(format!("{} is there already", folder.display()), "choose another name"));
    }
    let (world, own) = match world {
        Kind::Stage => (World::Stage, &STAGE[..]),
        Kind::Endpoint => (World::Endpoint, &ENDPOINT[..]),
    };
    let words = Words { name, world: world.name(), sdk: dependency(sdk.as_deref())? };
    let failed = |error: &std::io::Error| Failure::of_file(&folder, error);
    let half = tempfile::Builder::new().prefix(".cell").tempdir_in(within).map_err(|error| failed(&error))?;
    let mut files = Vec::new();
    for (path, text) in COMMON.iter().chain(own) {
        let to = half.path().join(path);
        let written = fs::create_dir_all(to.parent().unwrap_or(half.path()))
            .and_then(|()| fs::write(&to, words.put_into(text)));
        written.map_err(|error| failed(&error))?;
        files.push(*path);
    }
    fs::rename(half.path(), &folder).map_err(|error| failed(&error))?;
    Ok(Made { folder, files })
}

/// How the package of the cell names the SDK.
fn dependency(sdk: Option<&Path>) -> Result<String, Failure> {
    let Some(sdk) = sdk else { return Ok(format!("version = {:?}", env!("CARGO_PKG_VERSION"))) };
    let bad = |why: &str| {
        Failure::new(format!("{} {why}", sdk.display()), "name the folder of the package cells-sdk")
    };
    let whole = sdk.canonicalize().map_err(|error| bad(&format!("cannot be read: {error}")))?;
    let manifest = fs::read_to_string(whole.join("Cargo.toml")).unwrap_or_default();
    if !manifest.lines().any(|line| line.trim() == "name = \"cells-sdk\"") {
        return Err(bad("is not that package"));
    }
    let path = whole.to_str().ok_or_else(|| bad("has a path that is not UTF-8"))?;
    Ok(format!("path = {}", toml::Value::from(path)))
}

/// What stands in the place of the placeholders.
struct Words<'w> {
    name: &'w str,
    world: &'static str,
    sdk: String,
}

impl Words<'_> {
    fn put_into(&self, text: &str) -> String {
        text.replace("{{name}}", self.name)
            .replace("{{ident}}", &self.name.replace('-', "_"))
            .replace("{{world}}", self.world)
            .replace("{{sdk}}", &self.sdk)
    }
}

#[cfg(test)]
mod tests {
    use runtime_manifest::CellToml;

    use super::*;

    fn args(name: &str, world: Kind, within: &Path) -> Args {
        Args { name: name.to_owned(), lang: Language::Rust, world, within: within.to_owned(), sdk: None }
    }

    #[test]
    fn a_new_cell_has_a_manifest_for_a_package_and_every_schema_that_it_names() {
        for (world, kind) in [(Kind::Stage, World::Stage), (Kind::Endpoint, World::Endpoint)] {
            let home = tempfile::tempdir().expect("a folder");
            let made = make(&args("my-cell7", world, home.path())).expect("made");
            let text = |path: &str| fs::read_to_string(made.folder.join(path)).expect("text");
            let manifest = CellToml::parse(&text("cell.toml")).expect("it reads");
            assert_eq!((manifest.for_package(), manifest.world), (Ok(()), kind));
            assert!(manifest.types.values().all(|one| made.folder.join(&one.schema).is_file()));
            for path in &made.files {
                assert!(!text(path).contains("{{name") && !text(path).contains("{{ident"), "{path}");
            }
            let cargo: toml::Table = text("Cargo.toml").parse().expect("TOML");
            assert_eq!(cargo["package"]["name"].as_str(), Some("cell-my-cell7"));
            assert_eq!(
                cargo["dependencies"]["cells-sdk"]["version"].as_str(),
                Some(env!("CARGO_PKG_VERSION"))
            );
            assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn a_bad_name_or_a_folder_that_is_there_makes_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        for name in ["", "ab", "Ab-c", "../abc", "a b c", "abc\""] {
            assert!(make(&args(name, Kind::Stage, home.path())).is_err(), "{name:?}");
        }
        assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0);
        make(&args("abc", Kind::Stage, home.path())).expect("made");
        let again = make(&args("abc", Kind::Endpoint, home.path())).err().expect("it is there");
        assert!(again.what.ends_with("abc is there already"), "{again}");
        let elsewhere = Args { sdk: Some(home.path().to_owned()), ..args("abd", Kind::Stage, home.path()) };
        assert!(make(&elsewhere).err().expect("no SDK").what.contains("is not that package"));
    }
}
