//! From a core module to a component, and what a component imports and exports.

use std::collections::BTreeSet;

use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

/// What a cell's manifest says of its component.
pub(crate) struct Expected {
    /// The one function of its world: `handle`, `run` or `contribute`.
    pub(crate) export: String,
    /// By their short names.
    pub(crate) interfaces: BTreeSet<String>,
}

/// Why a module does not become a component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    /// The module is not one that a component can be made of.
    #[error(
        "cannot make a component: {0}; export the cell's function with cells_sdk::export_endpoint!, export_stage! \
         or export_contribution!, once"
    )]
    Encode(String),
    /// The file is no component.
    #[error("it is no component: {0}")]
    Unreadable(String),
    /// The component and the manifest disagree.
    #[error("{0}; make the manifest say what the code does, or the code do what the manifest says")]
    Contract(String),
}

const CONTRACT: &str = "cellar:cell/";
/// Interfaces of the contract that no manifest lists: types, arguments and results.
const UNLISTED: [&str; 5] = ["types", "context", "stage-run", "request", "response"];

/// The interface of the contract, since 0.2, that has the one function of a world.
fn interface_of(function: &str) -> &'static str {
    match function {
        "handle" => "endpoint",
        "contribute" => "contribution",
        _ => "stage",
    }
}

/// The name without package and version of an interface of the contract; `None`: from elsewhere.
fn short(full: &str) -> Option<&str> {
    full.strip_prefix(CONTRACT).map(|name| name.split('@').next().unwrap_or(name))
}

/// Encodes a module as a component; what the module does not call is not among its imports.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| ComponentError::Encode(format!("{error:#}")))
}

/// Holds a component against its manifest: it imports exactly the interfaces that the manifest lists, nothing
/// from elsewhere, and exports the one function of its world.
pub(crate) fn check(expected: &Expected, component: &[u8]) -> Result<(), ComponentError> {
    check_surface(expected, &Surface::of(component).map_err(ComponentError::Encode)?)
}

/// The same for a component that a tool of another language has made: such tools add exports of their own, which are
/// never called.
pub(crate) fn check_foreign(expected: &Expected, component: &[u8]) -> Result<(), ComponentError> {
    let mut surface = Surface::of(component).map_err(ComponentError::Unreadable)?;
    surface.exports.retain(|export| short(export).is_some());
    check_surface(expected, &surface)
}

fn check_surface(expected: &Expected, surface: &Surface) -> Result<(), ComponentError> {
    let bad = |why: String| ComponentError::Contract(why);
    if let Some(foreign) = surface.foreign.first() {
        return Err(bad(format!("it imports {foreign}, which is not of the contract")));
    }
    if let Some(name) = surface.interfaces.difference(&expected.interfaces).next() {
        return Err(bad(format!("it imports {name}, which its manifest does not list")));
    }
    if let Some(name) = expected.interfaces.difference(&surface.interfaces).next() {
        return Err(bad(format!("its manifest lists {name}, which it does not use")));
    }
    // Version 0.1 exports the function itself.
    let (export, interface) = (expected.export.as_str(), interface_of(&expected.export));
    match &surface.exports[..] {
        [only] if only == export || short(only) == Some(interface) => Ok(()),
        exports => {
            Err(bad(format!("it exports {exports:?}; a cell of its world exports {CONTRACT}{interface}")))
        }
    }
}

/// What a component shows to its surroundings.
#[derive(Debug, Default, PartialEq)]
struct Surface {
    /// Of the contract, by their short names, without those that no manifest lists.
    interfaces: BTreeSet<String>,
    /// Imports from elsewhere, by their full names.
    foreign: Vec<String>,
    exports: Vec<String>,
}

