//! Packages as they are made, signed, changed and forged.

mod attacks;
mod form;
mod mutated;
mod support;
mod vector;
