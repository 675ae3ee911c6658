//! Which calls of `cellar` a document shows, and which it hides where nobody can check them.

use crate::markdown::{Kind, Part, Unnamed, parts};
use crate::shell;

/// A call that a document shows, or a fault in how it shows one.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A command that somebody may type: argument lists, several where it has alternatives.
    Call(Vec<Vec<String>>),
    /// A verb in running text, such as `cellar user export`: it must exist, and may lack its arguments.
    Verb(Vec<Vec<String>>),
    /// What looks like a call and cannot be read.
    Fault(String),
}

/// What `part` shows.
pub fn found_in(part: &Part) -> Vec<Found> {
    match part.kind {
        Kind::Span => of_span(&part.text),
        Kind::Line => of_line(&part.text),
        Kind::Toml => part
            .text
            .lines()
            .filter_map(|line| line.split_once('#'))
            .flat_map(|(_, text)| of_text(text))
            .collect(),
        Kind::Prose => part.text.lines().filter(|line| mentions_call(line)).map(of_printed).collect(),
    }
}

/// Running text, which may have code in backticks.
fn of_text(text: &str) -> Vec<Found> {
    parts([(0, text.trim_start())], Unnamed::Text).iter().flat_map(found_in).collect()
}

fn of_span(text: &str) -> Vec<Found> {
    // `cellar …` stands for any call.
    if !mentions_call(text) || text == "cellar …" {
        return Vec::new();
    }
    let lists = match read(text) {
        Ok(lists) => lists,
        Err(fault) => return vec![fault],
    };
    let is_of_a_verb =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'|'));
    let is_verb_alone =
        |rest: &str| rest.split_whitespace().all(|word| is_of_a_verb(word) && !word.starts_with('-'));
    let shows_verb = text.strip_prefix("cellar ").is_some_and(is_verb_alone);
    vec![if shows_verb { Found::Verb(lists) } else { Found::Call(lists) }]
}

/// A line that somebody types, or that a program prints.
fn of_line(line: &str) -> Vec<Found> {
    let (code, comment) = split_comment(line.strip_prefix("$ ").unwrap_or(line));
    let mut found = of_text(comment);
    if !mentions_call(code) {
        return found;
    }
    if is_command(code) {
        found.push(read(code).map_or_else(|fault| fault, Found::Call));
    } else {
        found.extend(of_text(code));
    }
    found
}

/// A call outside backticks: it ends the line and stands behind a colon, or nobody could tell where it ends.
fn of_printed(line: &str) -> Found {
    match line.rfind(": cellar ") {
        Some(at) => read(&line[at + 2..]).map_or_else(|fault| fault, Found::Call),
        None => Found::Fault("a call outside backticks".to_owned()),
    }
}

fn read(code: &str) -> Result<Vec<Vec<String>>, Found> {
    match shell::calls(code) {
        Ok(lists) if lists.is_empty() => {
            Err(Found::Fault("`cellar` does not begin a command there".to_owned()))
        }
        Ok(lists) => Ok(lists),
        Err(why) => Err(Found::Fault(why)),
    }
}

/// Whether a shell would find a call of `cellar` in the line.
fn is_command(code: &str) -> bool {
    let mut words = code
        .split_whitespace()
        .skip_while(|word| word.contains('=') && word.starts_with(|first: char| first.is_ascii_uppercase()));
    words.next().is_some_and(shell::is_cellar)
        || ["| cellar ", "&& cellar ", "; cellar ", "$(cellar "].iter().any(|call| code.contains(call))
}

/// A line and the comment behind it.
fn split_comment(line: &str) -> (&str, &str) {
    let begins = |at: &usize| {
        let before = &line[..*at];
        (before.is_empty() || before.ends_with(' ')) && before.matches('\'').count().is_multiple_of(2)
    };
    let at = line.match_indices('#').map(|(at, _)| at).find(begins);
    at.map_or((line, ""), |at| (&line[..at], &line[at + 1..]))
}

/// Whether the text has `cellar` with something behind it that a call would have: a verb or an option.
fn mentions_call(text: &str) -> bool {
    text.match_indices("cellar").any(|(at, name)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        let last = before.chars().next_back();
        let is_word = last.is_none_or(|letter| letter.is_whitespace() || "(\"'=`".contains(letter))
            || before.ends_with("bin/");
        let argument = behind.trim_start();
        let is_argument = argument.starts_with(|first: char| first.is_ascii_lowercase())
            || argument.starts_with(['…', '['])
            || argument.starts_with("--");
        is_word && argument.len() < behind.len() && is_argument
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: Kind, text: &str) -> Vec<Found> {
        found_in(&Part { line: 1, text: text.to_owned(), kind })
    }

    fn lists(calls: &[&str]) -> Vec<Vec<String>> {
        calls.iter().map(|call| call.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_verb_may_be_named_alone_in_running_text_and_nowhere_else() {
        assert_eq!(found(Kind::Span, "cellar user export"), [Found::Verb(lists(&["user export"]))]);
        assert_eq!(found(Kind::Span, "cellar pair --cancel"), [Found::Call(lists(&["pair --cancel"]))]);
        assert_eq!(found(Kind::Line, "cellar user export"), [Found::Call(lists(&["user export"]))]);
        for text in ["cellar", "cellar.toml", "runtime-cellar", "cellar …", "a cellar"] {
            assert_eq!(found(Kind::Span, text), [], "{text}");
        }
    }

    #[test]
    fn a_line_may_be_typed_or_printed() {
        assert_eq!(
            found(Kind::Line, "$ cellar types # `cellar demo`"),
            [Found::Verb(lists(&["demo"])), Found::Call(lists(&["types"]))]
        );
        assert_eq!(
            found(Kind::Line, "It's done. Pair it: cellar pair NAME"),
            [Found::Call(lists(&["pair anna"]))]
        );
        assert_eq!(found(Kind::Line, "Next: `cellar demo`, it's short"), [Found::Verb(lists(&["demo"]))]);
        assert_eq!(found(Kind::Line, "install -o cellar -g cellar /var/lib/cellar"), []);
    }

    #[test]
    fn a_call_that_nobody_could_check_is_a_fault() {
        for (kind, text) in [
            (Kind::Prose, "then cellar serve runs"),
            (Kind::Prose, "and cellar --json types"),
            (Kind::Line, "then cellar serve runs"),
            (Kind::Line, "cellar serve 'a"),
            (Kind::Span, "sudo cellar serve"),
            (Kind::Span, "cellar user show …"),
        ] {
            assert!(matches!(found(kind, text)[..], [Found::Fault(_)]), "{text}");
        }
    }
}
