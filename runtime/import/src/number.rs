//! Numbers as files write them.

/// A finite number of the forms `47.5`, `-1e-3`, ` 12 `; a comma for the point is for the caller.
pub fn plain(text: &str) -> Option<f64> {
    let text = text.trim();
    // The parser of std also reads `inf` and `nan`.
    let numeric =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| numeric && number.is_finite())
}

/// The numbers of a text such as `35.1°, 139.1°`, `geo:35.1,139.1` or `POINT(1 2)`, which has exactly two.
pub fn pair(text: &str) -> Option<[f64; 2]> {
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.');
    let mut numbers = text.split(|letter| !is_part(letter)).filter(|part| !part.is_empty());
    let pair = [plain(numbers.next()?)?, plain(numbers.next()?)?];
    numbers.next().is_none().then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_found_between_whatever_surrounds_it() {
        for text in ["35.1°, 139.25°", "geo:35.1,139.25", "35.1, 139.25", "LatLng(35.1 139.25)"] {
            assert_eq!(pair(text), Some([35.1, 139.25]), "{text}");
        }
        for text in ["", "35.1", "1,2,3", "geo:", "a,b", "1-2,3"] {
            assert_eq!(pair(text), None, "{text}");
        }
    }

    #[test]
    fn no_number_is_infinite_or_none() {
        assert_eq!(plain(" -1.5e2 "), Some(-150.0));
        for text in ["inf", "nan", "1e999", "", "0x1", "1,5"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
