//! How long does it take to simulate a year of one person?
//!
//! * Work: 365 days of one Android phone and of one iPhone.
//! * Reports: entries, fixes a day, bytes, seconds.
//! * Estimate: a few hundred nanoseconds for each text, a microsecond for each second of an iPhone's trips: about a
//!   second for each phone.
//! * Run: cargo run --release -p runtime-simulator --example year

use runtime_simulator::{Person, Phone, simulate_days};
use std::time::Instant;

fn main() {
    for phone in [Phone::Android, Phone::Ios] {
        let person = Person::invent(1, phone);
        let begun = Instant::now();
        let (mut entries, mut fixes, mut bytes, mut trips) = (0, 0, 0, 0);
        for day in simulate_days(&person, 19_723, 365) {
            entries += day.entries.len();
            fixes += day.entries.iter().filter(|entry| entry.contains("\"latitude\"")).count();
            bytes += day.entries.iter().map(String::len).sum::<usize>();
            trips += day.truth.len();
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{phone:?}: {entries} entries ({} fixes a day, {bytes} bytes) of {trips} trips in {seconds:.2} s",
            fixes / 365
        );
    }
}
