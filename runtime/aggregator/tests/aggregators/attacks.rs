//! Attacks 161 to 169: hosts, strangers and each of the two aggregators, as they should not behave.

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use runtime_aggregator::collect::{CollectError, collect};
use runtime_aggregator::error::{LinkError, Refusal};
use runtime_aggregator::link::Link;
use runtime_aggregator::message::{Message, Part, Parts, Reply, Request};
use runtime_aggregator::scheme::{About, NUMBER_BYTES, Scheme};
use runtime_package::PublisherKey;
use runtime_study::{Report, ReportId, SignedStudy, Verdict};

use crate::support::{NUMBERS, Pair, SMALLEST_GROUP, files, folder, id, people};
use crate::totals::totals;

fn stranger() -> SigningKey {
    SigningKey::generate(KeyKind::Ed25519, &SystemRandom::new()).expect("random bytes")
}

/// A host that says what it likes.
struct Liar<'p> {
    pair: &'p Pair,
    key: SigningKey,
}

impl<'p> Liar<'p> {
    fn of(pair: &'p Pair) -> Self {
        Self { pair, key: stranger() }
    }

    fn ask_as(&self, key: &SigningKey, which: usize, request: &Request) -> Result<Reply, LinkError> {
        let aggregators = self.pair.study.study().aggregators().expect("two");
        Link::connect(&aggregators[which], key)?.ask(request)
    }

    fn ask(&self, which: usize, request: &Request) -> Result<Reply, LinkError> {
        self.ask_as(&self.key, which, request)
    }

    /// Gives each its part, and has them counted.
    fn count(&self, epoch: u32, leader: Part, helper: Part) -> Verdict {
        let parts = |part| Parts { study: self.pair.study.id().0, epoch, parts: vec![part] };
        let held = self.ask(1, &Request::Hold(parts(helper))).expect("held");
        assert!(held == Reply::Done);
        match self.ask(0, &Request::Count(parts(leader))).expect("an answer") {
            Reply::Verdicts(verdicts) => verdicts[0],
            _ => panic!("no verdict"),
        }
    }
}

/// The parts of one report: the leader's and the helper's.
fn parts(study: &SignedStudy, epoch: u32, id: ReportId, numbers: &[i64]) -> [Part; 2] {
    let nonce = [7; 16];
    let shares = Scheme::of(study).expect("a scheme").split(&About { epoch, id, nonce }, numbers);
    let shares = shares.expect("within bounds");
    let part = |share| Part { id, nonce, public: shares.public.clone(), share };
    [part(shares.leader.clone()), part(shares.helper.clone())]
}

fn one() -> Vec<i64> {
    let mut numbers = vec![0; NUMBERS];
    numbers[0] = 100;
    numbers
}

fn refusal(answered: Result<Reply, LinkError>) -> Refusal {
    match answered {
        Err(LinkError::Refused(refusal)) => refusal,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was answered"),
    }
}

#[test]
fn attack_161_numbers_out_of_bounds_are_refused_by_their_proof_and_counted_as_refused() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    // What is out of bounds cannot be split under the rules of the study at all.
    let scheme = Scheme::of(&pair.study).expect("a scheme");
    let about = About { epoch: 0, id: id(1, 1), nonce: [7; 16] };
    for numbers in [vec![301; NUMBERS], vec![13; NUMBERS], vec![-1; NUMBERS], vec![0; NUMBERS - 1]] {
        assert!(scheme.split(&about, &numbers).is_err(), "{numbers:?}");
        let report = Report { id: id(1, 1), numbers };
        assert_eq!(pair.send(0, &[report]), [Verdict::BadProof]);
    }
    assert_eq!(pair.status(0, 0), (0, 0), "nothing was sent");
    // Rules of its own, with as many bits: more in one number, and more in all of them together.
    let wide = pair.another(&|text| text.replace("l1 = 300", "l1 = 511"));
    let mut large = vec![0; NUMBERS];
    large[3] = 500;
    for (number, numbers) in [large, vec![20; NUMBERS]].iter().enumerate() {
        let [leader, helper] = parts(&wide, 0, id(1, 10 + number), numbers);
        assert_eq!(liar.count(0, leader, helper), Verdict::BadProof, "{numbers:?}");
    }
    assert_eq!((pair.status(0, 0), pair.status(1, 0)), ((0, 2), (0, 2)));
    let [leader, helper] = parts(&pair.study, 0, id(1, 20), &one());
    assert_eq!(liar.count(0, leader, helper), Verdict::Counted);
}

