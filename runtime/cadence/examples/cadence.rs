//! Prints the table for so many people and days each: `cargo run -p runtime-cadence --example cadence -- 10 20`. A
//! third argument is the first seed, a fourth part of an app's name: its faults are told, ours, or with a fifth argument
//! those of the reference's `time` or `distance` method.

use cells_locations::Sampling;
use runtime_cadence::faults::{faults, told};
use runtime_cadence::{App, Sample, compare, table};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |place: usize, usual: u32| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(usual);
    let first = u64::from(number(2, 1));
    let sample = Sample { seeds: (first..first + u64::from(number(0, 10))).collect(), days: number(1, 20) };
    println!("seeds {:?}, {} days each", sample.seeds, sample.days);
    let wanted = |app: &App| words.get(3).is_none_or(|name| app.name().contains(name.as_str()));
    let all = || App::all().into_iter().chain([App::Recording]);
    let lines: Vec<_> = all().filter(wanted).map(|app| compare(app, &sample)).collect();
    table(&lines).iter().for_each(|line| println!("{line}"));
    if words.len() > 3 {
        let reference =
            words.get(4).map(|word| if word == "time" { Sampling::Time } else { Sampling::Distance });
        let apps = all().filter(wanted);
        let told = apps.flat_map(|app| faults(app, &sample, reference)).flat_map(|fault| told(&fault));
        told.for_each(|line| println!("{line}"));
    }
}
