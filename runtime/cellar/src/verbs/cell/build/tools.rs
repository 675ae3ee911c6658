//! The tools of other languages: their pinned versions, where they are looked for, and how they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_program::Failure;

/// The versions that cells are built and tested with, `NAME VERSION` a line.
pub(in super::super) const PINNED: &str = include_str!("../../../../../../cells/tools");
/// How much of a tool's own words a message has, characters.
const WORDS_CHARS: usize = 2_000;

/// The pinned version of a tool.
pub(super) fn version(tool: &str) -> &'static str {
    let mut lines = PINNED.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == tool).map_or("latest", |(_, version)| version)
}

/// The program of that name in a folder of this one or of one above it, such as `node_modules/.bin`; otherwise one on
/// the path.
pub(super) fn find(folder: &Path, within: &str, program: &str) -> Option<PathBuf> {
    let whole = folder.canonicalize().ok()?;
    let mut near = whole.ancestors().map(|above| above.join(within).join(program));
    let path = std::env::var_os("PATH").unwrap_or_default();
    near.find(|file| file.is_file()).or_else(|| {
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}

/// Runs a tool; its words are shown if it fails.
pub(super) fn run(mut command: Command, tool: &str, remedy: &str) -> Result<(), Failure> {
    // The reason is told; where in the tool it was found helps nobody.
    command.env("RUST_BACKTRACE", "0");
    let ended = command.stdin(Stdio::null()).output().map_err(|error| {
        Failure::new(format!("cannot start {tool}: {error}"), "install it again, or correct the path")
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let words = [ended.stdout, ended.stderr].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    // What went wrong is at the end.
    let from = words.char_indices().rev().nth(WORDS_CHARS - 1).map_or(0, |(at, _)| at);
    Err(Failure::new(format!("{tool} did not build the cell: {}", &words[from..]), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_version() {
        for tool in [
            "componentize-py",
            "componentize-qjs",
            "@bytecodealliance/componentize-js",
            "@bytecodealliance/preview2-shim",
        ] {
            assert!(version(tool).split('.').all(|part| part.parse::<u32>().is_ok()), "{tool}");
        }
        assert_eq!(PINNED.lines().count(), 4);
    }

    #[test]
    fn a_tool_is_found_in_a_folder_above_the_cell() {
        let home = tempfile::tempdir().expect("a folder");
        let (cell, tools) = (home.path().join("a/b"), home.path().join("node_modules/.bin"));
        for folder in [&cell, &tools] {
            std::fs::create_dir_all(folder).expect("made");
        }
        let found = || find(&cell, "node_modules/.bin", "no-such-tool-anywhere");
        assert_eq!(found(), None);
        std::fs::write(tools.join("no-such-tool-anywhere"), "").expect("written");
        assert!(found().is_some_and(|file| file.ends_with("node_modules/.bin/no-such-tool-anywhere")));
    }

    #[test]
    fn the_words_of_a_tool_that_fails_are_shown() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo before; echo the reason >&2; exit 3"]);
        let failed = run(command, "the tool", "correct it").expect_err("it failed");
        assert_eq!(failed.to_string(), "the tool did not build the cell: before the reason; correct it");
        let missing = run(Command::new("/no/such/tool"), "the tool", "correct it").expect_err("none");
        assert!(missing.what.starts_with("cannot start the tool: "), "{missing}");
    }
}
