//! JSON as text: texts are read, checked and changed without building a tree.
//!
//! * [`text`]: the members of objects that are trusted to be valid, and texts with some members changed. [`scan`]: one
//!   pass that checks all of a text.
//! * [`structure`]: the end of a value that may be invalid. [`list`]: the items of a list that may be invalid.
//! * Invariants: bytes outside the changed members stay; nothing recurses, whatever a text holds.
//! * Not here: what members mean (`cells/model`, `runtime/types`), except which device an entry names ([`device`]).

pub mod device;
mod eights;
pub mod list;
pub mod scan;
pub mod structure;
pub mod text;
