//! Reads files that people name, plain or compressed with gzip.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// Reads a file; it is decompressed if it begins like gzip.
///
/// # Errors
/// The error of the operating system; `InvalidInput` and others of the decoder where the compressed bytes are damaged.
pub fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
        bytes = plain;
    }
    Ok(bytes)
}

/// Like [`read_bytes`], as text.
///
/// # Errors
/// As [`read_bytes`]; `InvalidData` where the file is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