impl Surface {
    fn of(component: &[u8]) -> Result<Self, String> {
        let decoded = wit_component::decode(component).map_err(|error| format!("{error:#}"))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err("it is a package of WIT".to_owned());
        };
        let world = &resolve.worlds[world];
        let mut surface = Self::default();
        for (import, item) in &world.imports {
            // The records that a world itself defines.
            if matches!(item, WorldItem::Type { .. }) {
                continue;
            }
            let full = resolve.name_world_key(import);
            match short(&full) {
                None => surface.foreign.push(full),
                Some(name) if UNLISTED.contains(&name) => {}
                Some(name) => drop(surface.interfaces.insert(name.to_owned())),
            }
        }
        surface.exports = world.exports.keys().map(|export| resolve.name_world_key(export)).collect();
        Ok(surface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that imports those instances, and exports instances or functions of those names.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let imports =
            imports.iter().map(|name| format!(r#"(import "{name}" (instance (export "act" (func))))"#));
        let exports = exports.iter().map(|name| match short(name) {
            Some(_) => format!(r#"(export "{name}" (instance $e))"#),
            None => format!(r#"(export "{name}" (func $f))"#),
        });
        let text = format!(
            r#"(component {} (core module $m (func (export "f"))) (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i "f"))) (instance $e (export "f" (func $f))) {})"#,
            imports.collect::<String>(),
            exports.collect::<String>(),
        );
        wat::parse_str(text).unwrap()
    }

    fn endpoint(interfaces: &[&str]) -> Expected {
        let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
        Expected { export: "handle".to_owned(), interfaces }
    }

    fn refused(expected: &Expected, component: &[u8]) -> String {
        check(expected, component).unwrap_err().to_string()
    }

    #[test]
    fn a_component_imports_exactly_what_its_manifest_lists() {
        let logging = component(&["cellar:cell/types@0.1.0", "cellar:cell/log@0.1.0"], &["handle"]);
        assert!(check(&endpoint(&["log"]), &logging).is_ok());
        let imports = ["context", "request", "response", "types", "log"];
        let imports = imports.map(|name| format!("cellar:cell/{name}@0.2.0"));
        let newer = component(&imports.each_ref().map(String::as_str), &["cellar:cell/endpoint@0.2.0"]);
        assert!(check(&endpoint(&["log"]), &newer).is_ok());
        let more = refused(&endpoint(&[]), &logging);
        assert!(more.starts_with("it imports log, which its manifest does not list"), "{more}");
        let less = refused(&endpoint(&["documents", "log"]), &logging);
        assert!(less.starts_with("its manifest lists documents, which it does not use"), "{less}");
    }

    #[test]
    fn an_import_from_elsewhere_is_refused_by_its_name() {
        let foreign = component(&["wasi:cli/environment@0.2.0"], &["handle"]);
        let why = refused(&endpoint(&[]), &foreign);
        assert!(
            why.starts_with("it imports wasi:cli/environment@0.2.0, which is not of the contract"),
            "{why}"
        );
    }

    #[test]
    fn a_component_exports_the_one_function_of_its_world() {
        for exports in [&["run"][..], &["handle", "run"], &[], &["cellar:cell/stage@0.2.0"]] {
            assert!(refused(&endpoint(&[]), &component(&[], exports)).contains("exports"), "{exports:?}");
        }
    }

    #[test]
    fn a_component_of_another_tool_may_have_exports_that_are_not_of_the_contract() {
        let made = component(&["cellar:cell/log@0.2.0"], &["init", "cellar:cell/endpoint@0.2.0"]);
        assert!(check_foreign(&endpoint(&["log"]), &made).is_ok());
        assert!(check(&endpoint(&["log"]), &made).is_err());
        let refused = |interfaces: &[&str], made: &[u8]| {
            check_foreign(&endpoint(interfaces), made).unwrap_err().to_string()
        };
        assert!(refused(&[], &made).starts_with("it imports log"));
        assert!(
            refused(&[], &component(&["wasi:io/poll@0.2.0"], &[])).starts_with("it imports wasi:io/poll")
        );
        for exports in [
            &["init"][..],
            &["cellar:cell/stage@0.2.0"],
            &["cellar:cell/endpoint@0.2.0", "cellar:cell/stage@0.2.0"],
        ] {
            assert!(refused(&[], &component(&[], exports)).contains("exports"), "{exports:?}");
        }
        assert!(refused(&[], b"no component").starts_with("it is no component"));
    }

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        assert!(matches!(encode(b"no module"), Err(ComponentError::Encode(_))));
        for bytes in [&b""[..], b"no component", &wat::parse_str("(module)").unwrap()] {
            assert!(check(&endpoint(&[]), bytes).is_err(), "{bytes:?}");
        }
    }
}
