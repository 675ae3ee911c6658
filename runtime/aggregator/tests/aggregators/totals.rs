//! Totals of two hosts' people, and the noise of them.

use runtime_aggregator::collect::collect;
use runtime_aggregator::scheme::Scheme;
use runtime_study::{Answer, Verdict, error_bar_of_two, outside_probability_of_two};

use crate::support::{NUMBERS, Pair, people};

/// Of each host.
const PEOPLE: usize = 500;
const SEEDS: std::ops::RangeInclusive<u32> = 1..=3;
/// Further noise of both, over sums of nothing.
const DRAWS: usize = 150;

pub fn totals(answer: &Answer) -> Vec<i64> {
    answer.totals.iter().map(|total| total.total).collect()
}

/// Whether errors lie outside the bar as often as noise of two such scales says, within five standard deviations, and
/// are as much above the truth as below.
fn are_as_stated(errors: &[i64], scale: f64) -> Result<(), String> {
    let (bar, count) = (error_bar_of_two(scale), errors.len() as f64);
    let probability = outside_probability_of_two(scale, bar);
    let outside = errors.iter().filter(|error| error.unsigned_abs() > bar).count() as f64;
    let (wanted, deviation) = (count * probability, (count * probability * (1.0 - probability)).sqrt());
    if (outside - wanted).abs() > 5.0 * deviation {
        return Err(format!("{outside} of {count} outside ±{bar}; {wanted:.0} ± {deviation:.1} are stated"));
    }
    let mean = errors.iter().sum::<i64>() as f64 / count;
    let deviation = 2.0 * scale / count.sqrt();
    if mean.abs() > 5.0 * deviation {
        return Err(format!("the mean of all errors is {mean:.1}; {deviation:.1} is its deviation"));
    }
    Ok(())
}

/// What noise is made of an error.
type Plant = fn(i64) -> i64;

#[test]
fn totals_of_two_times_five_hundred_people_lie_within_the_error_bar_as_often_as_is_stated() {
    let pair = Pair::start();
    let scheme = Scheme::of(&pair.study).expect("a scheme");
    let (mut errors, mut scale) = (Vec::new(), f64::NAN);
    for seed in SEEDS {
        let (epoch, mut truth) = (seed - 1, vec![0; NUMBERS]);
        std::thread::scope(|scope| {
            let hosts = [1, 2].map(|host| {
                let (reports, sums) = people(&pair.study, host, PEOPLE, u64::from(seed));
                truth.iter_mut().zip(sums).for_each(|(truth, sum)| *truth += sum);
                let pair = &pair;
                scope.spawn(move || pair.send(epoch, &reports))
            });
            for host in hosts {
                assert_eq!(host.join().expect("no panic"), vec![Verdict::Counted; PEOPLE]);
            }
        });
        let answer = collect(&pair.study, epoch, &pair.key).expect("an answer");
        assert_eq!((answer.error_bar, answer.confidence_percent), (error_bar_of_two(answer.scale), 95));
        assert!((answer.scale - 1_200.0).abs() < 1e-9, "2 · l1 / ε is {}", answer.scale);
        let of_seed: Vec<i64> =
            totals(&answer).iter().zip(&truth).map(|(total, truth)| total - truth).collect();
        // What is far beyond is not noise: a sum of shares that do not belong together is anywhere in the field.
        let far = 8 * i64::try_from(answer.error_bar).expect("small");
        assert!(of_seed.iter().all(|error| error.abs() < far), "seed {seed}: {of_seed:?}");
        assert_eq!(pair.status(0, epoch), (2 * PEOPLE as u64, 0));
        errors.extend(of_seed);
        scale = answer.scale;
    }
    // More draws of the same noise, as each aggregator adds it to its share.
    let mut single = Vec::new();
    for _ in 0..DRAWS {
        let drawn = [0, 1].map(|_| {
            let mut sum = scheme.nothing();
            scheme.add_noise(&mut sum).expect("noise");
            sum
        });
        let [mut both, other] = drawn;
        single.extend(both.totals());
        both.add(&other);
        errors.extend(both.totals());
    }
    let bar = error_bar_of_two(scale);
    let outside = errors.iter().filter(|error| error.unsigned_abs() > bar).count();
    println!("seeds {SEEDS:?}: {outside} of {} totals outside ±{bar}", errors.len());
    are_as_stated(&errors, scale).expect("noise as stated");
    // The same check finds noise that is left out, half as wide, twice as wide, or added on one side, and noise that one
    // of the two has left out.
    let planted: [(&str, Plant); 4] = [
        ("none", |_| 0),
        ("half", |error| error / 2),
        ("double", |error| error * 2),
        ("one-sided", i64::abs),
    ];
    for (fault, plant) in planted {
        let planted: Vec<i64> = errors.iter().map(|error| plant(*error)).collect();
        assert!(are_as_stated(&planted, scale).is_err(), "{fault}");
    }
    assert!(are_as_stated(&single, scale).is_err(), "the noise of one alone");
}

#[test]
fn the_noise_of_one_aggregator_alone_keeps_the_epsilon_of_the_study() {
    let pair = Pair::start();
    let scheme = Scheme::of(&pair.study).expect("a scheme");
    let mut magnitudes = Vec::new();
    for _ in 0..DRAWS {
        let mut sum = scheme.nothing();
        scheme.add_noise(&mut sum).expect("noise");
        magnitudes.extend(sum.totals().iter().map(|noise| noise.unsigned_abs()));
    }
    // Discrete Laplace of scale b has a mean magnitude of nearly b, and a deviation of nearly b.
    let mean = magnitudes.iter().sum::<u64>() as f64 / magnitudes.len() as f64;
    let deviation = pair.study.study().scale() / (magnitudes.len() as f64).sqrt();
    assert!((mean - pair.study.study().scale()).abs() < 5.0 * deviation, "{mean:.1} ± {deviation:.1}");
}
