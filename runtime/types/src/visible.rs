//! Texts by which an owner decides: what they show is all that they are.

/// Whether a text displays as what it is: without control characters, line separators, characters that change the
/// direction of writing, and invisible ones. A joiner counts as visible where it changes how the character before it is
/// displayed, as in emoji and in Persian.
pub fn is_visible(text: &str) -> bool {
    let mut before = None;
    !text.chars().any(|character| {
        let joins = before.replace(character).is_some_and(can_be_joined);
        misleads(character) && !(joins && is_joiner(character))
    })
}

/// Control characters, line separators, marks of direction, and what displays as nothing: `Default_Ignorable_Code_Point`
/// of Unicode 16, the blank braille pattern, and the annotation characters.
fn misleads(character: char) -> bool {
    let unseen = matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    unseen || character.is_control()
}

/// Characters that change how the one before them is displayed: emoji are composed with them, and Persian is written
/// with them.
fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether a joiner after this character may be visible. After a Latin letter it never is.
fn can_be_joined(character: char) -> bool {
    !misleads(character) && character >= '\u{600}' || character == '\u{fe0f}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_character_that_is_not_seen_is_not_visible() {
        for text in ["Modes by month", "", "Ιωάννης 📱", "👩\u{200d}💻 ❤\u{fe0f}", "می\u{200c}خواهم"]
        {
            assert!(is_visible(text), "{text:?}");
        }
        for text in ["a\u{202e}b", "a\nb", "a\u{200d}b", "\u{fe0f}phone", "a\u{e0041}"] {
            assert!(!is_visible(text), "{text:?}");
        }
    }
}
