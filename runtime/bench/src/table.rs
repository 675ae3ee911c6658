//! Prints figures for people.

use std::fmt::Write as _;

use super::rounds::Comparison;

/// The meaning of the mark beside a figure.
const RECORDED: &str = "* recorded on another machine, not measured in this run: the ratio is as good as the two machines are alike";

/// A table of comparisons: medians, the ratio, its middle half over the rounds, the target.
pub fn table(rows: &[Comparison]) -> String {
    let mut text = String::new();
    let line = "  what                                                        ours      other unit   ratio  (noise)        target";
    writeln!(text, "{line}").expect("a text takes what it is given");
    for row in rows {
        let mark = if row.other_recorded { "*" } else { "" };
        let other = format!("{}{mark}", number(row.other));
        // For very small ratios, two decimals would not show whether a target is met.
        let digits = if row.ratio < 0.1 { 4 } else { 2 };
        let (ratio, noise) = if row.ratio.is_nan() {
            (String::new(), String::new())
        } else {
            let [ratio, p25, p75] =
                [row.ratio, row.ratio_p25, row.ratio_p75].map(|ratio| format!("{ratio:.digits$}"));
            (format!("{ratio}×"), format!("({p25}–{p75})"))
        };
        let verdict = if row.met { "met" } else { "MISSED" };
        let what =
            if row.against.is_empty() { row.what.clone() } else { format!("{} / {}", row.what, row.against) };
        writeln!(
            text,
            "  {what:55} {:>10} {other:>10} {:5} {ratio:>7} {noise:14} {} {verdict}",
            number(row.ours),
            row.unit,
            row.target,
        )
        .expect("a text takes what it is given");
    }
    if rows.iter().any(|row| row.other_recorded) {
        writeln!(text, "  {RECORDED}").expect("a text takes what it is given");
    }
    text
}

fn number(value: f64) -> String {
    match value {
        nan if nan.is_nan() => String::new(),
        large if large.abs() >= 100.0 => format!("{large:.0}"),
        middle if middle.abs() >= 1.0 => format!("{middle:.2}"),
        small => format!("{small:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_was_recorded_elsewhere_is_marked_and_explained() {
        let figure = Comparison { other: 200.0, ..Comparison::figure("x", 1.0, "ms", "", true) };
        let measured = table(std::slice::from_ref(&figure));
        assert!(!measured.contains('*'), "{measured}");
        let recorded = table(&[Comparison { other_recorded: true, ..figure }]);
        assert!(recorded.contains("200*") && recorded.ends_with(&format!("  {RECORDED}\n")), "{recorded}");
    }

    #[test]
    fn a_small_ratio_is_printed_to_the_digit_that_decides() {
        let printed = |ratio, ratio_p25, ratio_p75| {
            let figure = Comparison::figure("x", 1.0, "ms", "", true);
            table(&[Comparison { ratio, ratio_p25, ratio_p75, ..figure }])
        };
        assert!(printed(0.0097, 0.0096, 0.0104).contains("0.0097× (0.0096–0.0104)"));
        assert!(printed(1.726, 1.7, 1.75).contains("1.73× (1.70–1.75)"));
    }
}
