//! `docs/reference-differences.md`: each row has a test, and each test that names a row names one that exists.
//!
//! A test names a row by the beginning of the row's first column, in a comment directly above it:
//!
//! ```text
//! // Row: "An unknown route answers 301"
//! #[test]
//! fn a_route_that_nobody_knows_is_answered_with_404() {
//! ```
//!
//! When a row is reworded or deleted, the check fails until somebody has reviewed its tests.

use std::fmt::{self, Display};
use std::fs;

use super::{root, sources};
use crate::trouble::Trouble;

const PAGE: &str = "docs/reference-differences.md";
/// The folders of tests.
pub(super) const FOLDERS: [&str; 3] = ["cells", "handshake", "runtime"];
/// The beginning of a line that names a row.
const MARKER: &str = "// Row:";

/// `cargo xtask rows`; with `tests`, prints the tests of every row too.
pub(crate) fn print(tests: bool) -> Result<(), Trouble> {
    let pairing = Pairing::read()?;
    if tests {
        print!("{pairing}");
    }
    let faults = pairing.faults();
    faults.iter().for_each(|fault| println!("{fault}"));
    let untested = pairing.rows.iter().filter(|row| row.tests.is_empty()).count();
    println!("{} rows, {untested} without a test", pairing.rows.len());
    if faults.is_empty() { Ok(()) } else { Err(Trouble::Page { page: PAGE, faults: faults.len() }) }
}

/// The rows of the page, and the lines of the sources that do not match them.
struct Pairing {
    rows: Vec<Row>,
    /// One line for each: its location and what is wrong with it.
    strays: Vec<String>,
}

/// A row of a table.
struct Row {
    /// From 1.
    line: usize,
    /// The first column.
    reference: String,
    /// Names of tests, with their files.
    tests: Vec<String>,
}

/// A line of a source that names a row.
#[derive(Debug, PartialEq)]
pub(super) struct Marker {
    /// From 1.
    pub(super) line: usize,
    /// What it quotes, such as the beginning of the row; `None`: the line is not such a comment.
    pub(super) row: Option<String>,
    /// The test below it, if there is one.
    pub(super) test: Option<String>,
}

impl Pairing {
    fn read() -> Result<Self, Trouble> {
        let path = root().join(PAGE);
        let page = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
        let mut pairing = Self { rows: rows_of(&page), strays: Vec::new() };
        for (path, text) in sources(&FOLDERS)? {
            let file = path.display().to_string();
            markers_in(&text, MARKER).into_iter().for_each(|marker| pairing.take(&file, marker));
        }
        Ok(pairing)
    }

    fn take(&mut self, file: &str, marker: Marker) {
        let Marker { line, row, test } = marker;
        let mut stray = |why: String| self.strays.push(format!("{file}:{line}: {why}"));
        let Some(row) = row else {
            return stray(format!("the comment should read `{MARKER} \"the beginning of a row\"`"));
        };
        let Some(test) = test else {
            return stray(format!("not directly above a test: \"{row}\""));
        };
        let mut named = self.rows.iter_mut().filter(|known| known.reference.starts_with(&row));
        match (named.next(), named.next()) {
            (Some(known), None) => known.tests.push(format!("{file}: {test}")),
            (None, _) => stray(format!("no row begins with \"{row}\"")),
            (Some(_), Some(_)) => stray(format!("more than one row begins with \"{row}\"")),
        }
    }

    /// All errors, one line for each.
    fn faults(&self) -> Vec<String> {
        let untested = self.rows.iter().filter(|row| row.tests.is_empty());
        let untested = untested.map(|row| format!("{PAGE}:{}: no test: {}", row.line, row.reference));
        untested.chain(self.strays.iter().cloned()).collect()
    }
}

impl Display for Pairing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(formatter, "{}: {}", row.line, row.reference)?;
            row.tests.iter().try_for_each(|test| writeln!(formatter, "    {test}"))?;
        }
        Ok(())
    }
}

/// The rows of all tables of a page.
fn rows_of(page: &str) -> Vec<Row> {
    let lines = page.lines().zip(1..).filter_map(|(text, line)| {
        let reference = text.strip_prefix('|')?.split('|').next()?.trim();
        Some(Row { line, reference: reference.to_owned(), tests: Vec::new() })
    });
    // The headings of the tables, and the lines below them.
    let is_head = |row: &Row| row.reference == "the reference" || row.reference.starts_with("---");
    lines.filter(|row| !is_head(row)).collect()
}

