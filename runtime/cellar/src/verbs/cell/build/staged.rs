//! The sources of a cell as its tool sees them: a copy in the folder of results, without what is no source, so that
//! what is built has no path of this machine in it and links are followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime_program::Failure;

use super::Embedded;

/// Folders that have no sources, beside those whose names begin with a point.
const LEFT_OUT: [&str; 5] = [super::RESULTS, "node_modules", "target", "tests", "__pycache__"];
/// How deep folders may lie in each other: a link to a folder above it never ends.
const DEPTH_MAX: u32 = 16;

/// Copies the sources, adds the module of the language if the folder has none, and writes the entry.
///
/// # Errors
/// A file cannot be read or written, or folders lie too deep in each other.
pub(super) fn stage(
    folder: &Path,
    results: &Path,
    module: Embedded,
    entry: (&str, &str),
) -> Result<PathBuf, Failure> {
    let staged = results.join("source");
    let staging = || -> io::Result<()> {
        if staged.exists() {
            fs::remove_dir_all(&staged)?;
        }
        copy(folder, &staged, DEPTH_MAX)?;
        let own = module.first().and_then(|(path, _)| Path::new(path).parent());
        if !own.is_some_and(|own| staged.join(own).is_dir()) {
            for (path, text) in module {
                let to = staged.join(path);
                fs::create_dir_all(to.parent().unwrap_or(&staged))?;
                fs::write(to, text)?;
            }
        }
        fs::write(staged.join(entry.0), entry.1)
    };
    staging().map_err(|error| {
        let what = format!("cannot copy the sources of {}: {error}", folder.display());
        Failure::new(what, "correct that file or folder, then build again")
    })?;
    Ok(staged)
}

fn copy(from: &Path, to: &Path, depth: u32) -> io::Result<()> {
    if depth == 0 {
        let why = format!("{} lies more than {DEPTH_MAX} folders deep", from.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let name = item?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with('.') || LEFT_OUT.contains(&text.as_ref()) {
            continue;
        }
        let (source, target) = (from.join(&name), to.join(&name));
        // Of what a link leads to.
        let kind = fs::metadata(&source)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", source.display())))?;
        if kind.is_dir() && !source.join("pyvenv.cfg").exists() {
            copy(&source, &target, depth - 1)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MODULE: Embedded = &[("module/a.py", "embedded"), ("module/b.py", "too")];

    fn write(folder: &Path, path: &str, text: &str) {
        let to = folder.join(path);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::write(to, text).expect("written");
    }

    #[test]
    fn sources_are_staged_with_what_links_lead_to_and_without_what_is_no_source() {
        let home = tempfile::tempdir().expect("a folder");
        let (cell, results) = (home.path().join("cell"), home.path().join("cell/build"));
        for path in [
            "app.py",
            "more/b.py",
            ".venv/x",
            "build/old",
            "node_modules/x/y",
            "tests/t.py",
            "env/pyvenv.cfg",
        ] {
            write(&cell, path, path);
        }
        write(home.path(), "shared/s.py", "shared");
        symlink(home.path().join("shared"), cell.join("linked")).expect("linked");
        write(&results, "source/stale.py", "of the last build");
        let staged = stage(&cell, &results, MODULE, ("entry.py", "entry")).expect("staged");
        let text = |path: &str| fs::read_to_string(staged.join(path)).ok();
        assert_eq!(text("linked/s.py").as_deref(), Some("shared"));
        assert_eq!(text("more/b.py").as_deref(), Some("more/b.py"));
        assert_eq!(
            (text("module/a.py").as_deref(), text("entry.py").as_deref()),
            (Some("embedded"), Some("entry"))
        );
        for absent in [".venv", "build", "node_modules", "tests", "stale.py", "env"] {
            assert!(!staged.join(absent).exists(), "{absent}");
        }
        // A folder with a module of its own keeps it, whole.
        write(&cell, "module/a.py", "own");
        let staged = stage(&cell, &results, MODULE, ("entry.py", "entry")).expect("staged");
        assert_eq!(fs::read_to_string(staged.join("module/a.py")).expect("there"), "own");
        assert!(!staged.join("module/b.py").exists());
    }

    #[test]
    fn a_link_to_a_folder_above_ends_in_words() {
        let home = tempfile::tempdir().expect("a folder");
        symlink(home.path(), home.path().join("again")).expect("linked");
        let failed = stage(home.path(), &home.path().join("build"), MODULE, ("e", "")).expect_err("endless");
        assert!(failed.what.contains("more than 16 folders deep"), "{failed}");
    }
}
