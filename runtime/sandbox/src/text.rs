//! Messages of a cell, prepared for people: one line, bounded, without control characters.

use crate::LOG_LINE_BYTES_MAX;

/// Cuts at [`LOG_LINE_BYTES_MAX`], between characters, and replaces control characters by spaces, so that a cell can
/// neither forge a second line nor move a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
    cut(text, LOG_LINE_BYTES_MAX).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cells_words_are_one_bounded_line() {
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(one_line(&"é".repeat(400)).len(), LOG_LINE_BYTES_MAX);
        assert_eq!(one_line(&format!("x{}", "é".repeat(400))).len(), LOG_LINE_BYTES_MAX - 1);
    }
}
