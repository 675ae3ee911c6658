//! A line of a shell, as documents write it, becomes the argument lists that `cellar` would get.
//!
//! * What counts: `cellar` at the start of a command, after `|`, `&&`, `||`, `;` or within `$(…)`; `NAME=value` may stand
//!   before it, and a path before its name.
//! * Words in capitals are placeholders and get a plausible value. `a|b` without spaces are alternatives, `[…]` is optional,
//!   `KEY…` may be repeated. Words in quotes are taken as they are.
//! * Nothing is skipped in silence: what cannot be read is an error.

/// What placeholders stand for. Where one is missing here, the line that uses it is reported.
const PLACEHOLDERS: [(&str, &str); 26] = [
    ("ADDR", "127.0.0.1:8443"),
    ("CELL", "trip-segmentation"),
    ("CODE", "7K3M-AAAA-BBBB-CCCC-DDDD"),
    ("COUNT", "3"),
    ("DEVICE", "tablet"),
    ("DIGITS", "123456"),
    ("DIR", "folder"),
    ("FIELD", "metadata.write_ts"),
    ("FILE", "file.json"),
    ("FORMAT", "json"),
    ("HOST:PORT", "host.example:8443"),
    ("ID", "9db1675c-ff54-0eee-b1f8-581151615136"),
    ("KEY", "background/location"),
    ("MINUTES", "5"),
    ("MODE", "lease"),
    ("NAME", "anna"),
    ("OUTPUT", "result.json"),
    ("PERSON", "anna"),
    ("STATE", "phone.json"),
    ("STREAM", "background/location"),
    ("STRING", "cellar://example"),
    ("STUDY", "our-study"),
    ("T", "2024-03-05"),
    ("TEXT", "time zone"),
    ("TIME", "2024-03-05T08:00"),
    ("USER", "anna"),
];

/// A word of a command.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    /// Whether a part of it stood in quotes, so that nothing in it is special.
    quoted: bool,
}

/// The argument lists of every call of `cellar` in `code`, without its name: several for one call with alternatives or
/// optional parts.
///
/// # Errors
/// What in the line cannot be read.
pub fn calls(code: &str) -> Result<Vec<Vec<String>>, String> {
    let mut lists = Vec::new();
    for words in commands(code)? {
        let assigns = |word: &&Word| {
            !word.quoted && word.text.split_once('=').is_some_and(|(name, _)| is_variable(name))
        };
        let words = &words[words.iter().take_while(assigns).count()..];
        match words {
            [name, arguments @ ..] if is_cellar(&name.text) => lists.extend(expand(arguments)?),
            _ => {}
        }
    }
    Ok(lists)
}

/// Whether `word` calls the binary: `cellar` itself or a path to it.
pub fn is_cellar(word: &str) -> bool {
    word.rsplit('/').next() == Some("cellar")
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Splits `code` into commands, and these into words. What `$(…)` holds are further commands.
fn commands(code: &str) -> Result<Vec<Vec<Word>>, String> {
    let mut reader = Reader { rest: code, commands: Vec::new(), words: Vec::new(), word: None };
    while let Some(letter) = reader.rest.chars().next() {
        reader.rest = &reader.rest[letter.len_utf8()..];
        reader.take(letter)?;
    }
    reader.end_command();
    Ok(reader.commands)
}

struct Reader<'a> {
    /// What has not been read.
    rest: &'a str,
    commands: Vec<Vec<Word>>,
    /// Of the command that is being read.
    words: Vec<Word>,
    /// The word that is being read.
    word: Option<Word>,
}

