//! The header of a PMTiles file, version 3: <https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md>.

/// How long it is.
pub(crate) const HEADER_BYTES: usize = 127;
/// How a file begins.
const MAGIC: &[u8] = b"PMTiles";
/// The version that is read.
const VERSION: u8 = 3;
/// The root directory lies within the first bytes of the file, which a reader asks for at once.
const ROOT_END_MAX: u64 = 16 * 1024;
/// The deepest zoom that a tile may have.
const ZOOM_MAX: u8 = 30;

/// Where the header has its parts: root directory, metadata, leaf directories, tiles; an offset and a length each.
const SECTIONS: [(usize, &str); 4] =
    [(8, "its root directory"), (24, "its metadata"), (40, "its leaf directories"), (56, "its tiles")];
const INTERNAL_COMPRESSION: usize = 97;
const TILE_COMPRESSION: usize = 98;
const TILE_TYPE: usize = 99;
const ZOOMS: usize = 100;

/// Why a file is no map for the page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHeader {
    /// Too short, or another kind of file.
    #[error("it is not a PMTiles file: it does not begin with the header of one")]
    Other,
    /// An older or a newer form.
    #[error("it is a PMTiles file of version {0}, and version 3 is read")]
    Version(u8),
    /// A section ends behind the end of the file, or the root directory lies too far behind.
    #[error("{part} would end at byte {end}, and {end_max} is the most: the file was cut, or is damaged")]
    Outside {
        /// The section.
        part: &'static str,
        /// Where it would end.
        end: u64,
        /// Where it may end.
        end_max: u64,
    },
    /// A browser cannot unpack it.
    #[error("it is packed in a way that browsers do not know (number {0}): gzip or none is needed")]
    Compression(u8),
    /// The page cannot draw its tiles.
    #[error(
        "its tiles are of kind {0}, and the page draws kinds 1 to 5: vector tiles, PNG, JPEG, WebP, AVIF"
    )]
    Tiles(u8),
    /// No such zooms.
    #[error("its tiles would reach from zoom {least} to zoom {most}")]
    Zooms {
        /// The least zoom.
        least: u8,
        /// The deepest one.
        most: u8,
    },
}

/// Checks the first bytes of a file of that many bytes.
pub(crate) fn check(header: &[u8; HEADER_BYTES], bytes: u64) -> Result<(), BadHeader> {
    let rest = header.strip_prefix(MAGIC).ok_or(BadHeader::Other)?;
    if rest[0] != VERSION {
        return Err(BadHeader::Version(rest[0]));
    }
    for (at, part) in SECTIONS {
        let end = number(header, at).saturating_add(number(header, at + 8));
        let end_max = if part == SECTIONS[0].1 { bytes.min(ROOT_END_MAX) } else { bytes };
        if end > end_max {
            return Err(BadHeader::Outside { part, end, end_max });
        }
    }
    // 1: none, 2: gzip.
    for packed in [header[INTERNAL_COMPRESSION], header[TILE_COMPRESSION]] {
        if !(1..=2).contains(&packed) {
            return Err(BadHeader::Compression(packed));
        }
    }
    let [least, most] = [header[ZOOMS], header[ZOOMS + 1]];
    match header[TILE_TYPE] {
        1..=5 if least <= most && most <= ZOOM_MAX => Ok(()),
        1..=5 => Err(BadHeader::Zooms { least, most }),
        kind => Err(BadHeader::Tiles(kind)),
    }
}

fn number(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The header of a small file: a root directory of 5 bytes, metadata of 2, tiles of 10.
    pub(crate) fn sample() -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..7].copy_from_slice(MAGIC);
        header[7] = VERSION;
        for (at, number) in [(8, 127_u64), (16, 5), (24, 132), (32, 2), (40, 134), (56, 134), (64, 10)] {
            header[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        header[INTERNAL_COMPRESSION..=TILE_TYPE].copy_from_slice(&[1, 2, 1]);
        header[ZOOMS + 1] = 14;
        header
    }

    /// Its length.
    pub(crate) const SAMPLE_BYTES: u64 = 144;

    #[test]
    fn a_header_says_what_is_wrong_with_a_file() {
        assert_eq!(check(&sample(), SAMPLE_BYTES), Ok(()));
        let with = |at: usize, byte: u8| {
            let mut header = sample();
            header[at] = byte;
            check(&header, SAMPLE_BYTES)
        };
        assert_eq!(with(0, b'p'), Err(BadHeader::Other));
        assert_eq!(with(7, 2), Err(BadHeader::Version(2)));
        assert_eq!(with(97, 3), Err(BadHeader::Compression(3)));
        assert_eq!(with(98, 0), Err(BadHeader::Compression(0)));
        assert_eq!(with(99, 0), Err(BadHeader::Tiles(0)));
        assert_eq!(with(99, 6), Err(BadHeader::Tiles(6)));
        assert_eq!(with(100, 15), Err(BadHeader::Zooms { least: 15, most: 14 }));
        assert_eq!(with(101, 31), Err(BadHeader::Zooms { least: 0, most: 31 }));
        let cut = BadHeader::Outside { part: "its tiles", end: 144, end_max: 143 };
        assert_eq!(check(&sample(), SAMPLE_BYTES - 1), Err(cut));
        let mut far = sample();
        far[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(check(&far, u64::MAX), Err(BadHeader::Outside { part: "its root directory", .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_stop_the_check(bytes in proptest::collection::vec(any::<u8>(), HEADER_BYTES), size: u64) {
            let mut header = sample();
            let _ = check(&<[u8; HEADER_BYTES]>::try_from(bytes.as_slice()).expect("as many"), size);
            header[8..].copy_from_slice(&bytes[8..]);
            let _ = check(&header, size);
        }
    }
}
