//! Reads a component's sections with the parser that the engine uses, so that both see the same file.

use std::ops::Range;

use wasmparser::{Chunk, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use crate::{BadPackage, NESTING_MAX, PACKAGE_BYTES_MAX, SURFACE_MAX, SURFACE_NAME_BYTES_MAX};

/// What the names of our sections begin with.
pub(crate) const OURS: &str = "cellar.";

/// What a component shows at its outermost level.
#[derive(Debug, Default)]
pub(crate) struct Walked<'b> {
    /// Sections of ours, in the order of the file.
    pub(crate) ours: Vec<Section<'b>>,
    /// Names of its imports, without types that equal others.
    pub(crate) imports: Vec<&'b str>,
    /// Names of its exports.
    pub(crate) exports: Vec<&'b str>,
}

/// A custom section of the outermost level whose name is ours.
#[derive(Debug)]
pub(crate) struct Section<'b> {
    pub(crate) name: &'b str,
    pub(crate) data: &'b [u8],
    /// All of its bytes, those of its head included.
    pub(crate) range: Range<usize>,
}

/// Walks through all sections, nested ones included. A section of ours that is nested is refused, and so is one that is
/// not at the end of the file: then what we read is what everybody reads.
pub(crate) fn walk(bytes: &[u8]) -> Result<Walked<'_>, BadPackage> {
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(BadPackage::TooLarge { bytes: bytes.len() });
    }
    let mut walked = Walked::default();
    let (mut parser, mut outer, mut at) = (Parser::new(0), Vec::new(), 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (consumed, payload) = match parser.parse(rest, true) {
            Ok(Chunk::Parsed { consumed, payload }) => (consumed, payload),
            Ok(Chunk::NeedMoreData(_)) => return Err(no_component("it is cut off")),
            Err(error) => return Err(no_component(error.message())),
        };
        let range = at..at + consumed;
        at = range.end;
        match payload {
            Payload::ModuleSection { parser: inner, .. }
            | Payload::ComponentSection { parser: inner, .. } => {
                if outer.len() >= NESTING_MAX {
                    return Err(BadPackage::TooDeep);
                }
                walked.no_longer_ours()?;
                outer.push(std::mem::replace(&mut parser, inner));
            }
            Payload::End(_) => match outer.pop() {
                Some(outer) => parser = outer,
                None => return Ok(walked),
            },
            payload if outer.is_empty() => walked.outermost(payload, range)?,
            Payload::CustomSection(section) if section.name().starts_with(OURS) => {
                return Err(BadPackage::Nested { name: shortened(section.name()) });
            }
            _ => {}
        }
    }
}

fn no_component(why: impl Into<String>) -> BadPackage {
    BadPackage::NoComponent { why: why.into().chars().take(200).collect() }
}

/// A name for a message.
fn shortened(name: &str) -> String {
    name.chars().take(64).filter(|letter| letter.is_ascii_graphic()).collect()
}

impl<'b> Walked<'b> {
    fn outermost(&mut self, payload: Payload<'b>, range: Range<usize>) -> Result<(), BadPackage> {
        let bad = |error: wasmparser::BinaryReaderError| no_component(error.message());
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                return Err(no_component("a core module; encode it as a component"));
            }
            Payload::Version { .. } => return Ok(()),
            Payload::CustomSection(section) if section.name().starts_with(OURS) => {
                let (name, data) = (section.name(), section.data());
                self.ours.push(Section { name, data, range });
                return Ok(());
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(bad)?;
                    // A type that equals another gives no access.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        surface(&mut self.imports, import.name.name)?;
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    surface(&mut self.exports, export.map_err(bad)?.name.name)?;
                }
            }
            _ => {}
        }
        self.no_longer_ours()
    }

    /// Refuses whatever stands behind a section of ours and is not ours.
    fn no_longer_ours(&self) -> Result<(), BadPackage> {
        match self.ours.last() {
            Some(section) => Err(BadPackage::Order { name: shortened(section.name) }),
            None => Ok(()),
        }
    }
}

fn surface<'b>(names: &mut Vec<&'b str>, name: &'b str) -> Result<(), BadPackage> {
    if names.len() >= SURFACE_MAX || name.len() > SURFACE_NAME_BYTES_MAX {
        return Err(BadPackage::Surface);
    }
    names.push(name);
    Ok(())
}

/// Appends a custom section.
pub(crate) fn append(bytes: &mut Vec<u8>, name: &str, data: &[&[u8]]) {
    let size: usize = data.iter().map(|part| part.len()).sum();
    let name_size = leb(name.len());
    bytes.push(0);
    bytes.extend(leb(name_size.len() + name.len() + size));
    bytes.extend(name_size);
    bytes.extend_from_slice(name.as_bytes());
    data.iter().for_each(|part| bytes.extend_from_slice(part));
}

/// A number as unsigned LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