#[test]
fn attack_162_a_share_or_a_proof_that_was_changed_is_refused() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    let [leader, helper] = parts(&pair.study, 0, id(1, 1), &one());
    let (bits, end) = (0, leader.share.len());
    // In the numbers, in the proof, in the blinding at the end; cut, and with more behind it.
    let mut changed: Vec<[Part; 2]> = Vec::new();
    for at in [bits, 5 * NUMBER_BYTES, end / 2, end - 40, end - 1] {
        let mut leader = leader.clone();
        leader.share[at] ^= 1;
        changed.push([leader, helper.clone()]);
    }
    for at in [0, helper.share.len() - 1] {
        let mut helper = helper.clone();
        helper.share[at] ^= 1;
        changed.push([leader.clone(), helper]);
    }
    for which in 0..2 {
        for cut in [false, true] {
            let mut both = [leader.clone(), helper.clone()];
            match cut {
                true => both[which].share.truncate(17),
                false => both[which].share.push(0),
            }
            changed.push(both);
        }
        // What each is told of the other: the leader's part comes first, and each makes its own anew.
        let mut both = [leader.clone(), helper.clone()];
        both[which].public[[32, 0][which]] ^= 1;
        changed.push(both);
    }
    let count = changed.len() as u64;
    for [leader, helper] in changed {
        assert_eq!(liar.count(0, leader, helper), Verdict::BadProof);
    }
    assert_eq!(pair.status(0, 0), (0, count));
    // The id was not used up by what was refused.
    assert_eq!(liar.count(0, leader, helper), Verdict::Counted);
}

#[test]
fn attack_163_shares_of_another_study_epoch_or_report_are_refused() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    let other = pair.another(&|text| text.replace("name = \"hours\"\ntitle", "name = \"others\"\ntitle"));
    assert_ne!(other.id(), pair.study.id());
    let [leader, helper] = parts(&other, 0, id(1, 1), &one());
    assert_eq!(liar.count(0, leader, helper), Verdict::BadProof, "of another study");
    let [leader, helper] = parts(&pair.study, 1, id(1, 1), &one());
    assert_eq!(liar.count(0, leader, helper), Verdict::BadProof, "of another epoch");
    let renamed = |part: Part| Part { id: id(1, 2), ..part };
    let [leader, helper] = parts(&pair.study, 0, id(1, 1), &one());
    assert_eq!(liar.count(0, renamed(leader), renamed(helper)), Verdict::BadProof, "of another report");
    let unknown = Parts { study: [9; 32], epoch: 0, parts: Vec::new() };
    assert_eq!(refusal(liar.ask(1, &Request::Hold(unknown.clone()))), Refusal::NoSuchStudy);
    assert_eq!(refusal(liar.ask(0, &Request::Count(unknown))), Refusal::NoSuchStudy);
    let late = Parts { study: pair.study.id().0, epoch: 99, parts: Vec::new() };
    assert_eq!(refusal(liar.ask(0, &Request::Count(late))), Refusal::NoSuchEpoch);
}

