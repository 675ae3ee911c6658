//! What a cell in Python or JavaScript brings with it: the module of its language, and the contract. Their home is
//! `cells/python`, `cells/javascript` and `wit`; a cell's folder has copies, so that nothing must be published.

/// Files by their paths in a cell's folder.
pub(in super::super) type Embedded = &'static [(&'static str, &'static str)];

macro_rules! embedded {
    ($home:literal, $folder:literal, [$($file:literal),*]) => {
        &[$((
            concat!($folder, "/", $file),
            include_str!(concat!("../../../../../../cells/", $home, "/", $folder, "/", $file)),
        )),*]
    };
}

/// The contract that a cell is built for.
pub(in super::super) const CONTRACT: (&str, &str) =
    ("contract/cell.wit", include_str!("../../../../../../wit/0.2/cell.wit"));

pub(in super::super) const PYTHON_MODULE: Embedded = embedded!(
    "python",
    "cellar_cell",
    [
        "__init__.py",
        "cell.py",
        "dates.py",
        "entries.py",
        "guest.py",
        "interfaces.py",
        "testing.py",
        "wiring.py"
    ]
);

pub(in super::super) const JAVASCRIPT_MODULE: Embedded = embedded!(
    "javascript",
    "cellar-cell",
    [
        "cell.js",
        "dates.js",
        "entries.js",
        "guest.js",
        "index.js",
        "interfaces.js",
        "testing.js",
        "text.js",
        "wiring.js"
    ]
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_a_module_is_embedded() {
        let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cells");
        for (home, embedded) in [("python", PYTHON_MODULE), ("javascript", JAVASCRIPT_MODULE)] {
            let folder = embedded[0].0.split_once('/').expect("a folder").0;
            let files = fs::read_dir(cells.join(home).join(folder)).expect("a folder");
            let names: BTreeSet<String> = files
                .map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"))
                .filter(|name| !name.starts_with("__pycache__"))
                .map(|name| format!("{folder}/{name}"))
                .collect();
            assert_eq!(names, embedded.iter().map(|(path, _)| (*path).to_owned()).collect());
        }
    }
}
