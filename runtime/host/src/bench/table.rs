//! Figures for people.

use std::fmt::Write as _;

use super::rounds::Comparison;

/// A table of comparisons: medians, the ratio, its middle half over the rounds, the target.
pub fn table(rows: &[Comparison]) -> String {
    let mut text = String::new();
    let line = "  what                                                        ours      other unit   ratio  (noise)        target";
    writeln!(text, "{line}").expect("a text takes what it is given");
    for row in rows {
        let other = number(row.other);
        let ratio = if row.ratio.is_nan() { String::new() } else { format!("{:.2}×", row.ratio) };
        let noise = if row.ratio.is_nan() {
            String::new()
        } else {
            format!("({:.2}–{:.2})", row.ratio_p25, row.ratio_p75)
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