#[test]
fn attack_164_a_report_that_comes_again_is_counted_once() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    let parts_of = || parts(&pair.study, 0, id(1, 1), &one());
    let [leader, helper] = parts_of();
    assert_eq!(liar.count(0, leader.clone(), helper.clone()), Verdict::Counted);
    assert_eq!(liar.count(0, leader, helper), Verdict::Repeated, "the very same shares");
    let [leader, helper] = parts_of();
    assert_eq!(liar.count(0, leader, helper), Verdict::Repeated, "new shares of the same report");
    // Twice in one message, from two hosts at once, and after both have started again.
    let (reports, _) = people(&pair.study, 2, 6, 5);
    let twice: Vec<Report> = reports.iter().chain(&reports).cloned().collect();
    let said = pair.send(0, &twice);
    assert_eq!(said.iter().filter(|verdict| **verdict == Verdict::Counted).count(), 6);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(pair.send(0, &reports).iter().all(|verdict| verdict.is_counted())));
        }
    });
    let mut pair = pair;
    (0..2).for_each(|which| pair.restart(which));
    assert_eq!(pair.send(0, &reports), vec![Verdict::Repeated; 6]);
    assert_eq!((pair.status(0, 0), pair.status(1, 0)), ((7, 0), (7, 0)));
    // The same person counts again in another epoch.
    assert_eq!(pair.send(1, &reports), vec![Verdict::Counted; 6]);
}

#[test]
fn attack_165_shares_that_were_swapped_or_belong_to_two_people_are_refused() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    let [leader, helper] = parts(&pair.study, 0, id(1, 1), &one());
    assert_eq!(liar.count(0, helper.clone(), leader.clone()), Verdict::BadProof, "swapped");
    let [_, others] = parts(&pair.study, 0, id(1, 1), &[2; NUMBERS]);
    assert_eq!(liar.count(0, leader.clone(), others), Verdict::BadProof, "of two contributions");
    // One aggregator alone counts nothing.
    let alone = Parts { study: pair.study.id().0, epoch: 0, parts: vec![leader] };
    match liar.ask(0, &Request::Count(alone)).expect("an answer") {
        Reply::Verdicts(said) => assert_eq!(said, [Verdict::Again]),
        _ => panic!("no verdict"),
    }
    assert_eq!(pair.status(0, 0).0, 0);
    let ask = |which, request: &Request| refusal(liar.ask(which, request));
    let held = Parts { study: pair.study.id().0, epoch: 0, parts: vec![helper] };
    assert_eq!(ask(0, &Request::Hold(held.clone())), Refusal::NotForMe);
    assert_eq!(ask(1, &Request::Count(held)), Refusal::NotForMe);
}

#[test]
fn attack_166_only_the_leader_decides_counts_only_the_researcher_closes_and_only_its_key_is_an_aggregator() {
    let pair = Pair::start();
    let liar = Liar::of(&pair);
    let (study, epoch) = (pair.study.id().0, 0);
    let (reports, _) = people(&pair.study, 1, 6, 1);
    assert_eq!(pair.send(epoch, &reports), vec![Verdict::Counted; 6]);
    let parts = Parts { study, epoch, parts: Vec::new() };
    let close = |signature: Vec<u8>| Request::Close { study, epoch, people: 6, chain: [0; 32], signature };
    for request in [
        Request::Open { study, verify_key: [0; 32] },
        Request::Prepare { count: [1; 16], parts },
        Request::Settle { study, count: [1; 16], key: None },
        close(Vec::new()),
        Request::Status,
    ] {
        assert_eq!(refusal(liar.ask(1, &request)), Refusal::NotForMe);
        assert_eq!(refusal(liar.ask(0, &request)), Refusal::NotForMe);
    }
    // The leader cannot exchange the key of the proofs, nor close without the researcher.
    let leader = pair.folder(0);
    let open = Request::Open { study, verify_key: [0; 32] };
    assert_eq!(refusal(liar.ask_as(leader.key(), 1, &open)), Refusal::OtherKey);
    assert_eq!(refusal(liar.ask_as(leader.key(), 1, &close(vec![0; 100]))), Refusal::NotTheResearcher);
    // Nor with other reports than the helper has counted.
    let document = runtime_study::collect_document(&study, epoch);
    let random = SystemRandom::new();
    let signature = pair.key.sign_document(runtime_study::COLLECT_DOMAIN, &document, &random);
    let signature = signature.expect("random bytes");
    assert_eq!(refusal(liar.ask_as(leader.key(), 1, &close(signature.clone()))), Refusal::Apart);
    // Another researcher, or a signature for another epoch.
    let other = PublisherKey::generate(&random).expect("random bytes");
    assert!(matches!(collect(&pair.study, epoch, &other), Err(CollectError::OtherKey)));
    let forged =
        other.sign_document(runtime_study::COLLECT_DOMAIN, &document, &random).expect("random bytes");
    for (epoch, signature) in [(epoch, forged), (1, signature)] {
        for which in 0..2 {
            let request = Request::Collect { study, epoch, signature: signature.clone() };
            assert_eq!(refusal(liar.ask(which, &request)), Refusal::NotTheResearcher);
        }
    }
    // A host sends nothing to somebody else who listens at the address.
    let mut elsewhere = pair.study.study().aggregators().expect("two")[0].clone();
    elsewhere.key = "00".repeat(32);
    assert!(matches!(
        Link::connect(&elsewhere, &stranger()).and_then(|mut link| link.ask(&Request::Status)),
        Err(LinkError::Io(_) | LinkError::Tls(_))
    ));
    assert!(collect(&pair.study, epoch, &pair.key).is_ok());
}

