//! Text that people type or paste: white space, line breaks and invisible characters are ignored.

use std::borrow::Cow;
use std::io::{self, BufRead};

use zeroize::Zeroizing;

/// White space of any kind, and invisible characters that copying puts into a text.
fn is_blank(character: char) -> bool {
    let unseen = matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    character.is_whitespace() || unseen
}

/// A name or an address, without blanks around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// A code that may have been broken into lines or groups: without blanks, quotes and characters that only look like a
/// dash.
pub fn code(text: &str) -> Zeroizing<String> {
    let kept =
        text.chars().filter(|character| !is_blank(*character) && !matches!(character, '"' | '\'' | '`'));
    Zeroizing::new(kept.map(|character| if is_dash(character) { '-' } else { character }).collect())
}

fn is_dash(character: char) -> bool {
    matches!(character, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}')
}

/// The digits of a number, however they are grouped.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `HOST:PORT`; an IPv6 address is in brackets.
pub fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = trimmed(text).rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// A name quoted so that a shell reads it as one word.
pub fn quoted(name: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/' | '@');
    match !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("'{}'", name.replace('\'', r"'\''"))),
    }
}

/// Reads words until there are `count`, or the input ends: on one line or many, in any case, numbered or not. Returns
/// them in lower case, separated by single spaces.
///
/// # Errors
/// The error of the operating system.
pub fn read_words(reader: &mut impl BufRead, count: usize) -> io::Result<Zeroizing<String>> {
    let (mut words, mut found) = (Zeroizing::new(String::with_capacity(count * 16)), 0);
    while found < count {
        let mut line = Zeroizing::new(String::new());
        if reader.read_line(&mut line)? == 0 {
            break;
        }
        // Numbers, dots and commas between words belong to the paper, not to the phrase.
        let unseen = |character: &char| !is_blank(*character) || character.is_whitespace();
        let seen: Zeroizing<String> = Zeroizing::new(line.chars().filter(unseen).collect());
        for word in seen.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty()) {
            if found > 0 {
                words.push(' ');
            }
            words.push_str(&Zeroizing::new(word.to_lowercase()));
            found += 1;
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLANKS: &str = "[ \t\r\n\u{a0}\u{200b}\u{feff}\u{3000}\u{ad}]{0,3}";

    proptest! {
        #[test]
        fn a_code_is_the_same_however_it_was_broken_and_quoted(
            parts in proptest::collection::vec("[A-Z0-9:-]{1,8}", 1..8),
            blanks in proptest::collection::vec(BLANKS, 9),
            quote in "[\"'`]?",
        ) {
            let mut text = format!("{quote}{}", blanks[8]);
            for (part, blank) in parts.iter().zip(&blanks) {
                text.push_str(part);
                text.push_str(blank);
            }
            text.push_str(&quote);
            let read = code(&text);
            prop_assert_eq!(read.as_str(), parts.concat());
        }

        #[test]
        fn words_are_read_in_any_form_of_the_paper(
            words in proptest::collection::vec("[a-z]{3,8}", 24),
            blanks in proptest::collection::vec("( |\n|\t|\r\n|, |  \n\n|\u{a0})", 24),
            upper in any::<bool>(), numbered in any::<bool>(),
        ) {
            let mut text = String::new();
            for (at, (word, blank)) in words.iter().zip(&blanks).enumerate() {
                if numbered {
                    text.push_str(&format!("{:2}. ", at + 1));
                }
                text.push_str(&if upper { word.to_uppercase() } else { word.clone() });
                text.push_str(blank);
            }
            let read = read_words(&mut text.as_bytes(), 24).expect("read");
            prop_assert_eq!(read.as_str(), words.join(" "));
        }

        #[test]
        fn a_name_keeps_what_is_within(name in "[a-zü][a-zü ]{0,10}[a-zü]", before in BLANKS, after in BLANKS) {
            let text = format!("{before}{name}{after}");
            prop_assert_eq!(trimmed(&text), name.as_str());
        }
    }

    #[test]
    fn reading_words_stops_at_the_last_and_at_the_end() {
        let mut lines = "one two\nthree\nfour\n".as_bytes();
        assert_eq!(read_words(&mut lines, 3).expect("read").as_str(), "one two three");
        assert_eq!(read_words(&mut lines, 3).expect("read").as_str(), "four");
    }

    #[test]
    fn a_name_with_blanks_or_quotes_is_one_word_of_a_shell() {
        assert_eq!(quoted("Ada-1.b"), "Ada-1.b");
        assert_eq!(quoted("Ada B"), "'Ada B'");
        assert_eq!(quoted("O'B"), r"'O'\''B'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn addresses_are_a_host_and_a_port() {
        assert_eq!(address(" host.example:8443\n"), Some(("host.example".to_owned(), 8443)));
        assert_eq!(address("[::1]:8443"), Some(("::1".to_owned(), 8443)));
        for bad in ["", "host", ":8443", "host:", "host:0", "host:99999", "host:x"] {
            assert_eq!(address(bad), None, "{bad}");
        }
        assert_eq!(digits(" 482 913\n"), "482913");
        assert_eq!(code("7K3M\u{2013}9XYZ \n").as_str(), "7K3M-9XYZ");
    }
}
