//! The example of docs/researcher.md is `cells/template`, letter by letter, so the published code compiles and is
//! tested.

use std::fs;

use super::root;

/// The content of the page's first block in a language.
fn block(page: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    let (_, behind) = page.split_once(&begin).unwrap_or_else(|| panic!("no block of {language}"));
    let (block, _) = behind.split_once("```").expect("a block ends");
    block.to_owned()
}

#[test]
fn the_example_that_researchers_read_is_the_one_that_is_built() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("it is there");
    let page = read("docs/researcher.md");
    for (language, path) in [("rust", "cells/template/src/lib.rs"), ("toml", "cells/template/cell.toml")] {
        let (told, built) = (block(&page, language), read(path));
        assert!(told == built, "docs/researcher.md shows another {path}; there it should read:\n{built}");
    }
}
