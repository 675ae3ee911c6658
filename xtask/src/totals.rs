//! Totals of test runs, in the words of the program that ran them.

/// Lines such as `Summary [ 1.2s] 9 tests run: 9 passed, 0 skipped`.
#[derive(Default)]
pub(crate) struct Totals {
    lines: Vec<(String, String)>,
    part: String,
}

impl Totals {
    /// The lines that follow belong to this part of the tests.
    pub(crate) fn begin(&mut self, part: &str) {
        self.part = part.to_owned();
    }

    /// Whether a line of nextest or of cargo reports how many tests passed.
    pub(crate) fn is_total(line: &str) -> bool {
        let line = line.trim_start();
        line.starts_with("Summary [") || line.starts_with("test result: ")
    }

    pub(crate) fn add(&mut self, line: String) {
        // Packages without tests of a kind report a line of zeros each.
        if !line.contains(" 0 passed; 0 failed;") {
            self.lines.push((self.part.clone(), line.trim().to_owned()));
        }
    }

    /// Prints them all.
    pub(crate) fn print(&self) {
        for (part, line) in &self.lines {
            println!("{part}: {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_totals_are_known_and_other_lines_are_not() {
        assert!(Totals::is_total("     Summary [   0.006s] 8 tests run: 8 passed, 0 skipped"));
        assert!(Totals::is_total("test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured"));
        assert!(!Totals::is_total("test totals::tests::one ... ok"));
    }

    #[test]
    fn a_line_of_zeros_is_no_news() {
        let mut totals = Totals::default();
        totals.add("test result: ok. 0 passed; 0 failed; 0 ignored".to_owned());
        assert!(totals.lines.is_empty());
    }
}
