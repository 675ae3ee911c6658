//! The gate with the real noise: how far its totals are from the truth, and that it answers an epoch once.

use std::fs;
use std::path::Path;

use rand_mt::Mt64;
use ring::rand::SystemRandom;
use runtime_package::PublisherKey;
use runtime_studies::{GateError, answer};
use runtime_study::{
    Answer, Ask, BadStudy, Bounded, SignedStudy, answer_file, error_bar, mark_file, outside_probability, sign,
};

const PEOPLE: u64 = 1_000;
const NUMBERS: usize = 12;
/// As many epochs as there are draws of each number.
const EPOCHS: u32 = 300;

fn study() -> SignedStudy {
    let text = format!(
        "version = 1\nname = \"hours\"\ntitle = \"Hours\"\npurpose = \"Counts hours.\"\nethics = \"none: a test\"\n\
         cell = \"zntsnvirhlbqxq6osekdyyuqt4\"\ndigest = \"{}\"\nstreams = [\"background/filtered_location\"]\n\
         from = 2026-01-01\nuntil = 2026-10-28\nepoch = \"day\"\nepsilon = 0.5\nl1 = 300\nsmallest-group = 20\n\
         answered = \"one-host\"\n[[numbers]]\nname = \"hours\"\nlo = 0\nhi = 100\ntimes = {NUMBERS}\n",
        "ab".repeat(32)
    );
    let random = SystemRandom::new();
    let key = PublisherKey::generate(&random).expect("random bytes");
    let text = sign(text.as_bytes(), &key, &random).expect("random bytes").expect("a study");
    SignedStudy::parse(text.as_bytes()).expect("a signed study")
}

/// The sums of what invented people give, some of it far out of bounds.
fn sums(study: &SignedStudy, seed: u64) -> Vec<i64> {
    let mut random = Mt64::new(seed);
    let mut sums = vec![0; NUMBERS];
    for _ in 0..PEOPLE {
        let given: Vec<f64> = (0..NUMBERS).map(|_| (random.next_u64() % 400) as f64 / 3.0 - 20.0).collect();
        Bounded::of(study.study(), &given).expect("the right length").add_to(&mut sums);
    }
    sums
}

fn ask(study: &SignedStudy, folder: &Path, epoch: u32, sums: &[i64]) -> Ask {
    let (study, folder) = (study.text().to_owned(), folder.to_owned());
    Ask { study, epoch, people: PEOPLE, sums: sums.to_vec(), folder }
}

fn totals(answer: &Answer) -> Vec<i64> {
    answer.totals.iter().map(|total| total.total).collect()
}

/// Whether errors lie outside the bar as often as noise of that scale says, within five standard deviations, and are
/// as much above the truth as below.
fn are_as_stated(errors: &[i64], scale: f64) -> Result<(), String> {
    let (bar, count) = (error_bar(scale), errors.len() as f64);
    let probability = outside_probability(scale, bar);
    let outside = errors.iter().filter(|error| error.unsigned_abs() > bar).count() as f64;
    let (wanted, deviation) = (count * probability, (count * probability * (1.0 - probability)).sqrt());
    if (outside - wanted).abs() > 5.0 * deviation {
        return Err(format!("{outside} of {count} outside ±{bar}; {wanted:.0} ± {deviation:.1} are stated"));
    }
    let mean = errors.iter().sum::<i64>() as f64 / count;
    let deviation = scale * (2.0 / count).sqrt();
    if mean.abs() > 5.0 * deviation {
        return Err(format!("the mean of all errors is {mean:.1}; {deviation:.1} is its deviation"));
    }
    Ok(())
}

/// What noise is made of an error.
type Plant = fn(i64) -> i64;