impl Reader<'_> {
    fn take(&mut self, letter: char) -> Result<(), String> {
        match letter {
            ' ' | '\t' | '\n' => self.end_word(),
            '\'' => self.quoted('\'')?,
            '"' => self.quoted('"')?,
            '\\' => {
                let next = self.rest.chars().next().ok_or("it ends with a backslash")?;
                self.rest = &self.rest[next.len_utf8()..];
                self.push(&next.to_string());
            }
            '$' if self.rest.starts_with('(') => self.substitution()?,
            '`' => return Err("a backtick in a command: write $(…)".to_owned()),
            '#' if self.word.is_none() => self.rest = "",
            '|' if self.is_between_alternatives() => self.push("|"),
            '|' | '&' | ';' => self.end_command(),
            '{' => self.named_placeholder('}')?,
            '<' if self.rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
                self.named_placeholder('>')?
            }
            '<' | '>' => self.redirection(),
            other => self.push(other.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.word.get_or_insert_default().text.push_str(text);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    /// `a|b`, which a shell would take for a pipe; documents write pipes with spaces.
    fn is_between_alternatives(&self) -> bool {
        self.word.is_some() && self.rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-')
    }

    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let end = self.rest.find(quote).ok_or_else(|| format!("a {quote} that is not closed"))?;
        let (inside, behind) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = behind;
        let word = self.word.get_or_insert_default();
        word.text.push_str(inside);
        word.quoted = true;
        Ok(())
    }

    fn substitution(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        let end = self.rest.char_indices().find_map(|(at, letter)| {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(at)
        });
        let end = end.ok_or("a $( that is not closed")?;
        let inner = commands(&self.rest[1..end])?;
        self.rest = &self.rest[end + 1..];
        self.commands.extend(inner);
        let word = self.word.get_or_insert_default();
        word.text.push_str("value");
        word.quoted = true;
        Ok(())
    }

    /// `{name}` of a format string, or `<name>`: as the same word in capitals.
    fn named_placeholder(&mut self, close: char) -> Result<(), String> {
        let end = self.rest.find(close).ok_or_else(|| format!("a placeholder without its {close}"))?;
        let name = self.rest[..end].to_uppercase();
        self.rest = &self.rest[end + close.len_utf8()..];
        let is_numbered = name.bytes().all(|byte| byte.is_ascii_digit());
        self.push(if is_numbered { "NAME" } else { &name });
        Ok(())
    }

    /// Leaves out a redirection with its file and the number before it.
    fn redirection(&mut self) {
        if self.word.as_ref().is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        let file = self.rest.trim_start_matches(['>', '&', ' ']);
        self.rest = file.find(char::is_whitespace).map_or("", |end| &file[end..]);
    }
}

/// A place in a command: what may stand there, and in which optional part it is, if in one.
struct Slot {
    alternatives: Vec<String>,
    optional: Option<usize>,
}

/// Argument lists for `words`: without the optional parts, with all of them, with each alone; and with each alternative.
fn expand(words: &[Word]) -> Result<Vec<Vec<String>>, String> {
    let (slots, parts) = slots(words)?;
    let mut lists: Vec<Vec<String>> = Vec::new();
    let chosen: Vec<Box<dyn Fn(usize) -> bool>> =
        [Box::new(|_| false) as Box<dyn Fn(usize) -> bool>, Box::new(|_| true)]
            .into_iter()
            .chain((0..parts).map(|one| Box::new(move |part| part == one) as Box<dyn Fn(usize) -> bool>))
            .collect();
    for is_chosen in &chosen {
        let present: Vec<&Slot> = slots.iter().filter(|slot| slot.optional.is_none_or(is_chosen)).collect();
        let first = |slot: &&Slot| slot.alternatives[0].clone();
        for (at, slot) in present.iter().enumerate() {
            for alternative in &slot.alternatives {
                let mut list: Vec<String> = present.iter().map(first).collect();
                list[at].clone_from(alternative);
                lists.push(list);
            }
        }
        if present.is_empty() {
            lists.push(Vec::new());
        }
    }
    lists.sort();
    lists.dedup();
    Ok(lists)
}

