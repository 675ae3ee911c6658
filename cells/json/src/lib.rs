//! JSON as it stands: texts are read, checked and changed without building what they mean.
//!
//! * [`text`]: the members of objects that are trusted to be sound, and texts with some members changed.
//!   [`scan`]: one pass that checks all of a text.
//! * [`structure`]: where a value ends that may not be sound. [`list`]: the items of a list that may not be.
//! * Invariants: bytes that nobody asked to change are not changed; nothing recurses, whatever a text holds.
//! * Not here: what members mean (`cells/model`, `runtime/types`), except which device an entry names ([`device`]).

pub mod device;
mod eights;
pub mod list;
pub mod scan;
pub mod structure;
pub mod text;
