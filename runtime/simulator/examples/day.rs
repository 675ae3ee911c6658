//! One simulated day as a phone would put it: a JSON array of entries on standard output, the truth on standard error.
//! Run: cargo run -p runtime-simulator --example day -- SEED android|ios [DAY since 1970]

use runtime_simulator::{Person, Phone, simulate_day};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seed = arguments.first().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let phone = if arguments.get(1).is_some_and(|name| name == "ios") { Phone::Ios } else { Phone::Android };
    let day = arguments.get(2).and_then(|day| day.parse().ok()).unwrap_or(19_786);
    let simulated = simulate_day(&Person::invent(seed, phone).plan(day), seed);
    println!("[\n{}\n]", simulated.entries.join(",\n"));
    for trip in &simulated.truth {
        eprintln!("{trip:?}");
    }
}