#[test]
fn attack_167_below_the_smallest_group_no_share_leaves_and_the_epoch_stays_open() {
    let pair = Pair::start();
    let (reports, _) = people(&pair.study, 1, SMALLEST_GROUP, 3);
    let (last, few) = reports.split_last().expect("five");
    assert_eq!(pair.send(0, few), vec![Verdict::Counted; SMALLEST_GROUP - 1]);
    for _ in 0..2 {
        match collect(&pair.study, 0, &pair.key) {
            Err(CollectError::Aggregator { which: "leader", source, .. }) => {
                assert_eq!(refusal(Err(source)), Refusal::TooFew);
            }
            _ => panic!("four are too few"),
        }
    }
    // The helper does not close either, whatever the leader says.
    let liar = Liar::of(&pair);
    let random = SystemRandom::new();
    let (study, document) = (pair.study.id().0, runtime_study::collect_document(&pair.study.id().0, 0));
    let signature = pair.key.sign_document(runtime_study::COLLECT_DOMAIN, &document, &random);
    let signature = signature.expect("random bytes");
    let request = Request::Collect { study, epoch: 0, signature };
    assert_eq!(refusal(liar.ask(1, &request)), Refusal::NotOpen);
    assert_eq!(pair.send(0, std::slice::from_ref(last)), [Verdict::Counted]);
    assert!(collect(&pair.study, 0, &pair.key).is_ok());
    assert_eq!(pair.send(0, &people(&pair.study, 2, 1, 4).0), [Verdict::Closed]);
}

