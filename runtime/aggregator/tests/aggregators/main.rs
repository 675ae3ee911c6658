//! Two aggregators as real processes, over TLS on the loopback: what they count, what they refuse, what is where, and
//! that a process may end at any step.

mod attacks;
mod kill;
mod support;
mod totals;
