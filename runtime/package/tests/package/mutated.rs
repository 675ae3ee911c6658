//! Packages that were changed at random; every failure tells its seed.

use runtime_package::Package;

use crate::support::{key, section, signed, succeeded, unsigned};

/// A small generator, so that a run can be repeated from its seed.
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Flips, cuts, inserts, repeats and moves pieces.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(40)).min(bytes.len());
    match random.below(6) {
        0 => bytes[at] = random.below(256) as u8,
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        4 => {
            let piece = section(random.below(12) as u8, &bytes[at..end]);
            bytes.splice(at..at, piece);
        }
        _ => bytes.extend_from_slice(&[0, random.below(256) as u8, 0]),
    }
}

#[test]
fn attack_119_whatever_is_changed_is_refused_or_is_not_from_the_publisher() {
    let cases = if std::env::var_os("CELLAR_LONG").is_some() { 500_000 } else { 20_000 };
    let key = succeeded(&key());
    let (content, bytes) = (unsigned(), signed(&key, &unsigned()));
    let (mut parsed, mut kept) = (0_u32, 0_u32);
    for seed in 0..cases {
        let mut random = Random(seed);
        let mut changed = if seed % 2 == 0 { bytes.clone() } else { content.clone() };
        for _ in 0..=random.below(4) {
            mutate(&mut changed, &mut random);
        }
        let Ok(package) = Package::parse(&changed) else { continue };
        parsed += 1;
        assert_eq!(package.manifest().for_package(), Ok(()), "seed {seed}");
        assert!(changed.starts_with(package.content()), "seed {seed}");
        if let Ok(verified) = package.verify() {
            kept += 1;
            assert!(changed == bytes && verified.publisher == key.publisher(), "seed {seed}");
        }
    }
    println!("seeds 0 to {cases}: {parsed} were packages, {kept} still signed");
    assert!(parsed > 50, "only {parsed} packages: too much was changed for the test to say anything");
}
