//! The example of docs/researcher.md is `cells/template`, letter by letter: what is read there compiles and is tested.

use std::fs;

use super::root;

/// What stands in the page's only block of a language.
fn block(page: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    let blocks: Vec<&str> = page.split(begin.as_str()).skip(1).collect();
    assert_eq!(blocks.len(), 1, "blocks of {language}");
    let (block, _) = blocks[0].split_once("```").expect("a block ends");
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
