//! Whether bytes that arrive in pieces are UTF-8.

/// Checks pieces that may be cut within a character.
#[derive(Default)]
pub(super) struct Utf8 {
    /// Number of bytes before the pending ones.
    checked: u64,
    /// The first bytes of a character whose rest has not arrived, and how many there are.
    pending: [u8; 4],
    pending_bytes: usize,
}

impl Utf8 {
    /// Checks the next piece; the error is the offset of the first byte that belongs to no character.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), u64> {
        let mut rest = piece;
        while self.pending_bytes > 0 && !rest.is_empty() {
            self.pending[self.pending_bytes] = rest[0];
            self.pending_bytes += 1;
            rest = &rest[1..];
            match std::str::from_utf8(&self.pending[..self.pending_bytes]) {
                Ok(_) => {
                    self.checked += self.pending_bytes as u64;
                    self.pending_bytes = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(self.checked),
            }
        }
        if let Err(error) = std::str::from_utf8(rest) {
            let sound = error.valid_up_to();
            if error.error_len().is_some() {
                return Err(self.checked + sound as u64);
            }
            let half = &rest[sound..];
            self.pending[..half.len()].copy_from_slice(half);
            self.pending_bytes = half.len();
            self.checked += sound as u64;
        } else {
            self.checked += rest.len() as u64;
        }
        Ok(())
    }

    /// Ends the text: an error where it ends within a character.
    pub(super) fn finish(&self) -> Result<(), u64> {
        if self.pending_bytes == 0 { Ok(()) } else { Err(self.checked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], piece_bytes: usize) -> Result<(), u64> {
        let mut utf8 = Utf8::default();
        bytes.chunks(piece_bytes).try_for_each(|piece| utf8.feed(piece))?;
        utf8.finish()
    }

    proptest! {
        #[test]
        fn it_says_what_the_standard_library_says_of_the_whole(
            text in "[a-zü€😀]{0,12}", odd in any::<u8>(), at in 0_usize..40, piece_bytes in 1_usize..9,
        ) {
            let mut bytes = text.into_bytes();
            if at < bytes.len() {
                bytes[at] = odd;
            }
            let want = std::str::from_utf8(&bytes).map(drop).map_err(|error| error.valid_up_to() as u64);
            prop_assert_eq!(check(&bytes, piece_bytes), want);
        }
    }
}