#[test]
fn attack_168_whoever_asks_again_gets_the_same_totals_and_one_share_tells_nothing() {
    let mut pair = Pair::start();
    let (reports, truth) = people(&pair.study, 1, 20, 8);
    for epoch in 0..2 {
        assert_eq!(pair.send(epoch, &reports), vec![Verdict::Counted; 20]);
    }
    let first = collect(&pair.study, 0, &pair.key).expect("an answer");
    assert_eq!(collect(&pair.study, 0, &pair.key).expect("the same"), first);
    (0..2).for_each(|which| pair.restart(which));
    assert_eq!(collect(&pair.study, 0, &pair.key).expect("the same"), first);
    let other = collect(&pair.study, 1, &pair.key).expect("an answer");
    assert_ne!(totals(&other), totals(&first), "noise is drawn for each epoch");
    // A share alone is spread over the whole field: nothing in it is near the sums.
    let random = SystemRandom::new();
    let (study, document) = (pair.study.id().0, runtime_study::collect_document(&pair.study.id().0, 0));
    let signature = pair.key.sign_document(runtime_study::COLLECT_DOMAIN, &document, &random);
    let request = Request::Collect { study, epoch: 0, signature: signature.expect("random bytes") };
    let liar = Liar::of(&pair);
    for which in 0..2 {
        let Reply::Share(share) = liar.ask(which, &request).expect("a share") else { panic!("no share") };
        let scheme = Scheme::of(&pair.study).expect("a scheme");
        let alone = scheme.sum(&share).expect("of this study").totals();
        let near = |(alone, truth): (&i64, &i64)| (alone - truth).unsigned_abs() < 1 << 60;
        let saturated = alone.iter().filter(|total| **total == i64::MAX || **total == i64::MIN).count();
        assert_eq!(saturated, NUMBERS, "each number is far beyond 64 bits");
        assert!(!alone.iter().map(|total| total / 4).zip(&truth).any(|(alone, truth)| near((&alone, truth))));
    }
}

#[test]
fn attack_169_a_contribution_is_in_no_file_no_log_and_no_message_of_one_aggregator() {
    /// What one person gives; no share and no noise is likely to be.
    const MARKER: i64 = 476_206_137;
    let mut pair = Pair::start();
    let wide = pair.another(&|text| {
        text.replace("l1 = 300", "l1 = 1_000_000_000").replace("hi = 100", "hi = 600_000_000")
    });
    pair.study = wide;
    let mut numbers = vec![0; NUMBERS];
    numbers[2] = MARKER;
    let report = Report { id: id(1, 99), numbers: numbers.clone() };
    let (others, _) = people(&pair.study, 1, 6, 2);
    assert_eq!(pair.send(0, std::slice::from_ref(&report)), [Verdict::Counted]);
    assert_eq!(pair.send(0, &others), vec![Verdict::Counted; 6]);
    // One that is refused, which is logged or not, has its own chance to show.
    let [mut leader, helper] = parts(&pair.study, 0, id(1, 98), &numbers);
    leader.share[0] ^= 1;
    let liar = Liar::of(&pair);
    assert_eq!(liar.count(0, leader.clone(), helper.clone()), Verdict::BadProof);
    let request = |part| Parts { study: pair.study.id().0, epoch: 0, parts: vec![part] };
    let mut places = vec![
        ("what the leader hears".to_owned(), Request::Count(request(leader)).encode()),
        ("what the helper hears".to_owned(), Request::Hold(request(helper)).encode()),
        ("the leader's log".to_owned(), pair.running[0].said()),
        ("the helper's log".to_owned(), pair.running[1].said()),
    ];
    for which in 0..2 {
        places.extend(files(&folder(pair.home(), which)));
    }
    assert!(collect(&pair.study, 0, &pair.key).is_ok());
    for which in 0..2 {
        places.extend(files(&folder(pair.home(), which)));
    }
    assert!(places.iter().filter(|(name, _)| name.ends_with("ledger.redb")).count() == 4);
    let texts = [
        MARKER.to_string().into_bytes(),
        MARKER.to_le_bytes().to_vec(),
        i128::from(MARKER).to_be_bytes().to_vec(),
        (MARKER as f64).to_le_bytes().to_vec(),
    ];
    for (name, content) in &places {
        for text in &texts {
            assert!(!content.windows(text.len()).any(|window| window == text), "{name} has the contribution");
        }
    }
    // Nor is a share of the person there: the helper's is short, and would be found as it was sent.
    let [leader, helper] = parts(&pair.study, 1, id(1, 97), &numbers);
    assert_eq!(liar.count(1, leader.clone(), helper.clone()), Verdict::Counted);
    for which in 0..2 {
        for (name, content) in files(&folder(pair.home(), which)) {
            for share in [&leader.share[..32], &helper.share[..32]] {
                assert!(!content.windows(32).any(|window| window == share), "{name} has a share");
            }
        }
    }
}
