//! Reads files that people name, plain or compressed with gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// How many times its own size a compressed file may expand to: entries expand ten to twenty times.
pub const EXPANSION_MAX: u64 = 100;
/// A compressed file may expand to this in any case, bytes.
const EXPANDED_BYTES_FREE: u64 = 1 << 20;
/// The most that a file may expand to, bytes.
pub const EXPANDED_BYTES_MAX: u64 = 8 << 30;

/// A file as a stream of its bytes, decompressed if it begins like gzip.
pub struct Input {
    source: Source,
    left: u64,
    of: u64,
}

enum Source {
    Plain(BufReader<File>),
    Packed(MultiGzDecoder<BufReader<File>>),
}

impl Input {
    /// Opens a file.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let of = file.metadata()?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            let left = of.saturating_mul(EXPANSION_MAX).clamp(EXPANDED_BYTES_FREE, EXPANDED_BYTES_MAX);
            return Ok(Self { source: Source::Packed(MultiGzDecoder::new(file)), left, of });
        }
        Ok(Self { source: Source::Plain(file), left: EXPANDED_BYTES_MAX, of })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::Plain(file) => file.read(buffer)?,
            Source::Packed(file) => file.read(buffer)?,
        };
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let message = format!(
                "its {} bytes expand to more than {EXPANSION_MAX} times as many, or to more than {EXPANDED_BYTES_MAX}",
                self.of
            );
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(read)
    }
}

/// Reads a file as text; it is decompressed if it begins like gzip.
///
/// # Errors
/// The error of the operating system; `InvalidInput` and others of the decoder where the compressed bytes are damaged;
/// `InvalidData` where the file is not UTF-8 or expands to too much.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    Input::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(plain: impl Read) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut { plain }, &mut encoder).expect("packed");
        encoder.finish().expect("packed")
    }

    #[test]
    fn a_file_is_read_plain_or_packed_and_one_that_expands_without_measure_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let text = "[1,2]".repeat(10_000);
        for bytes in [text.clone().into_bytes(), packed(text.as_bytes())] {
            File::create(&path).and_then(|mut file| file.write_all(&bytes)).expect("written");
            assert_eq!(read_text(&path).expect("read"), text);
        }
        let bomb = packed(io::repeat(b' ').take(64 << 20));
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        File::create(&path).and_then(|mut file| file.write_all(&bomb)).expect("written");
        let mut input = Input::open(&path).expect("opened");
        let read = io::copy(&mut input, &mut io::sink()).expect_err("refused");
        assert!(read.to_string().contains("more than 100 times"), "{read}");
    }
}
