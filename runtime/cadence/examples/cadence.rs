//! Prints the table for so many people and days each: `cargo run -p runtime-cadence --example cadence -- 10 20`.

use runtime_cadence::{App, Sample, compare, table};

fn main() {
    let number = |place: usize, usual: u32| {
        std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let sample = Sample { seeds: (1..=u64::from(number(1, 10))).collect(), days: number(2, 20) };
    println!("seeds {:?}, {} days each", sample.seeds, sample.days);
    let lines: Vec<_> = App::all().into_iter().map(|app| compare(app, &sample)).collect();
    table(&lines).iter().for_each(|line| println!("{line}"));
}
