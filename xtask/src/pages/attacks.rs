//! `docs/threat-model.md` and the tests agree: each attack has a test, and each test of an attack has a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{root, sources};

/// Attacks are numbered from 1; up to here there is one for each number.
const ATTACKS: u8 = 79;

/// Names of functions that begin with `attack_` in every package below `runtime/`: unit tests and others.
fn tests_that_attack() -> BTreeSet<String> {
    let sources = sources(&["runtime"]).expect("the repository's sources");
    sources.iter().flat_map(|(_, text)| attacks_in(text)).collect()
}

fn attacks_in(source: &str) -> impl Iterator<Item = String> {
    let names =
        source.split("fn ").skip(1).filter_map(|text| text.split(|letter| !is_of_a_name(letter)).next());
    names.filter(|name| name.starts_with("attack_")).map(str::to_owned)
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The rows of the tables of attacks: number, and the tests that the last column names.
fn rows() -> BTreeMap<u8, Vec<String>> {
    let text = fs::read_to_string(root().join("docs/threat-model.md")).expect("the page");
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, tests, _] = cells.as_slice() else { continue };
        let Ok(number) = number.parse::<u8>() else { continue };
        let named = tests.split('`').filter(|part| part.starts_with("attack_")).map(str::to_owned).collect();
        assert!(rows.insert(number, named).is_none(), "attack {number} has two rows");
    }
    rows
}

/// The numbers at the beginning of a test's name: `attack_03_04_...` has two.
fn numbers_of(test: &str) -> BTreeSet<u8> {
    let parts = test.split('_').skip(1);
    parts.map_while(|part| part.parse().ok()).collect()
}

#[test]
fn every_attack_has_a_row_with_tests_that_exist_and_are_of_that_attack() {
    let (rows, tests) = (rows(), tests_that_attack());
    let missing: Vec<u8> = (1..=ATTACKS).filter(|number| !rows.contains_key(number)).collect();
    assert_eq!(missing, Vec::<u8>::new(), "numbers without a row");
    for (number, named) in &rows {
        assert!(!named.is_empty(), "attack {number} names no test");
        for test in named {
            assert!(tests.contains(test), "attack {number}: there is no test {test}");
            assert!(numbers_of(test).contains(number), "{test} is in the row of attack {number}");
        }
    }
}

#[test]
fn every_test_of_an_attack_is_in_the_row_of_each_attack_that_its_name_says() {
    let rows = rows();
    for test in tests_that_attack() {
        let numbers = numbers_of(&test);
        assert!(!numbers.is_empty(), "{test} does not say which attack it is");
        for number in numbers {
            let named = rows.get(&number).map_or(&[][..], Vec::as_slice);
            assert!(named.contains(&test), "the row of attack {number} does not name {test}");
        }
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    // The text is joined here, since this file is scanned like any other.
    let source =
        ["attack_07_two", "attack_03_04_over"].map(|name| format!("async fn {name}() {{}}\n")).concat();
    assert_eq!(attacks_in(&source).collect::<Vec<_>>(), ["attack_07_two", "attack_03_04_over"]);
    assert_eq!(numbers_of("attack_03_04_over"), BTreeSet::from([3, 4]));
    assert_eq!(numbers_of("attack_of_nobody"), BTreeSet::new());
}
