//! What a reference names: a package in a registry, or in a folder.

use std::path::PathBuf;
use std::str::FromStr;

use oci_client::{ParseError, Reference};

/// What stands before the path of a folder.
const FOLDER: &str = "dir:";
/// The tag of a folder's package where none is named.
const LATEST: &str = "latest";
/// Longest tag, characters.
const TAG_CHARS_MAX: usize = 128;

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `HOST[:PORT]/NAME:TAG` or `HOST[:PORT]/NAME@sha256:DIGEST`.
    Registry(Reference),
    /// `dir:PATH[:TAG]`, or a path that begins with `/`, `./` or `../`.
    Folder(Folder),
}

/// A package in a folder that has the layout of an OCI image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The name of the package in it.
    pub tag: String,
}

/// Why a text names no place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadPlace {
    /// It does not say which registry; none is assumed.
    #[error(
        "a reference begins with the registry's host, such as registry.example.org/cells/modes:1, or with dir:"
    )]
    NoRegistry,
    /// It says neither a tag nor a digest; none is assumed.
    #[error("a reference ends with a tag, such as modes:1, or with a digest, such as modes@sha256:…")]
    NoTag,
    /// It has not the form of a reference.
    #[error("this is no reference to a package")]
    Form(#[from] ParseError),
    /// It names no folder.
    #[error("dir: is followed by the path of a folder")]
    NoFolder,
}

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if let Some(path) = text.strip_prefix(FOLDER) {
            return folder(path).map(Self::Folder);
        }
        if ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || [".", ".."].contains(&text) {
            return folder(text).map(Self::Folder);
        }
        let (host, rest) = text.split_once('/').ok_or(BadPlace::NoRegistry)?;
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err(BadPlace::NoRegistry);
        }
        if !rest.contains([':', '@']) {
            return Err(BadPlace::NoTag);
        }
        Ok(Self::Registry(text.parse()?))
    }
}

fn folder(text: &str) -> Result<Folder, BadPlace> {
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if is_tag(tag) => (path, tag),
        _ => (text, LATEST),
    };
    if path.is_empty() {
        return Err(BadPlace::NoFolder);
    }
    Ok(Folder { path: path.into(), tag: tag.to_owned() })
}

fn is_tag(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=TAG_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_word_or_by_a_path_with_or_without_a_tag() {
        for (text, path, tag) in [
            ("dir:cells", "cells", "latest"),
            ("dir:/srv/cells:modes-1", "/srv/cells", "modes-1"),
            ("./cells", "./cells", "latest"),
            ("../a:b", "../a", "b"),
            ("/srv/with:colon/cells", "/srv/with:colon/cells", "latest"),
            ("..", "..", "latest"),
        ] {
            let wanted = Folder { path: path.into(), tag: tag.to_owned() };
            assert_eq!(text.parse::<Place>().expect(text), Place::Folder(wanted), "{text}");
        }
        assert!(matches!("dir:".parse::<Place>(), Err(BadPlace::NoFolder)));
        assert!(matches!("dir::1".parse::<Place>(), Err(BadPlace::NoFolder)));
    }

    #[test]
    fn a_registry_and_a_tag_are_always_named_and_none_is_assumed() {
        let digest = "0".repeat(64);
        for text in ["registry.example.org/cells/modes:1", "localhost:5000/modes:1", "localhost/modes:1"] {
            let Ok(Place::Registry(reference)) = text.parse() else { panic!("{text}") };
            assert_eq!(
                (reference.tag(), reference.registry()),
                (Some("1"), text.split('/').next().expect("a host"))
            );
        }
        let text = format!("registry.example.org/modes@sha256:{digest}");
        assert!(matches!(text.parse(), Ok(Place::Registry(reference)) if reference.digest().is_some()));
        for text in ["modes:1", "cells/modes:1", "modes", ""] {
            assert!(matches!(text.parse::<Place>(), Err(BadPlace::NoRegistry)), "{text}");
        }
        assert!(matches!("localhost:5000/modes".parse::<Place>(), Err(BadPlace::NoTag)));
        for text in
            ["localhost:5000/MODES:1", "localhost:5000/a b:1", "localhost:5000/modes:", "a.b/../modes:1"]
        {
            assert!(matches!(text.parse::<Place>(), Err(BadPlace::Form(_))), "{text}");
        }
    }
}
