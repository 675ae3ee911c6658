//! The archive of a person: a zip with everything that is stored, and with the diary in every form for other programs.
//!
//! | file | holds |
//! |---|---|
//! | `everything.json` | the export, which `cellar user import` reads; it reads the whole archive as well |
//! | `diary.geojson`, `diary.gpx`, `diary.kml`, `diary.csv` | the diary, as `cellar export` writes it |
//! | `sha256sums` | a digest of each of these, in the form of `sha256sum --check` |
//!
//! Memory: that of the largest trip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use ring::digest::{Context, SHA256};
use runtime_diary::{ExportError, Format};
use runtime_import::ARCHIVED;
use runtime_store::Snapshot;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::diary::Stored;
use super::{About, hex, write_all};

/// The forms of the diary, each with the name of its file.
const FORMS: [(Format, &str); 4] = [
    (Format::Geojson, "diary.geojson"),
    (Format::Gpx, "diary.gpx"),
    (Format::Kml, "diary.kml"),
    (Format::Csv, "diary.csv"),
];
const DIGESTS: &str = "sha256sums";

/// Writes the archive; gives the number of entries in the export, by area.
pub(super) fn write(file: &File, snapshot: Snapshot, about: &About<'_>) -> io::Result<BTreeMap<String, u64>> {
    let mut archive =
        Archive { zip: ZipWriter::new(BufWriter::with_capacity(1 << 20, file)), digests: String::new() };
    let counts = archive.add(ARCHIVED, |out| write_all(out, &snapshot, about))?;
    let mut diary = Stored::new(snapshot);
    for (format, name) in FORMS {
        archive.add(name, |out| {
            let written = runtime_diary::write(&mut diary, format, f64::NEG_INFINITY, f64::INFINITY, out);
            written.map(drop).map_err(|error| match error {
                ExportError::Write(error) => error,
                error => io::Error::other(error),
            })
        })?;
    }
    archive.end()?;
    file.sync_all()?;
    Ok(counts)
}

/// An archive that is being written.
struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    /// A line for each file.
    digests: String,
}

impl<W: Write + Seek> Archive<W> {
    /// Adds a file.
    fn add<T>(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Digested<'_, W>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.begin(name)?;
        let mut out = Digested { zip: &mut self.zip, digest: Context::new(&SHA256) };
        let filled = fill(&mut out)?;
        let digest = out.digest.finish();
        self.digests.push_str(&format!("{}  {name}\n", hex(digest.as_ref())));
        Ok(filled)
    }

    fn begin(&mut self, name: &str) -> io::Result<()> {
        // How large it gets is known only at its end.
        let options = SimpleFileOptions::default().large_file(true).unix_permissions(0o600);
        self.zip.start_file(name, options).map_err(io::Error::other)
    }

    fn end(mut self) -> io::Result<()> {
        self.begin(DIGESTS)?;
        self.zip.write_all(self.digests.as_bytes())?;
        let mut out = self.zip.finish().map_err(io::Error::other)?;
        out.flush()
    }
}

/// A file of an archive, of which a digest is made while it is written.
struct Digested<'z, W: Write + Seek> {
    zip: &'z mut ZipWriter<W>,
    digest: Context,
}

impl<W: Write + Seek> Write for Digested<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.zip.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}
