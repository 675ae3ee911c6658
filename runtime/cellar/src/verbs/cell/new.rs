//! `cellar cell new`: a folder with a cell that builds and has tests, outside of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use runtime_manifest::{World, is_package_name};
use runtime_program::Failure;
use serde::Serialize;

use super::build::{CONTRACT, Embedded, JAVASCRIPT_MODULE, PINNED, PYTHON_MODULE};

/// The options of a new cell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name, which is that of its folder: 3 to 40 of a-z, 0-9 and '-', the first a letter
    name: String,
    /// The language that it is written in
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// What it is: a stage computes from new data, an endpoint answers requests, a contribution gives numbers to a study
    #[arg(long, value_name = "WORLD", value_enum, default_value_t = Kind::Stage)]
    world: Kind,
    /// The folder in which its folder is made
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
    /// For Rust: the package cells-sdk, if it is not to come from the registry
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// A language that cells are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Rust
    Rust,
    /// Python
    Python,
    /// JavaScript
    #[value(name = "javascript")]
    JavaScript,
}

/// A world that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A step of the analysis.
    Stage,
    /// It answers requests.
    Endpoint,
    /// It gives numbers to a study.
    Contribution,
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
        ($path, include_str!(concat!("templates/", $file)))
    };
}

const SCHEMA: Template = template!("schemas/silence.json", "silence.json.txt");
const STAGE_MANIFEST: Template = template!("cell.toml", "stage.toml.txt");
const ENDPOINT_MANIFEST: Template = template!("cell.toml", "endpoint.toml.txt");
const CONTRIBUTION_MANIFEST: Template = template!("cell.toml", "contribution.toml.txt");
const STUDY: Template = template!("study.toml", "study.toml.txt");

/// The files of a language.
struct Templates {
    common: &'static [Template],
    stage: [Template; 2],
    endpoint: [Template; 2],
    contribution: [Template; 2],
    /// The module of the language and the contract, which go into the folder as they are.
    module: Option<Embedded>,
}

const RUST: Templates = Templates {
    common: &[
        template!("Cargo.toml", "rust/Cargo.toml.txt"),
        template!(".cargo/config.toml", "rust/config.toml.txt"),
        template!(".gitignore", "rust/gitignore.txt"),
        template!("README.md", "rust/README.md.txt"),
    ],
    stage: [
        template!("src/lib.rs", "rust/stage.rs.txt"),
        template!("tests/runs.rs", "rust/stage_tests.rs.txt"),
    ],
    endpoint: [
        template!("src/lib.rs", "rust/endpoint.rs.txt"),
        template!("tests/requests.rs", "rust/endpoint_tests.rs.txt"),
    ],
    contribution: [
        template!("src/lib.rs", "rust/contribution.rs.txt"),
        template!("tests/numbers.rs", "rust/contribution_tests.rs.txt"),
    ],
    module: None,
};
const PYTHON: Templates = Templates {
    common: &[
        template!("pyproject.toml", "python/pyproject.toml.txt"),
        template!(".gitignore", "python/gitignore.txt"),
        template!("README.md", "python/README.md.txt"),
    ],
    stage: [
        template!("app.py", "python/stage.py.txt"),
        template!("tests/test_runs.py", "python/stage_tests.py.txt"),
    ],
    endpoint: [
        template!("app.py", "python/endpoint.py.txt"),
        template!("tests/test_requests.py", "python/endpoint_tests.py.txt"),
    ],
    contribution: [
        template!("app.py", "python/contribution.py.txt"),
        template!("tests/test_numbers.py", "python/contribution_tests.py.txt"),
    ],
    module: Some(PYTHON_MODULE),
};
const JAVASCRIPT: Templates = Templates {
    common: &[
        template!("package.json", "javascript/package.json.txt"),
        template!(".gitignore", "javascript/gitignore.txt"),
        template!("README.md", "javascript/README.md.txt"),
    ],
    stage: [
        template!("app.js", "javascript/stage.js.txt"),
        template!("tests/runs.test.js", "javascript/stage_tests.js.txt"),
    ],
    endpoint: [
        template!("app.js", "javascript/endpoint.js.txt"),
        template!("tests/requests.test.js", "javascript/endpoint_tests.js.txt"),
    ],
    contribution: [
        template!("app.js", "javascript/contribution.js.txt"),
        template!("tests/numbers.test.js", "javascript/contribution_tests.js.txt"),
    ],
    module: Some(JAVASCRIPT_MODULE),
};

impl Language {
    const fn templates(self) -> &'static Templates {
        match self {
            Self::Rust => &RUST,
            Self::Python => &PYTHON,
            Self::JavaScript => &JAVASCRIPT,
        }
    }
}

