//! Embeds the cells that `cargo xtask cells` built: a table `BUILT_IN` of `runtime_user::catalogue::BuiltIn`, for
//! `include!(concat!(env!("OUT_DIR"), "/built_in_cells.rs"))`.
//!
//! * Where they are: the folder that `CELLAR_CELLS` names, or else `cells` in cargo's target folder.
//! * They must have been built for the contract as it is now: cells that pack their pages in another way would be
//!   refused one by one, at their first call.
//! * `CELLAR_BUILT_S` is when the program was built, s since 1970: what `SOURCE_DATE_EPOCH` says, or else now.
//! * Native code is aligned to 16 bytes, which loading it asks for.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=CELLAR_CELLS");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=CELLAR_BUILT_S={}", built_s());
    let made = table().and_then(|text| {
        let out = PathBuf::from(env::var("OUT_DIR")?).join("built_in_cells.rs");
        Ok(fs::write(out, text)?)
    });
    if let Err(error) = made {
        println!("cargo::error=the cells that belong into this binary are not there: {error}");
        println!("cargo::error=run `cargo xtask cells`, which builds them, and then this again");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// When this is built, s since 1970. A clock that cannot be read says nothing.
fn built_s() -> u64 {
    let told = env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    told.unwrap_or(now)
}

fn table() -> Result<String, Box<dyn Error>> {
    let home = find()?;
    check_contract(&home)?;
    let index = read(&home.join("index"))?;
    let mut text = String::from(
        "/// The cells that are part of this binary, by name.\n\
         pub static BUILT_IN: &[::runtime_user::catalogue::BuiltIn] = &[\n",
    );
    let mut packages = Vec::new();
    for line in index.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(digest), Some(kind)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("{} has the line {line:?}", home.join("index").display()).into());
        };
        match kind {
            "package" => packages.push(name),
            _ => add(&mut text, &home, name, digest)?,
        }
    }
    text.push_str("];\n\n");
    add_packages(&mut text, &home, &packages)?;
    // Bytes of a file have no alignment of their own.
    text.push_str("#[repr(C, align(16))]\nstruct Aligned<T: ?Sized>(T);\n");
    Ok(text)
}

/// Holds what `cargo xtask cells` noted of the contract, a line of file names and then the files, against the files.
fn check_contract(home: &Path) -> Result<(), Box<dyn Error>> {
    let noted = read(&home.join("contract"))?;
    let (names, mut noted) =
        noted.split_once('\n').ok_or("the contract of the cells has no line of names")?;
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    for name in names.split(' ') {
        let now = read(&root.join(name))?;
        let same = noted.strip_prefix(now.as_str());
        noted = same.ok_or_else(|| format!("they were built before {name} was what it is now"))?;
    }
    if noted.is_empty() { Ok(()) } else { Err("they were built for another contract".into()) }
}

fn add(text: &mut String, home: &Path, name: &str, digest: &str) -> Result<(), Box<dyn Error>> {
    let folder = home.join(name);
    let native = home.join(format!("{name}.cwasm"));
    println!("cargo::rerun-if-changed={}", native.display());
    fs::metadata(&native).map_err(|error| format!("{}: {error}", native.display()))?;
    writeln!(text, "    ::runtime_user::catalogue::BuiltIn {{")?;
    writeln!(text, "        name: {name:?},")?;
    writeln!(text, "        manifest: {:?},", read(&folder.join("cell.toml"))?)?;
    writeln!(text, "        schemas: &[")?;
    for schema in schemas(&folder)? {
        let file = schema.strip_prefix(&folder)?.to_str().ok_or("a schema's name is not UTF-8")?;
        writeln!(text, "            ({file:?}, {:?}),", read(&schema)?)?;
    }
    writeln!(text, "        ],")?;
    writeln!(text, "        digest: {digest:?},")?;
    writeln!(text, "        native: {{")?;
    writeln!(text, "            static CODE: &Aligned<[u8]> = &Aligned(*include_bytes!({native:?}));")?;
    writeln!(text, "            &CODE.0")?;
    writeln!(text, "        }},")?;
    writeln!(text, "    }},")?;
    Ok(())
}

/// The cells that people install, for tests: they are no part of a host.
fn add_packages(text: &mut String, home: &Path, names: &[&str]) -> Result<(), Box<dyn Error>> {
    if env::var_os("CARGO_FEATURE_PACKAGES").is_none() {
        return Ok(());
    }
    text.push_str("/// The cells that people install, by name.\npub static PACKAGES: &[Packed] = &[\n");
    for name in names {
        let (folder, component) = (home.join(name), home.join(format!("{name}.wasm")));
        println!("cargo::rerun-if-changed={}", component.display());
        let manifest = read(&folder.join("cell.toml"))?;
        writeln!(text, "    Packed {{ name: {name:?}, manifest: {manifest:?}, schemas: &[")?;
        for schema in schemas(&folder)? {
            let file =
                schema.file_name().and_then(|name| name.to_str()).ok_or("a schema's name is not UTF-8")?;
            writeln!(text, "        ({file:?}, {:?}),", read(&schema)?)?;
        }
        writeln!(text, "    ], component: include_bytes!({component:?}) }},")?;
    }
    text.push_str("];\n\n");
    Ok(())
}

/// JSON files in the folder `schemas` of a cell, by name.
fn schemas(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = folder.join("schemas");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for item in fs::read_dir(&folder)? {
        found.push(item?.path());
    }
    found.sort();
    Ok(found)
}

/// Reads a file whose change makes another table.
fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The folder of finished cells: cargo's target folder is some way above the one that this script may write to.
fn find() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(named) = env::var_os("CELLAR_CELLS") {
        return Ok(named.into());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let beside =
        out.ancestors().map(|folder| folder.join("cells")).find(|folder| folder.join("index").exists());
    let default = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../target/cells");
    let home = beside.unwrap_or(default);
    Ok(home.canonicalize().map_err(|error| format!("{}: {error}", home.display()))?)
}
