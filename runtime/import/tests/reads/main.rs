//! What each format's reader gives, and that no bytes stop it.

mod bounds;
mod formats;
mod mapping;
mod support;
