//! Pages of `docs/` and the tests that check their statements: neither may change without the other.

#[cfg(test)]
mod attacks;
pub(crate) mod differences;
#[cfg(test)]
mod example;
#[cfg(test)]
mod limits;
pub(crate) mod routes;
#[cfg(test)]
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// The root folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust source below one of `folders` of the repository, sorted by name: path from the root, and text.
pub(crate) fn sources(folders: &[&str]) -> Result<Vec<(PathBuf, String)>, Trouble> {
    let root = root();
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths)?;
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
        Ok((path.strip_prefix(&root).expect("it was found below the root").to_owned(), text))
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    for entry in fs::read_dir(folder).map_err(Trouble::file("read", folder))? {
        let path = entry.map_err(Trouble::file("read", folder))?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}
