//! The list of faults, and where the tests are that have to notice them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::pages::{root, sources};
use crate::trouble::Trouble;

/// The file with the list.
const FILE: &str = "xtask/faults.toml";
/// What the names of tests of attacks begin with.
pub(super) const ATTACK: &str = "attack_";
/// The folders with tests.
const FOLDERS: [&str; 2] = ["handshake", "runtime"];

/// One change of the code that takes a protection away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Fault {
    /// The number of the attack in `docs/threat-model.md`; some of the tests may be of others.
    pub attack: Option<u8>,
    /// In the place of an attack: what was once wrong with somebody's data, and nobody was told.
    pub data_error: Option<String>,
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
    let numbers = test.strip_prefix(ATTACK).unwrap_or_default();
    numbers.split('_').map_while(|part| part.parse().ok()).collect()
}

impl Fault {
    /// The attacks whose tests have to notice it.
    pub(super) fn attacks(&self) -> BTreeSet<u8> {
        self.tests.iter().flat_map(|test| numbers_of(test)).collect()
    }

    /// What it is about, in a few words.
    pub(super) fn subject(&self) -> String {
        match (self.attack, &self.data_error) {
            (Some(attack), _) => format!("{attack:>3}"),
            (None, data_error) => data_error.clone().unwrap_or_default(),
        }
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

/// The homes of tests by their names.
pub(super) struct Homes(BTreeMap<String, BTreeSet<Home>>);

impl Homes {
    /// Looks through the sources.
    pub(super) fn find() -> Result<Self, Trouble> {
        let mut homes: BTreeMap<String, BTreeSet<Home>> = BTreeMap::new();
        for (path, text) in sources(&FOLDERS)? {
            let Some(home) = Home::of_source(&path) else { continue };
            for test in tests_in(&text) {
                homes.entry(test.to_owned()).or_default().insert(home.clone());
            }
        }
        Ok(Self(homes))
    }

    /// The home of a test, if there is one such test.
    pub(super) fn get(&self, test: &str) -> Option<&Home> {
        let mut homes = self.0.get(test)?.iter();
        homes.next().filter(|_| homes.next().is_none())
    }

    /// The home of a test that the list names; a test makes sure that each exists.
    pub(super) fn of(&self, test: &str) -> &Home {
        self.get(test).expect("the list names tests that exist")
    }

    /// The names of all tests.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The names of the tests in a source: what has the attribute of a test, and every function that is called an attack.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let mut before = "";
    source.split("fn ").filter_map(move |part| {
        let is_marked = before.trim_end_matches("async ").trim_end().ends_with("test]");
        before = part;
        let (name, _) = part.split_once('(')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name && (is_marked || name.starts_with(ATTACK))).then_some(name)
    })
}