/// Makes the folder, as a whole or not at all.
pub(super) fn make(args: &Args) -> Result<Made, Failure> {
    let Args { name, lang, world, within, sdk } = args;
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
    if sdk.is_some() && *lang != Language::Rust {
        return Err(Failure::new("only cells in Rust use cells-sdk", "leave out `--sdk`"));
    }
    let templates = lang.templates();
    let (world, manifest, own) = match world {
        Kind::Stage => (World::Stage, &[STAGE_MANIFEST, SCHEMA][..], &templates.stage),
        Kind::Endpoint => (World::Endpoint, &[ENDPOINT_MANIFEST][..], &templates.endpoint),
        Kind::Contribution => {
            (World::Contribution, &[CONTRIBUTION_MANIFEST, STUDY][..], &templates.contribution)
        }
    };
    let words = Words { name, world: world.name(), sdk: dependency(sdk.as_deref())? };
    let failed = |error: &std::io::Error| Failure::of_file(&folder, error);
    let half = tempfile::Builder::new().prefix(".cell").tempdir_in(within).map_err(|error| failed(&error))?;
    let mut files = Vec::new();
    let mut write = |path: &'static str, text: &str| {
        let to = half.path().join(path);
        let made = fs::create_dir_all(to.parent().unwrap_or(half.path()));
        made.and_then(|()| fs::write(&to, text)).map_err(|error| failed(&error))?;
        files.push(path);
        Ok::<(), Failure>(())
    };
    for (path, text) in manifest.iter().chain(own).chain(templates.common) {
        write(path, &words.put_into(text))?;
    }
    if let Some(module) = templates.module {
        for (path, text) in module.iter().chain([&CONTRACT]) {
            write(path, text)?;
        }
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
        let text = text
            .replace("{{name}}", self.name)
            .replace("{{ident}}", &self.name.replace('-', "_"))
            .replace("{{world}}", self.world)
            .replace("{{sdk}}", &self.sdk);
        let pinned = PINNED.lines().filter_map(|line| line.split_once(' '));
        pinned.fold(text, |text, (tool, version)| text.replace(&format!("{{{{{tool}}}}}"), version))
    }
}

#[cfg(test)]
mod tests {
    use runtime_manifest::CellToml;
    use runtime_user::study::Study;

    use super::*;

    fn args(name: &str, world: Kind, within: &Path) -> Args {
        Args { name: name.to_owned(), lang: Language::Rust, world, within: within.to_owned(), sdk: None }
    }

    /// Makes one in every language, of each kind.
    fn each(mut look: impl FnMut(Language, World, &Made, &Path)) {
        for lang in [Language::Rust, Language::Python, Language::JavaScript] {
            for (world, kind) in [
                (Kind::Stage, World::Stage),
                (Kind::Endpoint, World::Endpoint),
                (Kind::Contribution, World::Contribution),
            ] {
                let home = tempfile::tempdir().expect("a folder");
                let made = make(&Args { lang, ..args("my-cell7", world, home.path()) }).expect("made");
                assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1, "nothing else is left");
                look(lang, kind, &made, home.path());
            }
        }
    }

    #[test]
    fn a_new_cell_has_a_manifest_for_a_package_and_every_schema_that_it_names() {
        each(|_, kind, made, _| {
            let text = |path: &str| fs::read_to_string(made.folder.join(path)).expect("text");
            let manifest = CellToml::parse(&text("cell.toml")).expect("it reads");
            assert_eq!((manifest.for_package(), manifest.world), (Ok(()), kind));
            assert!(manifest.types.values().all(|one| made.folder.join(&one.schema).is_file()));
            if kind == World::Contribution {
                let study = Study::parse(&text("study.toml")).expect("a draft of a study");
                assert_eq!((study.name.as_str(), study.numbers().len()), ("my-cell7", 2));
                let read = manifest.reads.iter().flat_map(|reads| &reads.keys);
                assert!(study.streams.iter().eq(read), "{study:?}");
            }
            for path in &made.files {
                // A file of a module may have braces of its own.
                let left = ["name", "ident", "world", "sdk", "componentize"];
                assert!(left.iter().all(|word| !text(path).contains(&format!("{{{{{word}"))), "{path}");
            }
        });
    }

    #[test]
    fn a_new_cell_names_the_tools_of_its_language_by_their_versions() {
        each(|lang, _, made, _| {
            let text = |path: &str| fs::read_to_string(made.folder.join(path)).expect("text");
            match lang {
                Language::Rust => {
                    let cargo: toml::Table = text("Cargo.toml").parse().expect("TOML");
                    assert_eq!(cargo["package"]["name"].as_str(), Some("cell-my-cell7"));
                    assert_eq!(
                        cargo["dependencies"]["cells-sdk"]["version"].as_str(),
                        Some(env!("CARGO_PKG_VERSION"))
                    );
                }
                Language::Python => {
                    let project: toml::Table = text("pyproject.toml").parse().expect("TOML");
                    assert_eq!(project["project"]["name"].as_str(), Some("cell-my-cell7"));
                    let build = project["project"]["optional-dependencies"]["build"].to_string();
                    let pinned = build.trim_matches(['[', ']', '"']).replace("==", " ");
                    assert!(PINNED.lines().any(|line| line == pinned), "{build}");
                }
                Language::JavaScript => {
                    let package: serde_json::Value =
                        serde_json::from_str(&text("package.json")).expect("JSON");
                    let pinned = format!(
                        "componentize-qjs {}",
                        package["devDependencies"]["componentize-qjs"].as_str().expect("a version")
                    );
                    assert!(PINNED.lines().any(|line| line == pinned), "{package}");
                }
            }
            assert_eq!(made.folder.join(CONTRACT.0).exists(), lang != Language::Rust);
        });
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
        let no_rust = Args {
            lang: Language::Python,
            sdk: Some(home.path().to_owned()),
            ..args("abd", Kind::Stage, home.path())
        };
        assert!(make(&no_rust).err().expect("no SDK").what.contains("only cells in Rust"));
        let elsewhere = Args { sdk: Some(home.path().to_owned()), ..args("abd", Kind::Stage, home.path()) };
        assert!(make(&elsewhere).err().expect("no SDK").what.contains("is not that package"));
    }
}
