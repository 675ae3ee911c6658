//! docs/formats/contract.md and `wit/` say the same as the code, and what was published stays.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use runtime_sandbox::*;
use wit_parser::{Resolve, WorldItem};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The rows of the table under a heading: the cells of each, without the head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = read("docs/formats/contract.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Every function of a file of WIT, as `interface/resource.function: its type`.
fn functions(text: &str) -> BTreeSet<String> {
    let (mut places, mut found) = (Vec::<&str>::new(), BTreeSet::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("///")) {
        if line.ends_with('{') {
            places.push(line.trim_end_matches('{').split_whitespace().last().unwrap());
        } else if line == "}" {
            places.pop();
        } else if let Some((name, kind)) = line.split_once(": func") {
            found.insert(format!("{}.{name}: func{kind}", places.join("/")));
        } else if line.starts_with("constructor") {
            found.insert(format!("{}.{line}", places.join("/")));
        } else if let Some((name, kind)) = line.split_once(": ").filter(|_| line.ends_with(',')) {
            found.insert(format!("{}.{name}: {kind}", places.join("/")));
        }
    }
    found
}

#[test]
fn version_0_1_is_complete_and_changes_no_more() {
    let hash = CodeDigest::of(read("wit/0.1/cell.wit").as_bytes()).to_string();
    assert_eq!(hash, include_str!("fixtures/contract-0.1.0.sha256").trim(), "wit/0.1 was changed");
}

#[test]
fn every_function_of_release_0_2_0_is_still_there_with_its_type() {
    let now = functions(&read("wit/0.2/cell.wit"));
    for published in include_str!("fixtures/contract-0.2.0.txt").lines() {
        assert!(now.contains(published), "{published} was changed or removed: that needs a new version");
    }
}

#[test]
fn the_page_lists_the_versions_of_this_host() {
    let rows = table("Versions");
    let listed: Vec<_> = rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let here = Version::ALL.map(|version| (version.to_string(), format!("{version}.{}", version.release())));
    assert_eq!(listed, here);
}

#[test]
fn the_page_lists_what_each_kind_imports() {
    let mut listed = BTreeMap::new();
    for row in table("What a cell of each kind imports") {
        let kinds: Vec<bool> = row[1..4].iter().map(|cell| cell == "yes").collect();
        for interface in words(&row[0]) {
            listed.insert(interface.to_owned(), (kinds.clone(), row[4].starts_with("none")));
        }
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root().join("wit/0.2")).unwrap();
    let worlds = [World::Stage, World::Endpoint, World::Contribution];
    for (name, _) in &resolve.packages[package].interfaces {
        if ["stage", "endpoint", "contribution"].contains(&name.as_str()) {
            continue;
        }
        let (kinds, free) = listed.remove(name).unwrap_or_else(|| panic!("the page does not list {name}"));
        let Ok(interface) = name.parse::<Interface>() else {
            assert!(free, "{name} needs no grant");
            continue;
        };
        assert_eq!((kinds, free), (worlds.map(|world| world.offers(interface)).to_vec(), false), "{name}");
    }
    assert!(listed.is_empty(), "wit/0.2 has no {listed:?}");
}

#[test]
fn the_world_on_the_page_is_one_that_an_author_can_write() {
    let page = read("docs/formats/contract.md");
    let (_, world) = page.split_once("```wit\n").unwrap();
    let (world, _) = world.split_once("```").unwrap();
    let mut resolve = Resolve::default();
    resolve.push_str("cell.wit", &read("wit/0.2/cell.wit")).unwrap();
    let package = resolve.push_str("study.wit", world).unwrap();
    let world = resolve.select_world(&[package], Some("cell")).unwrap();
    let imports: BTreeSet<_> = resolve.worlds[world]
        .imports
        .iter()
        .filter(|(_, item)| matches!(item, WorldItem::Interface { .. }))
        .map(|(name, _)| resolve.name_world_key(name))
        .collect();
    let named = ["types", "context", "stage-run", "timeseries-read", "timeseries-write"];
    assert_eq!(imports, named.map(|name| format!("cellar:cell/{name}@0.2.0")).into());
}

#[test]
fn the_page_lists_the_codes_that_the_contract_names() {
    let wit = read("wit/0.2/cell.wit");
    let listed: Vec<_> = table("What a failure says").into_iter().map(|row| row[0].clone()).collect();
    let (_, record) = wit.split_once("record failure {").unwrap();
    let (codes, _) = record.split_once("code: string").unwrap();
    let named = codes.lines().filter_map(|line| line.trim().strip_prefix("/// * "));
    let named: Vec<_> = named.map(|line| format!("`{}`", words(line).next().unwrap())).collect();
    assert_eq!(listed, named);
}
