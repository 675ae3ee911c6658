//! Packages of a cell from elsewhere, made by the binary.

use std::fs;
use std::path::Path;

use super::binary::{CELLAR, json as verb, within};
use super::browser::target;

/// Whether this build can compile a cell from elsewhere; says so where it cannot.
pub fn can_compile() -> bool {
    let can = Path::new(CELLAR).with_file_name("cellar-cell-compiler").is_file();
    if !can {
        println!("SKIPPED: the part about an installed cell; no cellar-cell-compiler beside cellar");
    }
    can
}

/// A signed package of the cell `mode-share`, whose manifest says something else in these lines, and `more` at its end.
/// All packages of a folder have one publisher.
pub fn mode_share(folder: &Path, name: &str, lines: &[(&str, &str)], more: &str) -> String {
    let cells = target().join("cells");
    let made = folder.join(format!("{name}.cell"));
    fs::create_dir_all(made.join("schemas")).expect("made");
    let from = cells.join("mode-share");
    for entry in fs::read_dir(from.join("schemas")).into_iter().flatten() {
        let entry = entry.expect("read");
        fs::copy(entry.path(), made.join("schemas").join(entry.file_name())).expect("copied");
    }
    let manifest = fs::read_to_string(from.join("cell.toml")).expect("read");
    let said = |line: &str| {
        let other =
            lines.iter().find(|(key, _)| line.split_once(" = ").is_some_and(|(known, _)| known == *key));
        other.map_or_else(
            || line.to_owned(),
            |(key, value)| match value.parse::<u32>() {
                Ok(number) => format!("{key} = {number}"),
                Err(_) => format!("{key} = {value:?}"),
            },
        )
    };
    let mut manifest: Vec<String> = manifest.lines().map(said).collect();
    manifest.push(more.to_owned());
    fs::write(made.join("cell.toml"), manifest.join("\n")).expect("written");
    let [package, key] = [name, "publisher.key"].map(|name| within(folder, name));
    let component = cells.join("mode-share.wasm");
    let (made, component) = (made.to_str().expect("UTF-8"), component.to_str().expect("UTF-8"));
    verb(&["cell", "pack", made, "--component", component, "--output", &package]);
    if !Path::new(&key).is_file() {
        verb(&["cell", "keygen", "--output", &key]);
    }
    verb(&["cell", "sign", &package, "--key", &key]);
    package
}
