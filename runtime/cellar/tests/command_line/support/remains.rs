//! Looks for bytes in all of a process's memory and in all of a folder's files.
//!
//! * What is read: every page that a process has, in memory or swapped out, also those that it may not read itself,
//!   except the two that are the kernel's. A page that was never touched holds nothing.
//! * Half of what is looked for counts as found: an allocator writes its own words over the beginning of what is freed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: u64 = 4096;
/// How much is read at once, bytes.
const PIECE: u64 = 1 << 20;
/// The kernel's bits for a page that is in memory or swapped out.
const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;

/// What is looked for.
#[derive(Debug)]
pub struct Needle<'a> {
    name: &'static str,
    halves: [&'a [u8]; 2],
}

impl<'a> Needle<'a> {
    pub fn new(name: &'static str, bytes: &'a [u8]) -> Self {
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        assert!(head.len() >= 16, "so few bytes are found anywhere");
        Self { name, halves: [head, tail] }
    }

    fn length_max(&self) -> usize {
        self.halves[0].len().max(self.halves[1].len())
    }

    fn is_in(&self, bytes: &[u8]) -> Option<usize> {
        self.halves.iter().find_map(|half| position(bytes, half))
    }
}

fn position(bytes: &[u8], half: &[u8]) -> Option<usize> {
    let first = half[0];
    (0..=bytes.len().checked_sub(half.len())?)
        .find(|at| bytes[*at] == first && bytes[*at..].starts_with(half))
}

/// What was read, and where something was found.
#[derive(Debug, Default)]
pub struct Remains {
    pub memory_mib: f64,
    pub files_mib: f64,
    /// What, where, and what stands around it.
    pub found: Vec<String>,
}

impl Remains {
    pub fn names(&self, needle: &Needle<'_>) -> bool {
        self.found.iter().any(|found| found.starts_with(needle.name))
    }

    fn look(&mut self, bytes: &[u8], place: &str, needles: &[Needle<'_>]) {
        for needle in needles {
            if let Some(at) = needle.is_in(bytes) {
                let around = &bytes[at.saturating_sub(48)..bytes.len().min(at + 80)];
                self.found.push(format!("{} in {place}: {}", needle.name, around.escape_ascii()));
            }
        }
    }
}

/// Looks for all of it.
pub fn search(process: u32, folder: &Path, needles: &[Needle<'_>]) -> Remains {
    let mut remains = Remains::default();
    let overlap = needles.iter().map(Needle::length_max).max().expect("something to look for") as u64;
    let of_process =
        |name| File::open(format!("/proc/{process}/{name}")).expect("a process of ours can be read");
    let (memory, pages) = (of_process("mem"), of_process("pagemap"));
    for mapping in mappings(process) {
        for (from, to) in runs(&pages, &mapping) {
            let mut at = from;
            while at < to {
                let end = to.min(at + PIECE);
                let mut piece = vec![0; (end - at) as usize];
                // What is unmapped meanwhile holds nothing any more.
                if memory.read_exact_at(&mut piece, at).is_ok() {
                    remains.memory_mib += piece.len() as f64 / f64::from(1 << 20);
                    remains.look(&piece, &format!("{} at {at:x}", mapping.name), needles);
                }
                at = if end == to { to } else { end - overlap };
            }
        }
    }
    files(folder, &mut remains, needles);
    remains
}

struct Mapping {
    from: u64,
    to: u64,
    name: String,
}

/// Mappings that hold something.
fn mappings(process: u32) -> Vec<Mapping> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps")).expect("a process of ours can be read");
    let mut mappings: Vec<(Mapping, u64)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        if let Some((from, to)) = word.split_once('-') {
            let address = |text| u64::from_str_radix(text, 16).expect("an address");
            let name = line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
            mappings.push((Mapping { from: address(from), to: address(to), name }, 0));
        } else if let ("Rss:" | "Swap:", Some((_, kib))) = (word, mappings.last_mut()) {
            *kib += words.next().and_then(|kib| kib.parse::<u64>().ok()).expect("a size");
        }
    }
    let ours = |mapping: &Mapping| !mapping.name.contains("[v");
    mappings
        .into_iter()
        .filter(|(mapping, kib)| *kib > 0 && ours(mapping))
        .map(|(mapping, _)| mapping)
        .collect()
}

/// The runs of a mapping's pages that hold something.
fn runs(pages: &File, mapping: &Mapping) -> Vec<(u64, u64)> {
    let mut bits = vec![0; ((mapping.to - mapping.from) / PAGE * 8) as usize];
    pages.read_exact_at(&mut bits, mapping.from / PAGE * 8).expect("every page has its bits");
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (index, bits) in bits.chunks_exact(8).enumerate() {
        if u64::from_ne_bytes(bits.try_into().expect("eight")) & PRESENT_OR_SWAPPED == 0 {
            continue;
        }
        let from = mapping.from + index as u64 * PAGE;
        match runs.last_mut() {
            Some((_, to)) if *to == from => *to += PAGE,
            _ => runs.push((from, from + PAGE)),
        }
    }
    runs
}

fn files(folder: &Path, remains: &mut Remains, needles: &[Needle<'_>]) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path())).expect("an entry");
        match entry.expect("a kind") {
            kind if kind.is_dir() => files(&path, remains, needles),
            kind if kind.is_file() => {
                let bytes = fs::read(&path).unwrap_or_default();
                remains.files_mib += bytes.len() as f64 / f64::from(1 << 20);
                remains.look(&bytes, &path.display().to_string(), needles);
            }
            _ => {}
        }
    }
}
