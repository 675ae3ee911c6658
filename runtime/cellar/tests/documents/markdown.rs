//! The code that a text in Markdown shows: in backticks, in indented blocks and in fenced ones.
//!
//! * A line of a table is a paragraph of its own, in which `\|` stands for `|`.
//! * Lines of a block that end with a backslash are joined with the next one.
//! * What is not code is handed on as prose, so that a command outside backticks can be found.

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, from 1.
    pub line: usize,
    /// Without backticks or indentation.
    pub text: String,
    /// What it is.
    pub kind: Kind,
}

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Code in backticks.
    Span,
    /// A line of a block: a command, or something that a program prints.
    Line,
    /// A whole fenced block of TOML.
    Toml,
    /// No code.
    Prose,
}

/// What an unnamed fence holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// Commands or what they print, as on a page.
    Text,
    /// Rust, as in a documentation comment.
    Rust,
}

/// The parts of a text, given as its lines with their numbers, in their order.
pub fn parts<'a>(lines: impl IntoIterator<Item = (usize, &'a str)>, unnamed: Unnamed) -> Vec<Part> {
    let mut reader =
        Reader { unnamed, parts: Vec::new(), paragraph: Vec::new(), state: State::Blank { in_list: false } };
    lines.into_iter().for_each(|(line, text)| reader.take(line, text));
    reader.end_paragraph();
    reader.parts
}

struct Reader<'a> {
    unnamed: Unnamed,
    parts: Vec<Part>,
    /// The lines of a paragraph that is not over.
    paragraph: Vec<(usize, &'a str)>,
    state: State,
}

/// Where the reader is.
enum State {
    /// Behind an empty line or a heading.
    Blank {
        in_list: bool,
    },
    Paragraph {
        in_list: bool,
    },
    Indented {
        in_list: bool,
    },
    /// `whole`: a block that is one part, with its lines so far.
    Fence {
        language: Language,
        whole: Option<Part>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Shell,
    Toml,
    Other,
}

impl<'a> Reader<'a> {
    fn take(&mut self, line: usize, text: &'a str) {
        if text.trim_start().starts_with("```") {
            return self.fence(line, text);
        }
        match &mut self.state {
            State::Fence { language: Language::Shell, .. } => self.block_line(line, text),
            State::Fence { whole, .. } => {
                if let Some(whole) = whole {
                    whole.text.push_str(text);
                    whole.text.push('\n');
                }
            }
            State::Blank { in_list } | State::Indented { in_list } if is_code(text, *in_list) => {
                self.state = State::Indented { in_list: *in_list };
                self.block_line(line, text);
            }
            State::Blank { in_list } | State::Paragraph { in_list } | State::Indented { in_list } => {
                let in_list = *in_list;
                self.paragraph_line(line, text, in_list);
            }
        }
    }

    fn fence(&mut self, line: usize, text: &str) {
        self.end_paragraph();
        if let State::Fence { whole, .. } = &mut self.state {
            self.parts.extend(whole.take());
            self.state = State::Blank { in_list: false };
            return;
        }
        let language = match (text.trim_start().trim_start_matches('`').trim(), self.unnamed) {
            ("text" | "sh" | "bash" | "console" | "shell", _) | ("", Unnamed::Text) => Language::Shell,
            ("toml", _) => Language::Toml,
            _ => Language::Other,
        };
        let is_whole = language == Language::Toml;
        let whole = is_whole.then(|| Part { line: line + 1, text: String::new(), kind: Kind::Toml });
        self.state = State::Fence { language, whole };
    }

    fn block_line(&mut self, line: usize, text: &str) {
        if let Some(Part { text: before, kind: Kind::Line, .. }) = self.parts.last_mut()
            && let Some(cut) = before.strip_suffix('\\')
        {
            *before = format!("{}{}", cut, text.trim());
            return;
        }
        self.parts.push(Part { line, text: text.trim().to_owned(), kind: Kind::Line });
    }

    fn paragraph_line(&mut self, line: usize, text: &'a str, in_list: bool) {
        let begins_item = is_list_item(text);
        if text.trim().is_empty() || begins_item || text.starts_with(['#', '|']) {
            self.end_paragraph();
        }
        if text.trim().is_empty() {
            self.state = State::Blank { in_list };
            return;
        }
        self.paragraph.push((line, text));
        // A paragraph that is not indented ends the list before it.
        let in_list = begins_item
            || in_list && (text.starts_with(' ') || matches!(self.state, State::Paragraph { .. }));
        self.state = State::Paragraph { in_list };
        if text.starts_with(['#', '|']) {
            self.end_paragraph();
            self.state = State::Blank { in_list: false };
        }
    }

