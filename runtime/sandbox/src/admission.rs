//! The imports and exports of a component, read from its outermost sections before anything is compiled, and again
//! from the engine's own view of the compiled code.
//!
//! * Invariants: an admitted component imports interfaces of `cellar:cell` 0.1 and nothing else, and exports exactly
//!   one of `handle` and `run`.

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::{COMPONENT_BYTES_MAX, Interface, Interfaces, Refusal, World};

/// The properties of an admitted component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its kind.
    pub world: World,
    /// Its imports, to be compared with a grant.
    pub imports: Interfaces,
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
                    asked.export(export.name.name, export.kind == ComponentExternalKind::Func);
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
        asked.export(name, matches!(export.ty, ComponentItem::ComponentFunc(_)));
    }
    asked.admitted()
}

fn invalid(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Invalid { why: error.to_string() }
}

#[derive(Default)]
struct Asked {
    imports: Interfaces,
    exports: Vec<String>,
    worlds: Vec<World>,
}

impl Asked {
    /// An import of a type by equality gives no access; an interface must be one of the contract's.
    fn import(&mut self, name: &str, is_type: bool, is_instance: bool) -> Result<(), Refusal> {
        if is_type {
            return Ok(());
        }
        match contract_interface(name).filter(|_| is_instance) {
            Some(Some(interface)) => self.imports = self.imports.with(interface),
            Some(None) => {}
            None => return Err(Refusal::ForeignImport { name: name.chars().take(200).collect() }),
        }
        Ok(())
    }

    /// Other exports are harmless, because they are never called. The tools of some languages add their own.
    fn export(&mut self, name: &str, is_function: bool) {
        if self.exports.len() < 8 {
            self.exports.push(format!("`{}`", name.chars().take(60).collect::<String>()));
        }
        match name {
            "handle" if is_function => self.worlds.push(World::Endpoint),
            "run" if is_function => self.worlds.push(World::Stage),
            _ => {}
        }
    }

    fn admitted(self) -> Result<Admitted, Refusal> {
        match self.worlds[..] {
            [world] => Ok(Admitted { world, imports: self.imports }),
            _ if self.exports.is_empty() => Err(Refusal::NoWorld { found: "nothing".to_owned() }),
            _ => Err(Refusal::NoWorld { found: self.exports.join(", ") }),
        }
    }
}

/// `Some(None)`: the contract's `types`, which give no access. `None`: not in the contract.
fn contract_interface(name: &str) -> Option<Option<Interface>> {
    let (interface, version) = name.strip_prefix("cellar:cell/")?.split_once('@')?;
    let patch = version.strip_prefix("0.1.")?;
    if patch.is_empty() || !patch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if interface == "types" { Some(None) } else { interface.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contracts_own_names_are_ours() {
        assert_eq!(contract_interface("cellar:cell/log@0.1.0"), Some(Some(Interface::Log)));
        assert_eq!(contract_interface("cellar:cell/types@0.1.12"), Some(None));
        for foreign in [
            "wasi:cli/environment@0.2.0",
            "cellar:cell/clock@0.1.0",
            "cellar:cell/log",
            "cellar:cell/log@0.2.0",
            "cellar:cell/log@0.1.",
            "cellar:cell/log@0.1.0-x",
            "cellar:cellx/log@0.1.0",
        ] {
            assert_eq!(contract_interface(foreign), None, "{foreign}");
        }
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
