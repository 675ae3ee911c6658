//! The generated schemas and tables agree with the structs of the model.
//!
//! `cargo xtask schemas` runs this with `CELLAR_WRITE_SCHEMAS=1`, which writes what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cells_model::described::{self, KEYS};
use cells_model::keys;

const WRITE: &str = "CELLAR_WRITE_SCHEMAS";

#[derive(serde::Deserialize)]
struct Manifest {
    #[serde(default)]
    types: BTreeMap<String, Type>,
}

#[derive(serde::Deserialize)]
struct Type {
    schema: PathBuf,
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Key → the schema's file, for keys that a cell's manifest describes.
fn brought() -> BTreeMap<String, PathBuf> {
    let cells = package().parent().expect("among the cells");
    let folders = fs::read_dir(cells).expect("readable").map(|entry| entry.expect("readable").path());
    let mut files = BTreeMap::new();
    for folder in folders.filter(|folder| folder.join("cell.toml").exists()) {
        let text = fs::read_to_string(folder.join("cell.toml")).expect("readable");
        let manifest: Manifest = toml::from_str(&text).expect("a manifest");
        files.extend(manifest.types.into_iter().map(|(key, of)| (key, folder.join(of.schema))));
    }
    files
}

/// Every file that is made from the structs, with what it should hold.
fn made() -> BTreeMap<PathBuf, String> {
    let brought = brought();
    let in_model: Vec<_> = KEYS.iter().map(|one| one.key).filter(|key| !brought.contains_key(*key)).collect();
    let path = |key: &str| match brought.get(key) {
        Some(path) => path.clone(),
        None => package().join(format!("schemas/{key}.json")),
    };
    let [table, schemas] = described::tables(&in_model);
    let sources = [("table", table), ("schemas", schemas)];
    let sources = sources.map(|(name, text)| (package().join(format!("src/keys/{name}.rs")), text));
    KEYS.iter().map(|one| (path(one.key), one.file())).chain(sources).collect()
}

#[test]
fn every_schema_and_table_is_what_the_structs_say() {
    let made = made();
    let differs = |(path, text): &(&PathBuf, &String)| fs::read_to_string(path).ok().as_ref() != Some(*text);
    let differing: Vec<_> = made.iter().filter(differs).collect();
    if std::env::var_os(WRITE).is_some() {
        for (path, text) in differing {
            fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
            fs::write(path, text).expect("written");
            println!("wrote {}", path.display());
        }
        return;
    }
    let names: Vec<_> = differing.iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(
        names.is_empty(),
        "these are not what the structs of cells/model say; `cargo xtask schemas` writes them again:\n{}",
        names.join("\n")
    );
}

#[test]
fn every_schema_file_belongs_to_a_described_key() {
    let made: BTreeSet<_> = made().into_keys().collect();
    let folders = ["background", "config", "inference", "manual", "segmentation", "statemachine", "stats"];
    for folder in folders.iter().chain(&["analysis"]) {
        let folder = package().join("schemas").join(folder);
        let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.expect("readable").path());
        let strays: Vec<_> = files.filter(|path| !made.contains(path)).collect();
        assert!(strays.is_empty(), "no key has these: {strays:?}");
    }
}

#[test]
fn every_key_is_registered_as_it_is_described() {
    let described: Vec<_> = KEYS.iter().map(|one| (one.key, one.description, one.class)).collect();
    let registered: Vec<_> = keys::KEYS.iter().map(|info| (info.key, info.description, info.class)).collect();
    assert_eq!(registered, described);
    for one in KEYS {
        jsonschema::validator_for(&one.schema()).expect("a sound schema");
    }
}