/// What may stand where, and how many optional parts there are.
fn slots(words: &[Word]) -> Result<(Vec<Slot>, usize), String> {
    let (mut slots, mut parts, mut is_open) = (Vec::new(), 0, false);
    for word in words {
        if word.quoted {
            let optional = is_open.then(|| parts - 1);
            slots.push(Slot { alternatives: vec![word.text.clone()], optional });
            continue;
        }
        let mut text = word.text.as_str();
        if let Some(behind) = text.strip_prefix('[') {
            if is_open {
                return Err("an optional part within another".to_owned());
            }
            (text, is_open, parts) = (behind, true, parts + 1);
        }
        let closes = is_open && text.ends_with(']');
        text = if closes { &text[..text.len() - 1] } else { text };
        let optional = is_open.then(|| parts - 1);
        is_open &= !closes;
        slots.push(Slot { alternatives: text.split('|').map(value_of).collect::<Result<_, _>>()?, optional });
    }
    if is_open { Err("a [ that is not closed".to_owned()) } else { Ok((slots, parts)) }
}

/// A word as it would be typed.
fn value_of(word: &str) -> Result<String, String> {
    if let Some((option, value)) = word.split_once('=').filter(|(option, _)| option.starts_with("--")) {
        return Ok(format!("{option}={}", value_of(value)?));
    }
    let word = word.strip_suffix('…').or_else(|| word.strip_suffix("...")).unwrap_or(word);
    if word.is_empty() {
        return Err("it leaves out what follows: write the arguments, or name the verb alone".to_owned());
    }
    let is_placeholder = word.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b':' | b'_'));
    if !is_placeholder {
        return Ok(word.to_owned());
    }
    let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
    known
        .map(|(_, value)| (*value).to_owned())
        .ok_or_else(|| format!("{word} is no placeholder that shell.rs knows"))
}

#[cfg(test)]
mod tests {
    use super::calls;

    fn listed(code: &str) -> Vec<String> {
        calls(code).unwrap().into_iter().map(|list| list.join(" ")).collect()
    }

    #[test]
    fn a_call_is_found_wherever_a_command_may_begin() {
        assert_eq!(listed("cellar user list | head -1"), ["user list"]);
        assert_eq!(listed("cat words | /usr/local/bin/cellar user recover PERSON"), ["user recover anna"]);
        assert_eq!(listed("CELLAR_DATA=/x cellar types && cellar demo; echo cellar"), ["types", "demo"]);
        assert_eq!(listed("echo $(cellar user show 'A B' > log 2>&1)"), ["user show A B"]);
        assert_eq!(listed("cargo build -p runtime-cellar"), Vec::<String>::new());
    }

    #[test]
    fn comments_and_redirections_are_no_arguments() {
        assert_eq!(listed("cellar types   # cellar demo"), ["types"]);
        assert_eq!(listed("cellar types >types.txt 2> /dev/null"), ["types"]);
        assert_eq!(listed("cellar user recover anna < words.txt"), ["user recover anna"]);
    }

    #[test]
    fn each_alternative_and_each_optional_part_makes_a_list() {
        assert_eq!(
            listed("cellar device revoke|relabel PERSON DEVICE"),
            ["device relabel anna tablet", "device revoke anna tablet"]
        );
        assert_eq!(
            listed("cellar x [--a] [--from T]"),
            ["x", "x --a", "x --a --from 2024-03-05", "x --from 2024-03-05"]
        );
        assert_eq!(listed("cellar x [--keys KEY…]"), ["x", "x --keys background/location"]);
        assert_eq!(listed("cellar x --mode lease|unattended"), ["x --mode lease", "x --mode unattended"]);
    }

    #[test]
    fn placeholders_get_values_and_quoted_words_stay() {
        assert_eq!(
            listed("cellar x {user} <name> {0} {} --o=FILE --host HOST:PORT"),
            ["x anna anna anna anna --o=file.json --host host.example:8443"]
        );
        assert_eq!(listed("cellar x 'UPC1:AEAP…' \"NAME\""), ["x UPC1:AEAP… NAME"]);
        assert_eq!(listed("cellar x AFFW-8018"), ["x AFFW-8018"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for code in [
            "cellar x …",
            "cellar x 'a",
            "cellar x $(a",
            "cellar x [--a",
            "cellar x ODD",
            "cellar x `a`",
            "cellar x \\",
        ] {
            assert!(calls(code).is_err(), "{code}");
        }
    }
}
