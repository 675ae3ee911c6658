//! The cells that are part of this binary, as `build.rs` embeds them.

include!(concat!(env!("OUT_DIR"), "/built_in_cells.rs"));