/// The comments of a source that begin with `beginning` and quote something.
pub(super) fn markers_in(source: &str, beginning: &str) -> Vec<Marker> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let markers = lines.iter().enumerate().filter_map(|(index, line)| {
        let rest = line.strip_prefix(beginning)?.trim();
        let row = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let row = row.filter(|row| !row.is_empty()).map(str::to_owned);
        Some(Marker { line: index + 1, row, test: test_at(&lines[index + 1..]) })
    });
    markers.collect()
}

/// The name of the test at the start of `lines`, after comments and attributes of which one marks it as a test.
fn test_at(lines: &[&str]) -> Option<String> {
    let ends = |line: &&&str| !line.starts_with("//") && !line.starts_with("#[");
    let function = lines.iter().find(ends)?;
    let head = lines.iter().take_while(|line| !ends(line));
    let name = function.strip_prefix("async ").unwrap_or(function).strip_prefix("fn ")?.split('(').next()?;
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    head.into_iter().any(is_test).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "## One\n\n| the reference | Cellar | |\n|---|---|---|\n\
        | An unknown key: 500. | None. | improved |\n\
        | An unknown zone. | The same. | reproduced |\n";

    fn pairing_of(source: &str) -> Pairing {
        let mut pairing = Pairing { rows: rows_of(ROWS), strays: Vec::new() };
        markers_in(source, MARKER).into_iter().for_each(|marker| pairing.take("a.rs", marker));
        pairing
    }

    #[test]
    fn every_difference_from_the_reference_has_a_test() {
        let faults = Pairing::read().unwrap().faults();
        assert!(
            faults.is_empty(),
            "`cargo xtask rows` prints these {}:\n{}",
            faults.len(),
            faults.join("\n")
        );
    }

    #[test]
    fn a_row_has_the_tests_that_quote_its_beginning() {
        let source = "// Row: \"An unknown key\"\n// Row: \"An unknown zone.\"\n#[test]\nfn both() {\n}\n\
            /// Why.\n// Row: \"An unknown zone\"\n#[tokio::test(start_paused = true)]\n#[cfg(unix)]\n\
            async fn later() {";
        let pairing = pairing_of(source);
        assert_eq!(pairing.faults(), Vec::<String>::new());
        assert_eq!(
            pairing.to_string(),
            "5: An unknown key: 500.\n    a.rs: both\n\
             6: An unknown zone.\n    a.rs: both\n    a.rs: later\n"
        );
    }

    #[test]
    fn a_row_without_a_test_is_reported_with_its_place() {
        let faults = pairing_of("// Row: \"An unknown key\"\n#[test]\nfn one() {}").faults();
        assert_eq!(faults, ["docs/reference-differences.md:6: no test: An unknown zone."]);
    }

    #[test]
    fn a_comment_that_names_no_row_or_several_is_reported_with_its_place() {
        let strays = |row: &str| pairing_of(&format!("\n// Row: \"{row}\"\n#[test]\nfn one() {{}}")).strays;
        assert_eq!(strays("Nothing"), ["a.rs:2: no row begins with \"Nothing\""]);
        assert_eq!(strays("An unknown"), ["a.rs:2: more than one row begins with \"An unknown\""]);
    }

    #[test]
    fn a_comment_that_is_not_directly_above_a_test_is_reported_with_its_place() {
        for below in ["", "\n#[test]\nfn far() {}", "fn helper() {}", "#[inline]\nfn helper() {}", "#[test]"]
        {
            let strays = pairing_of(&format!("// Row: \"An unknown key\"\n{below}")).strays;
            assert_eq!(strays, ["a.rs:1: not directly above a test: \"An unknown key\""], "{below}");
        }
    }

    #[test]
    fn a_comment_that_quotes_nothing_is_reported_with_its_place() {
        for row in ["An unknown key", "\"An unknown key", "\"\"", ""] {
            let strays = pairing_of(&format!("// Row: {row}\n#[test]\nfn one() {{}}")).strays;
            assert_eq!(
                strays,
                ["a.rs:1: the comment should read `// Row: \"the beginning of a row\"`"],
                "{row}"
            );
        }
    }
}
