//! From a core module to a component, and what a component imports and exports.

use std::collections::BTreeSet;
use std::error::Error;

use runtime_manifest::CellToml;
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

use crate::manifest;
use crate::trouble::Trouble;

const CONTRACT: &str = "cellar:cell/";

/// Encodes a module as a component; what the module does not call is not among its imports.
pub(crate) fn encode(cell: &str, module: &[u8]) -> Result<Vec<u8>, Trouble> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| Trouble::Component { cell: cell.to_owned(), source: cause(error) })
}

/// Holds a component against its manifest: it imports exactly the interfaces that the manifest lists, nothing
/// from elsewhere, and exports the one function of its world.
pub(crate) fn check(manifest: &CellToml, component: &[u8]) -> Result<(), Trouble> {
    let cell = &manifest.name;
    let bad = |why: String| Trouble::Contract { cell: cell.clone(), why };
    let surface =
        Surface::of(component).map_err(|source| Trouble::Component { cell: cell.clone(), source })?;
    if let Some(foreign) = surface.foreign.first() {
        return Err(bad(format!("it imports {foreign}, which is not of the contract")));
    }
    let listed: BTreeSet<_> = manifest.interfaces.iter().cloned().collect();
    if let Some(name) = surface.interfaces.difference(&listed).next() {
        return Err(bad(format!("it imports {name}, which its manifest does not list")));
    }
    if let Some(name) = listed.difference(&surface.interfaces).next() {
        return Err(bad(format!("its manifest lists {name}, which it does not use")));
    }
    let export = manifest::export(manifest.world);
    if surface.exports != [export] {
        return Err(bad(format!("it exports {:?}; a cell of its world exports {export}", surface.exports)));
    }
    Ok(())
}

/// What a component shows to its surroundings.
#[derive(Debug, Default, PartialEq)]
struct Surface {
    /// Of the contract, by their short names; `types` has no functions and needs no grant.
    interfaces: BTreeSet<String>,
    /// Imports from elsewhere, by their full names.
    foreign: Vec<String>,
    exports: Vec<String>,
}

impl Surface {
    fn of(component: &[u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let DecodedWasm::Component(resolve, world) = wit_component::decode(component).map_err(cause)? else {
            return Err("it is a package of WIT, not a component".into());
        };
        let world = &resolve.worlds[world];
        let mut surface = Self::default();
        for (import, item) in &world.imports {
            // The records that a world itself defines.
            if matches!(item, WorldItem::Type { .. }) {
                continue;
            }
            let full = resolve.name_world_key(import);
            match full.strip_prefix(CONTRACT).map(|name| name.split('@').next().unwrap_or(name)) {
                None => surface.foreign.push(full),
                Some("types") => {}
                Some(name) => drop(surface.interfaces.insert(name.to_owned())),
            }
        }
        surface.exports = world.exports.keys().map(|export| resolve.name_world_key(export)).collect();
        Ok(surface)
    }
}

fn cause(error: impl Into<Box<dyn Error + Send + Sync>>) -> Box<dyn Error + Send + Sync> {
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that imports those instances, and whose exports have those names.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let imports =
            imports.iter().map(|name| format!(r#"(import "{name}" (instance (export "act" (func))))"#));
        let exports = exports.iter().map(|name| format!(r#"(export "{name}" (func $f))"#));
        let text = format!(
            r#"(component {} (core module $m (func (export "f"))) (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i "f"))) {})"#,
            imports.collect::<String>(),
            exports.collect::<String>(),
        );
        wat::parse_str(text).unwrap()
    }

    fn endpoint(interfaces: &[&str]) -> CellToml {
        let text = format!("name = \"x\"\nversion = 1\nworld = \"endpoint\"\ninterfaces = {interfaces:?}\n");
        CellToml::parse(&text).unwrap()
    }

    fn refused(manifest: &CellToml, component: &[u8]) -> String {
        check(manifest, component).unwrap_err().to_string()
    }

    #[test]
    fn a_component_imports_exactly_what_its_manifest_lists() {
        let logging = component(&["cellar:cell/types@0.1.0", "cellar:cell/log@0.1.0"], &["handle"]);
        assert!(check(&endpoint(&["log"]), &logging).is_ok());
        let more = refused(&endpoint(&[]), &logging);
        assert_eq!(more, "cell x: it imports log, which its manifest does not list");
        let less = refused(&endpoint(&["documents", "log"]), &logging);
        assert_eq!(less, "cell x: its manifest lists documents, which it does not use");
    }

    #[test]
    fn an_import_from_elsewhere_is_refused_by_its_name() {
        let foreign = component(&["wasi:cli/environment@0.2.0"], &["handle"]);
        let why = refused(&endpoint(&[]), &foreign);
        assert_eq!(why, "cell x: it imports wasi:cli/environment@0.2.0, which is not of the contract");
    }

    #[test]
    fn a_component_exports_the_one_function_of_its_world() {
        for exports in [&["run"][..], &["handle", "run"], &[]] {
            assert!(refused(&endpoint(&[]), &component(&[], exports)).contains("exports"), "{exports:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        for bytes in [&b""[..], b"no component", &wat::parse_str("(module)").unwrap()] {
            assert!(check(&endpoint(&[]), bytes).is_err(), "{bytes:?}");
        }
    }
}