    fn end_paragraph(&mut self) {
        let lines = std::mem::take(&mut self.paragraph);
        let Some(&(first, start)) = lines.first() else { return };
        let mut text = lines.iter().map(|(_, text)| text.trim()).collect::<Vec<_>>().join("\n");
        if start.starts_with('|') {
            text = text.replace("\\|", "|");
        }
        let mut rest = text.as_str();
        let line_of = |rest: &str| {
            let passed = &text[..text.len() - rest.len()];
            first + passed.matches('\n').count()
        };
        while let Some(open) = rest.find('`') {
            let ticks: String = rest[open..].chars().take_while(|letter| *letter == '`').collect();
            let inside = &rest[open + ticks.len()..];
            let Some(end) = inside.find(&ticks) else { break };
            self.parts.push(Part { line: line_of(rest), text: rest[..open].to_owned(), kind: Kind::Prose });
            let span = inside[..end].replace('\n', " ").trim().to_owned();
            self.parts.push(Part { line: line_of(inside), text: span, kind: Kind::Span });
            rest = &inside[end + ticks.len()..];
        }
        self.parts.push(Part { line: line_of(rest), text: rest.to_owned(), kind: Kind::Prose });
    }
}

/// Whether a line behind an empty one is code. Within a list, less indentation is a paragraph of an item.
fn is_code(text: &str, in_list: bool) -> bool {
    text.starts_with(if in_list { "      " } else { "    " }) && !text.trim().is_empty()
}

fn is_list_item(text: &str) -> bool {
    let text = text.trim_start();
    let number = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.starts_with("* ") || text.starts_with("- ") || number.len() < text.len() && number.starts_with(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(page: &str) -> Vec<(usize, Kind, String)> {
        let parts = parts((1..).zip(page.lines()), Unnamed::Text);
        let code = parts.into_iter().filter(|part| part.kind != Kind::Prose);
        code.map(|part| (part.line, part.kind, part.text)).collect()
    }

    fn one(line: usize, kind: Kind, text: &str) -> (usize, Kind, String) {
        (line, kind, text.to_owned())
    }

    #[test]
    fn code_in_backticks_is_found_across_lines_and_in_tables() {
        let page = "Say `a\nb` and ``c`d``.\n\n| `e\\|f` | `g` |\n| `h` |\n* `i`\n* j\n  `k`";
        let spans = [(1, "a b"), (2, "c`d"), (4, "e|f"), (4, "g"), (5, "h"), (6, "i"), (8, "k")];
        assert_eq!(code(page), spans.map(|(line, text)| one(line, Kind::Span, text)));
    }

    #[test]
    fn blocks_are_lines_of_code_and_a_backslash_joins_them() {
        let page = "Text\n\n    a \\\n      b\n    c\n\nText\n\n```sh\nd\n```\n```rust\ne\n```\n```toml\nf = 1\n```\n";
        let lines = [
            (3, Kind::Line, "a b"),
            (5, Kind::Line, "c"),
            (10, Kind::Line, "d"),
            (16, Kind::Toml, "f = 1\n"),
        ];
        assert_eq!(code(page), lines.map(|(line, kind, text)| one(line, kind, text)));
    }

    #[test]
    fn what_is_indented_within_an_item_is_code_only_with_more_than_the_item_has() {
        let page = "1. Do\n\n   that `a`:\n\n       b\n\nThen\n\n    c\n";
        assert_eq!(code(page), [one(3, Kind::Span, "a"), one(5, Kind::Line, "b"), one(9, Kind::Line, "c")]);
    }

    #[test]
    fn an_unnamed_fence_in_a_documentation_comment_is_rust() {
        let comment = ["```", "let a = \"cellar types\";", "```", "`b`"];
        let parts = parts((1..).zip(comment), Unnamed::Rust);
        let spans: Vec<&str> =
            parts.iter().filter(|part| part.kind != Kind::Prose).map(|part| &*part.text).collect();
        assert_eq!(spans, ["b"]);
    }
}
