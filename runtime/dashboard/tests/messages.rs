//! The words of the page: each translation has the keys and values that the English words have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

fn read(path: &Path) -> Map<String, Value> {
    let text = fs::read_to_string(path).expect("a file of words");
    serde_json::from_str(&text).expect("an object of texts")
}

/// What stands in braces.
fn values(text: &Value) -> BTreeSet<&str> {
    let text = text.as_str().expect("a text");
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn a_translation_has_every_word_of_the_english_page_and_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page/messages");
    let english = read(&folder.join("en.json"));
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the folder of words") {
        let path = entry.expect("read").path();
        let words = read(&path);
        let missing: Vec<&String> = english.keys().filter(|key| !words.contains_key(*key)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", path.display());
        for (key, text) in words {
            let known = english.get(&key).unwrap_or_else(|| panic!("{}: {key}", path.display()));
            assert_eq!(values(&text), values(known), "{}: {key}", path.display());
        }
        count += 1;
    }
    assert!(count >= 2);
}
