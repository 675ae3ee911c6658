//! A cell that misbehaves in ways that a runtime must survive. The rest of the request's path names one of
//! [`MISDEEDS`].
//!
//! * Where the runtime refuses a call, the cell answers `Err` with the text of the refusal.
//! * Where nothing stops it, it answers 200 with [`UNHARMED`]: then a test has found a hole.

mod greed;

use std::hint::black_box;

use cells_sdk::{Documents, Exchange, Log, ReadEntries, Request, Response, WriteEntries};

/// The body of an answer after a misdeed that nothing stopped.
pub const UNHARMED: &str = "nothing stopped me";

/// What `rest` may be, besides `ok`.
pub const MISDEEDS: [&str; 18] = [
    "endless-loop",
    "memory-bomb",
    "stack-overflow",
    "shadow-stack-overflow",
    "trap",
    "panic",
    "oversized-output",
    "bad-status",
    "long-refusal",
    "cursors-never-closed",
    "cursors-for-ever",
    "huge-string",
    "huge-name",
    "endless-answer",
    "endless-reads",
    "deep-write",
    "read-and-trap",
    "forbidden-document",
];

/// Commits one misdeed; `ok` answers 200 with `ok`, an unknown one 404.
pub fn handle<R>(runtime: &mut R, request: &Request) -> Result<Response, String>
where
    R: ReadEntries + WriteEntries + Documents + Log + Exchange,
{
    let text = |status, body: &str| {
        Ok(Response { status, content_type: "text/plain".to_owned(), body: body.as_bytes().to_vec() })
    };
    match request.rest.as_str() {
        "ok" => return text(200, "ok"),
        "endless-loop" => endless_loop(),
        "memory-bomb" => memory_bomb(),
        "stack-overflow" => drop(black_box(call_depth(request.now.to_bits()))),
        "shadow-stack-overflow" => drop(black_box(frame_depth(&[0; 64], request.now.to_bits()))),
        "trap" => std::process::abort(),
        "panic" => panic!("as asked"),
        "oversized-output" => return text(200, &"x".repeat(OVERSIZED_BYTES)),
        "bad-status" => return text(42, "no such status"),
        "long-refusal" => return Err("no ".repeat(10_000)),
        "cursors-never-closed" => greed::cursors_never_closed(runtime)?,
        "cursors-for-ever" => greed::cursors_for_ever(runtime),
        "huge-string" => greed::huge_string(runtime),
        "huge-name" => greed::huge_name(runtime)?,
        "endless-answer" => greed::endless_answer(runtime)?,
        "endless-reads" => greed::endless_reads(runtime)?,
        "deep-write" => greed::deep_write(runtime)?,
        "read-and-trap" => greed::read_and_trap(runtime)?,
        "forbidden-document" => greed::forbidden_document(runtime)?,
        _ => return text(404, "no such misdeed"),
    }
    text(200, UNHARMED)
}

/// Over the 4 MiB of an answer.
const OVERSIZED_BYTES: usize = 5 << 20;

fn endless_loop() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn memory_bomb() {
    let mut held = Vec::new();
    loop {
        // Written to, so that it costs pages and not only addresses.
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Two calls a step, so that no compiler makes a loop of it; nothing in memory, so it is the engine's own stack
/// that ends.
fn call_depth(steps: u64) -> u64 {
    if steps < 2 { 1 } else { call_depth(steps - 1).wrapping_mul(steps) ^ call_depth(steps - 2) }
}

/// A frame in linear memory a step: the stack that the compiler of the cell laid out there ends first.
fn frame_depth(below: &[u64; 64], steps: u64) -> u64 {
    let mut frame = *below;
    frame[(steps % 64) as usize] = steps;
    if steps == 0 { frame[0] } else { frame_depth(black_box(&frame), steps - 1).wrapping_add(frame[7]) }
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::testing::Memory;

    fn ask(misdeed: &str) -> Result<Response, String> {
        Memory::new().call(handle, misdeed, 1.0, "")
    }

    #[test]
    fn it_behaves_unless_asked_for_a_misdeed() {
        assert_eq!(ask("ok").unwrap().body, b"ok");
        assert_eq!(ask("unheard-of").unwrap().status, 404);
    }

    #[test]
    fn cursors_are_opened_until_the_runtime_refuses() {
        assert_eq!(
            ask("cursors-never-closed"),
            Err("after 16 cursors: over budget: more than 16 open cursors".to_owned())
        );
    }

    #[test]
    fn every_misdeed_has_its_own_name() {
        let mut names = MISDEEDS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MISDEEDS.len());
    }
}
