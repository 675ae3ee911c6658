//! The imports and exports of a component, read from its outermost sections before anything is compiled, and again
//! from the engine's own view of the compiled code.
//!
//! * Invariants: an admitted component imports interfaces of one version of `cellar:cell` that its kind may have, and
//!   nothing else; it exports exactly one of the functions and interfaces that make a cell of that version.

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::version::Named;
use crate::{COMPONENT_BYTES_MAX, Interface, Interfaces, Refusal, Version, World};

/// The properties of an admitted component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its kind.
    pub world: World,
    /// Its imports, to be compared with a grant.
    pub imports: Interfaces,
    /// The version of the contract that it was built for.
    pub version: Version,
}

/// Reads imports and exports without compiling; refuses the first import that is not in the contract, by name. The
/// code inside is validated when it is compiled.
pub fn admit(wasm: &[u8]) -> Result<Admitted, Refusal> {
    let size_bytes = wasm.len() as u64;
    if size_bytes > COMPONENT_BYTES_MAX {
        return Err(Refusal::TooLarge { size_bytes, limit_bytes: COMPONENT_BYTES_MAX });
    }
    let mut asked = Asked::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(Refusal::Invalid {
                    why: "a core module; encode it as a component first".to_owned(),
                });
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(invalid)?;
                    let is_type = matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_)));
                    let is_instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    asked.import(import.name.name, is_type, is_instance)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    let kind = match export.kind {
                        ComponentExternalKind::Func => Exported::Function,
                        ComponentExternalKind::Instance => Exported::Instance,
                        _ => Exported::Else,
                    };
                    asked.export(export.name.name, kind)?;
                }
            }
            _ => {}
        }
    }
    asked.admitted()
}

/// The same for compiled code.
pub(crate) fn admit_compiled(engine: &Engine, component: &Component) -> Result<Admitted, Refusal> {
    let mut asked = Asked::default();
    let kind = component.component_type();
    for (name, import) in kind.imports(engine) {
        let is_type = matches!(import.ty, ComponentItem::Type(_));
        let is_instance = matches!(import.ty, ComponentItem::ComponentInstance(_));
        asked.import(name, is_type, is_instance)?;
    }
    for (name, export) in kind.exports(engine) {
        let kind = match export.ty {
            ComponentItem::ComponentFunc(_) => Exported::Function,
            ComponentItem::ComponentInstance(_) => Exported::Instance,
            _ => Exported::Else,
        };
        asked.export(name, kind)?;
    }
    asked.admitted()
}

fn invalid(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Invalid { why: error.to_string() }
}

/// What stands behind the name of an export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exported {
    Function,
    Instance,
    Else,
}

/// An interface of the contract.
#[derive(Clone, Copy)]
enum Ours {
    Granted(Interface),
    /// Gives no access by itself, so no grant is needed: arguments and results of a world, and types.
    Of(&'static [World]),
}

impl Ours {
    /// `None`: that version has no interface of that name.
    fn find(name: &str, version: Version) -> Option<Self> {
        const EVERY: &[World] = &[World::Endpoint, World::Stage, World::Contribution];
        match (version, name) {
            (_, "types") | (Version::V0_2, "context") => Some(Self::Of(EVERY)),
            (Version::V0_2, "stage-run") => Some(Self::Of(&[World::Stage])),
            (Version::V0_2, "request" | "response") => Some(Self::Of(&[World::Endpoint])),
            (Version::V0_1, "state") => None,
            _ => name.parse().ok().map(Self::Granted),
        }
    }

    fn is_for(self, world: World) -> bool {
        match self {
            Self::Granted(interface) => world.offers(interface),
            Self::Of(worlds) => worlds.contains(&world),
        }
    }
}

/// At most this many bytes of a component's own names are in a message.
const NAME_BYTES_MAX: usize = 200;

#[derive(Default)]
struct Asked {
    imports: Vec<(String, Version, Ours)>,
    exports: Vec<String>,
    cells: Vec<(World, Version)>,
}

impl Asked {
    /// An import of a type by equality gives no access; an interface must be one of the contract's.
    fn import(&mut self, name: &str, is_type: bool, is_instance: bool) -> Result<(), Refusal> {
        if is_type {
            return Ok(());
        }
        let foreign = || Refusal::ForeignImport { name: cut(name) };
        let named = Named::read(name).filter(|_| is_instance).ok_or_else(foreign)?;
        let version = here(name, named.version)?;
        let ours = Ours::find(named.interface, version).ok_or_else(foreign)?;
        self.imports.push((name.to_owned(), version, ours));
        Ok(())
    }

    /// Other exports are harmless, because they are never called. The tools of some languages add their own.
    fn export(&mut self, name: &str, kind: Exported) -> Result<(), Refusal> {
        if self.exports.len() < 8 {
            self.exports.push(format!("`{}`", name.chars().take(60).collect::<String>()));
        }
        match (name, kind) {
            ("handle", Exported::Function) => self.cells.push((World::Endpoint, Version::V0_1)),
            ("run", Exported::Function) => self.cells.push((World::Stage, Version::V0_1)),
            (_, Exported::Instance) => {
                let Some(named) = Named::read(name) else { return Ok(()) };
                let world = match named.interface {
                    "endpoint" => World::Endpoint,
                    "stage" => World::Stage,
                    "contribution" => World::Contribution,
                    _ => return Ok(()),
                };
                // Version 0.1 has no such export: it is not called.
                match here(name, named.version)? {
                    Version::V0_1 => {}
                    version => self.cells.push((world, version)),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn admitted(self) -> Result<Admitted, Refusal> {
        let (world, version) = match self.cells[..] {
            [cell] => cell,
            _ if self.exports.is_empty() => return Err(Refusal::NoWorld { found: "nothing".to_owned() }),
            _ => return Err(Refusal::NoWorld { found: self.exports.join(", ") }),
        };
        let mut imports = Interfaces::NONE;
        for (name, of, ours) in self.imports {
            if of != version {
                return Err(Refusal::MixedVersions { name: cut(&name), version });
            }
            // A cell of 0.1 may name what its kind cannot use: the runtime refuses the calls.
            if version != Version::V0_1 && !ours.is_for(world) {
                return Err(Refusal::NotInWorld { name: cut(&name), world });
            }
            if let Ours::Granted(interface) = ours {
                imports = imports.with(interface);
            }
        }
        Ok(Admitted { world, imports, version })
    }
}

fn here(name: &str, version: Result<Version, &str>) -> Result<Version, Refusal> {
    version.map_err(|needed| Refusal::OtherVersion {
        name: cut(name),
        needed: cut(needed),
        here: Version::all(),
    })
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_interfaces() {
        let has = |name, version| Ours::find(name, version).is_some();
        for both in Interface::ALL.map(Interface::name).into_iter().filter(|name| *name != "state") {
            assert!(has(both, Version::V0_1) && has(both, Version::V0_2), "{both}");
        }
        for new in ["state", "context", "stage-run", "request", "response"] {
            assert!(!has(new, Version::V0_1) && has(new, Version::V0_2), "{new}");
        }
        assert!(!has("clock", Version::V0_2));
    }

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        for bad in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0", b"not wasm at all"] {
            assert!(admit(bad).is_err(), "{bad:?}");
        }
        let too_large = vec![0; usize::try_from(COMPONENT_BYTES_MAX).unwrap() + 1];
        assert!(matches!(admit(&too_large), Err(Refusal::TooLarge { .. })));
    }
}
