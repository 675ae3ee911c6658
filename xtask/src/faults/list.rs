//! The list of faults, and where the tests are that have to notice them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::pages::{root, sources};
use crate::trouble::Trouble;

/// The file with the list.
const FILE: &str = "xtask/faults.toml";
/// The folders with tests.
const FOLDERS: [&str; 2] = ["handshake", "runtime"];

/// One change of the code that takes a protection away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// The number of the attack in `docs/threat-model.md`; some of the tests may be of others.
    pub attack: u8,
    /// Faults with the same number are built together; none of them concerns a test of another.
    pub build: u8,
    /// What the code does without the protection, in a sentence.
    pub takes: String,
    /// The source, from the root of the repository.
    pub file: PathBuf,
    /// A text that occurs in it once.
    pub find: String,
    /// The text that takes its place.
    pub put: String,
    /// The tests that have to fail then.
    pub tests: Vec<String>,
    /// Whether the tests wait for ever then.
    #[serde(default)]
    pub hangs: bool,
}

/// All faults, in the order of the file.
pub(super) fn read() -> Result<Vec<Fault>, Trouble> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        fault: Vec<Fault>,
    }
    let path = root().join(FILE);
    let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
    let list = toml::from_str(&text);
    list.map(|List { fault }| fault)
        .map_err(|error: toml::de::Error| Trouble::Faults { why: error.to_string() })
}

/// The numbers of the attacks that a test is of.
pub(super) fn numbers_of(test: &str) -> BTreeSet<u8> {
    test.split('_').skip(1).map_while(|part| part.parse().ok()).collect()
}

impl Fault {
    /// The attacks whose tests have to notice it.
    pub(super) fn attacks(&self) -> BTreeSet<u8> {
        self.tests.iter().flat_map(|test| numbers_of(test)).collect()
    }

    /// The source with the fault in it.
    ///
    /// # Errors
    /// The number of places, where it is not one.
    pub(super) fn planted_in(&self, source: &str) -> Result<String, usize> {
        match source.matches(&self.find).count() {
            1 => Ok(source.replacen(&self.find, &self.put, 1)),
            places => Err(places),
        }
    }
}

/// The program that a test is part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// The folder of its package, from the root of the repository.
    pub package: PathBuf,
    /// A test target by its name; `None`: the library's own tests.
    pub target: Option<String>,
}

impl Home {
    /// The home of the tests in a source; `None` for a path that is of no package.
    fn of_source(path: &Path) -> Option<Self> {
        let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
        let at = names.iter().position(|name| matches!(*name, "src" | "tests"))?;
        let target =
            (names[at] == "tests").then(|| names.get(at + 1).map(|name| name.trim_end_matches(".rs")));
        // A library may have a module `tests` below `src`, and no package has `src` below `tests`.
        Some(Self { package: names[..at].iter().collect(), target: target.flatten().map(str::to_owned) })
    }
}

/// The homes of all tests of attacks, by their names.
pub(super) struct Homes(BTreeMap<String, Home>);

impl Homes {
    /// Looks through the sources.
    pub(super) fn find() -> Result<Self, Trouble> {
        let mut homes = BTreeMap::new();
        for (path, text) in sources(&FOLDERS)? {
            let Some(home) = Home::of_source(&path) else { continue };
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            let tests = functions.map(|(name, _)| name).filter(|name| name.starts_with("attack_"));
            homes.extend(tests.map(|test| (test.to_owned(), home.clone())));
        }
        Ok(Self(homes))
    }

    /// The home of a test, if there is such a test.
    pub(super) fn get(&self, test: &str) -> Option<&Home> {
        self.0.get(test)
    }

    /// The home of a test that the list names; a test makes sure that each exists.
    pub(super) fn of(&self, test: &str) -> &Home {
        self.get(test).expect("the list names tests that exist")
    }

    /// The names of all tests of attacks.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
