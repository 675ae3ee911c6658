//! The table of routes, as it stands in the page.

use super::super::differences::Marker;
use super::route::Route;
use super::{MARKER, PAGE};

const HEADING: &str = "| route | Cellar answers | | tests |";
const RULE: &str = "|---|---|---|---|";
/// What a row may say of itself: those of docs/reference-differences.md, and that there is no such route in one of both.
const VERDICTS: [&str; 6] = ["the same", "reproduced", "improved", "differs", "left out", "ours"];
/// What joins the tests of a row.
const BREAK: &str = "<br>";

/// The rows of the page.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

/// What is said of one route.
pub(super) struct Row {
    pub(super) route: Route,
    /// What is answered, and why it is not the same.
    answer: String,
    verdict: String,
    /// The names of its tests, each with its file.
    pub(super) tests: Vec<String>,
}

impl Row {
    /// Whether there is such a route here.
    #[cfg(test)]
    pub(super) fn is_answered(&self) -> bool {
        self.verdict != "left out"
    }

    fn written(&self) -> String {
        let tests: Vec<_> = self.tests.iter().map(|test| format!("`{test}`")).collect();
        format!("| `{}` | {} | {} | {} |", self.route, self.answer, self.verdict, tests.join(BREAK))
    }
}

impl Table {
    /// The table of a page; one without rows where it has none.
    pub(super) fn of(page: &str) -> Self {
        let lines = page.lines().skip_while(|line| *line != HEADING).skip(2);
        let rows = lines.map_while(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
            let [route, answer, verdict, tests, _] = cells[..] else { return None };
            let route = Route::read(route.trim_matches('`'))?;
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Some(Row { route, answer: answer.to_owned(), verdict: verdict.to_owned(), tests })
        });
        Self { rows: rows.collect() }
    }

    /// Whether the route has a row.
    pub(super) fn has(&self, route: &Route) -> bool {
        self.rows.iter().any(|row| row.route.covers(route) || route.covers(&row.route))
    }

    /// Whether its first segment is that of a route in the table.
    pub(super) fn is_beneath(&self, route: &Route) -> bool {
        self.rows.iter().any(|row| row.route.first() == route.first())
    }

    /// Adds a row to be filled in, unless the route has one.
    pub(super) fn add(&mut self, route: Route) {
        if !self.has(&route) {
            self.rows.push(Row { route, answer: String::new(), verdict: String::new(), tests: Vec::new() });
        }
    }

    /// Takes the tests that name routes, instead of those in the table. Gives the comments that name none.
    pub(super) fn take_tests(&mut self, named: &[(String, Marker)]) -> Vec<String> {
        self.rows.iter_mut().for_each(|row| row.tests.clear());
        let mut strays = Vec::new();
        for (file, Marker { line, row, test }) in named {
            let mut stray = |why: String| strays.push(format!("{file}:{line}: {why}"));
            let Some(path) = row else {
                stray(format!("the comment should read `{MARKER} \"/its/path\"`"));
                continue;
            };
            let Some(test) = test else {
                stray(format!("not directly above a test: \"{path}\""));
                continue;
            };
            match self.rows.iter_mut().find(|row| row.route.path() == path) {
                Some(row) => row.tests.push(format!("{file}: {test}")),
                None => stray(format!("no row has the path \"{path}\"")),
            }
        }
        strays
    }

    /// Rows that are not complete, one line for each.
    pub(super) fn faults(&self) -> Vec<String> {
        let of = |row: &Row| {
            let what = match row {
                Row { answer, .. } if answer.is_empty() => "says nothing of the answer",
                Row { verdict, .. } if !VERDICTS.contains(&verdict.as_str()) => {
                    "has no verdict that is known"
                }
                Row { tests, .. } if tests.is_empty() => "has no test",
                _ => return None,
            };
            Some(format!("{PAGE}: {} {what}", row.route))
        };
        self.rows.iter().filter_map(of).collect()
    }

    /// The page with these rows.
    pub(super) fn written(&self, page: &str) -> String {
        let before: Vec<&str> = page.lines().take_while(|line| *line != HEADING).collect();
        let behind = page.lines().skip(before.len()).skip_while(|line| line.starts_with('|'));
        let rows: Vec<String> = self.rows.iter().map(Row::written).collect();
        let head = [HEADING, RULE];
        let lines = before.iter().copied().chain(head).chain(rows.iter().map(String::as_str)).chain(behind);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// The first columns of the tables of a page whose heading begins with `route`.
pub(super) fn documented(page: &str) -> Vec<String> {
    let mut columns = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        let Some(rest) = line.strip_prefix('|') else {
            in_table = false;
            continue;
        };
        let column = first_column(rest);
        if column == "route" {
            in_table = true;
        } else if in_table && !column.starts_with("---") {
            columns.push(column.to_owned());
        }
    }
    columns
}

/// The text before the first bar that is not escaped.
fn first_column(row: &str) -> &str {
    let end = row.match_indices('|').find(|(at, _)| !row[..*at].ends_with('\\'));
    row[..end.map_or(row.len(), |(at, _)| at)].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Routes\n\n| route | Cellar answers | | tests |\n|---|---|---|---|\n\
        | `GET /` | A page. | improved | `a.rs: b` |\n| `POST /x/<y>` | 404. | left out |  |\n\nBehind.\n";

    fn named(path: &str, test: Option<&str>) -> (String, Marker) {
        ("a.rs".to_owned(), Marker { line: 3, row: Some(path.to_owned()), test: test.map(str::to_owned) })
    }

    #[test]
    fn a_page_is_written_as_it_was_read_and_answers_are_kept() {
        let mut table = Table::of(PAGE);
        assert_eq!(table.written(PAGE), PAGE);
        table.add(Route::new("POST", "/x/<any>"));
        assert_eq!(table.rows.len(), 2, "it has a row");
        table.add(Route::new("POST", "/z"));
        let written = table.written(PAGE);
        assert!(written.contains("| `POST /z` |  |  |  |\n\nBehind."), "{written}");
        assert_eq!(
            table.faults(),
            [
                "docs/reference-routes.md: POST /x/<y> has no test",
                "docs/reference-routes.md: POST /z says nothing of the answer"
            ]
        );
    }

    #[test]
    fn tests_come_from_comments_and_comments_that_name_nothing_are_reported() {
        let mut table = Table::of(PAGE);
        let strays = table.take_tests(&[
            named("/", Some("one")),
            named("/x/<y>", Some("two")),
            named("/x", Some("three")),
            named("/", None),
            ("b.rs".to_owned(), Marker { line: 1, row: None, test: None }),
        ]);
        assert_eq!(table.rows[0].tests, ["a.rs: one"]);
        assert_eq!(table.rows[1].tests, ["a.rs: two"]);
        assert_eq!(
            strays,
            [
                "a.rs:3: no row has the path \"/x\"",
                "a.rs:3: not directly above a test: \"/\"",
                "b.rs:1: the comment should read `// Route: \"/its/path\"`"
            ]
        );
        assert_eq!(table.faults(), [""; 0]);
    }

    #[test]
    fn columns_of_other_tables_are_no_routes() {
        let page = "| method | rule |\n|---|---|\n| `skip` | any |\n\n| route | x |\n|---|---|\n\
            | `/a/<b\\|c>` | `/no` |\n\n| `/not` | in a table |\n";
        assert_eq!(documented(page), ["`/a/<b\\|c>`"]);
    }
}