#[test]
fn totals_of_a_thousand_people_lie_within_the_error_bar_as_often_as_is_stated() {
    let (study, folder) = (study(), tempfile::tempdir().expect("a folder"));
    let mut errors = Vec::new();
    let mut scale = f64::NAN;
    for epoch in 0..EPOCHS {
        let seed = u64::from(epoch) + 1;
        let truth = sums(&study, seed);
        let answer = answer(&ask(&study, folder.path(), epoch, &truth)).expect("an answer");
        assert_eq!((answer.error_bar, answer.confidence_percent), (error_bar(answer.scale), 95));
        errors.extend(totals(&answer).iter().zip(&truth).map(|(total, truth)| total - truth));
        scale = answer.scale;
    }
    let outside = errors.iter().filter(|error| error.unsigned_abs() > error_bar(scale)).count();
    println!("seeds 1 to {EPOCHS}: {outside} of {} totals outside ±{}", errors.len(), error_bar(scale));
    are_as_stated(&errors, scale).expect("noise as stated");
    // The same check finds noise that is left out, half as wide, twice as wide, or added on one side.
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
}

#[test]
fn the_scale_is_the_l1_bound_divided_by_epsilon_and_no_smaller() {
    let (study, folder) = (study(), tempfile::tempdir().expect("a folder"));
    let answer = answer(&ask(&study, folder.path(), 0, &[0; NUMBERS])).expect("an answer");
    assert!(answer.scale >= 600.0 && answer.scale < 600.000_001, "{}", answer.scale);
    // What OpenDP itself says of that scale is the first distance that is *not* inside.
    let theirs = opendp::accuracy::discrete_laplacian_scale_to_accuracy(answer.scale, 0.05).expect("a bar");
    assert!((answer.error_bar as f64 - theirs).abs() <= 1.0, "{} and {theirs}", answer.error_bar);
}

#[test]
fn attack_150_an_epoch_gets_one_answer_and_its_noise_is_never_drawn_again() {
    let (study, folder) = (study(), tempfile::tempdir().expect("a folder"));
    let first = answer(&ask(&study, folder.path(), 3, &[5; NUMBERS])).expect("an answer");
    for sums in [[5; NUMBERS], [9; NUMBERS]] {
        assert_eq!(answer(&ask(&study, folder.path(), 3, &sums)).expect("the same answer"), first);
    }
    assert_ne!(
        totals(&answer(&ask(&study, folder.path(), 4, &[5; NUMBERS])).expect("another")),
        totals(&first)
    );
    // Power went between the mark and the answer: the epoch is lost rather than answered twice.
    fs::remove_file(answer_file(folder.path(), 3)).expect("it was there");
    let again = answer(&ask(&study, folder.path(), 3, &[5; NUMBERS]));
    assert!(matches!(again, Err(GateError::Spent { epoch: 3 })), "{again:?}");
}

#[test]
fn attack_151_a_group_below_the_smallest_gets_no_answer_and_no_mark() {
    let (study, folder) = (study(), tempfile::tempdir().expect("a folder"));
    let few = Ask { people: 19, ..ask(&study, folder.path(), 0, &[1; NUMBERS]) };
    assert!(matches!(answer(&few), Err(GateError::TooFew { least: 20 })));
    assert!(!mark_file(folder.path(), 0).exists());
    assert!(answer(&Ask { people: 20, ..few }).is_ok());
}

#[test]
fn what_the_gate_refuses_leaves_no_mark() {
    let (study, folder) = (study(), tempfile::tempdir().expect("a folder"));
    let sound = ask(&study, folder.path(), 0, &[1; NUMBERS]);
    let refused = |ask: Ask| answer(&ask).expect_err("refused");
    assert!(matches!(
        refused(Ask { sums: vec![1; NUMBERS + 1], ..sound.clone() }),
        GateError::Length { found: 13, wanted: 12 }
    ));
    assert!(matches!(
        refused(Ask { epoch: 300, ..sound.clone() }),
        GateError::NoSuchEpoch { epochs: 300, .. }
    ));
    let large = Ask { people: 20, sums: vec![501; NUMBERS], ..sound.clone() };
    assert!(matches!(refused(large), GateError::Sum { people: 20 }));
    let changed = sound.study.replace("epsilon = 0.5", "epsilon = 1.5");
    let changed = refused(Ask { study: changed, ..sound.clone() });
    assert!(matches!(changed, GateError::Study(BadStudy::Signature(_))), "{changed:?}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    assert!(answer(&sound).is_ok());
}
