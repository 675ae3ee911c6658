//! The map file, and answers with parts of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::header::{BadHeader, HEADER_BYTES, check};
use crate::range::{self, BadRange};

/// Where the page asks for it.
pub const MAP_PATH: &str = "/map.pmtiles";
/// Parts that are read at one moment; others wait.
pub const MAP_READS_MAX: usize = 4;

/// A PMTiles file, open for as long as this value lives: another file that is put in its place is not looked at.
#[derive(Debug)]
pub struct MapFile {
    file: Arc<File>,
    bytes: u64,
    tag: HeaderValue,
    reads: Semaphore,
}

/// Why a file is not served as a map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapFileError {
    /// It cannot be read.
    #[error("cannot read the map {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("the map {} is no file", .0.display())]
    NoFile(PathBuf),
    /// Not a map that the page can show.
    #[error("the map {} cannot be shown: {why}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: BadHeader,
    },
}

impl MapFile {
    /// Opens a file and checks that the page can show it.
    ///
    /// # Errors
    /// [`MapFileError`] with the file.
    pub fn open(path: &Path) -> Result<Self, MapFileError> {
        let read = |source| MapFileError::Read { path: path.to_owned(), source };
        // Asked before it is opened: opening a pipe waits for who writes to it.
        if !path.metadata().map_err(read)?.is_file() {
            return Err(MapFileError::NoFile(path.to_owned()));
        }
        let file = File::open(path).map_err(read)?;
        let known = file.metadata().map_err(read)?;
        let bytes = known.len();
        let bad = |why| MapFileError::Bad { path: path.to_owned(), why };
        let mut header = [0; HEADER_BYTES];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(bad(BadHeader::Other)),
            Err(error) => Err(read(error)),
            Ok(()) => check(&header, bytes).map_err(bad),
        }?;
        let changed = known.modified().ok().and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
        let tag = format!("\"{bytes:x}-{:x}\"", changed.unwrap_or_default().as_nanos());
        let tag = HeaderValue::from_str(&tag).expect("digits and a hyphen in quotes are a header");
        Ok(Self { file: Arc::new(file), bytes, tag, reads: Semaphore::new(MAP_READS_MAX) })
    }

    /// The answer to a request with these headers by somebody who may ask: a part of the file, or JSON with `error`.
    pub async fn answer(&self, asked: &HeaderMap) -> Response<Bytes> {
        let part = match range::asked(asked, self.bytes) {
            Ok(part) => part,
            Err(bad) => return self.refused(bad),
        };
        match self.read(part.clone()).await {
            Ok(bytes) => self.part(&part, bytes),
            Err(_) => said(
                StatusCode::SERVICE_UNAVAILABLE,
                "map-changed",
                "the map file was cut or cannot be read: start the host again, or open the page again",
            ),
        }
    }

    async fn read(&self, part: Range<u64>) -> io::Result<Bytes> {
        let _turn = self.reads.acquire().await.map_err(io::Error::other)?;
        let file = Arc::clone(&self.file);
        let read = move || {
            // At most `MAP_RANGE_BYTES_MAX`.
            let mut bytes = vec![0; usize::try_from(part.end - part.start).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, part.start)?;
            Ok(Bytes::from(bytes))
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }

    fn part(&self, part: &Range<u64>, bytes: Bytes) -> Response<Bytes> {
        let mut answer = Response::new(bytes);
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::ETAG, self.tag.clone());
        let place = format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), self.bytes);
        protect(headers, &place);
        answer
    }

    fn refused(&self, bad: BadRange) -> Response<Bytes> {
        let mut answer = said(StatusCode::RANGE_NOT_SATISFIABLE, "bad-range", &bad.to_string());
        protect(answer.headers_mut(), &format!("bytes */{}", self.bytes));
        answer
    }
}

/// Which parts a browser has asked for says where its owner looked: it keeps none of them.
fn protect(headers: &mut HeaderMap, place: &str) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(place) = HeaderValue::from_str(place) {
        headers.insert(header::CONTENT_RANGE, place);
    }
}

fn said(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    let body = json!({ "error": { "code": code, "message": message } }).to_string();
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::header::tests::{SAMPLE_BYTES, sample};

    fn written(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join("town.pmtiles");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn map() -> Vec<u8> {
        let mut bytes = sample().to_vec();
        bytes.resize(usize::try_from(SAMPLE_BYTES).expect("small"), 7);
        bytes
    }

    #[test]
    fn attack_171_what_is_no_map_is_refused_before_anything_is_served_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |bytes: &[u8]| {
            let error = MapFile::open(&written(&folder, bytes)).expect_err("no map").to_string();
            assert!(error.contains("town.pmtiles"), "{error}");
            error
        };
        let not = "it is not a PMTiles file";
        for bytes in [&b""[..], b"PMTiles", b"#!/bin/sh\n", &[0; 4096], b"-----BEGIN PRIVATE KEY-----"] {
            assert!(refused(bytes).contains(not));
        }
        assert!(refused(&map()[..140]).contains("the file was cut"));
        assert!(MapFile::open(&written(&folder, &map())).is_ok());
        let error = MapFile::open(folder.path()).expect_err("a folder").to_string();
        assert!(error.contains("is no file"), "{error}");
        let error = MapFile::open(&folder.path().join("none")).expect_err("nothing").to_string();
        assert!(error.contains("cannot read the map"), "{error}");
    }

    #[tokio::test]
    async fn a_part_is_sent_and_nothing_of_a_file_that_took_its_place_or_was_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(&folder, &map());
        let file = MapFile::open(&path).expect("a map");
        let of = |range: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            headers
        };
        let answer = file.answer(&of("bytes=0-6")).await;
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (206, &b"PMTiles"[..]));
        assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes 0-6/144");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let answer = file.answer(&of("bytes=200-300")).await;
        assert_eq!(answer.status().as_u16(), 416);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes */144");
        // Another file under the same name.
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "a secret that was put there later").expect("written");
        assert_eq!(&file.answer(&of("bytes=0-6")).await.body()[..], b"PMTiles");
        let cut = MapFile::open(&written(&folder, &map())).expect("a map");
        fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(3)).expect("cut");
        assert_eq!(cut.answer(&of("bytes=0-6")).await.status().as_u16(), 503);
    }
}
