//! The arithmetic of a budget, against a model. What the disk adds is in `runtime/testkit`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Reserve { study: u8, epoch: u32, micro: u64 },
    Commit(usize),
    Refund(usize),
    Reread,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8, 0..6_u32, prop_oneof![Just(250_000_u64), Just(1), 1..2_000_000_u64])
            .prop_map(|(study, epoch, micro)| Step::Reserve { study, epoch, micro }),
        2 => (0..12_usize).prop_map(Step::Commit),
        2 => (0..12_usize).prop_map(Step::Refund),
        1 => Just(Step::Reread),
    ]
}

proptest! {
    #[test]
    fn a_budget_is_never_overspent_and_nothing_is_charged_or_given_back_twice(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut budget = Budget::default();
        // The model: what each epoch has cost and whether it is spent, and every number that was ever given.
        let mut charged: BTreeMap<(String, u32), (u64, u64, bool)> = BTreeMap::new();
        let mut numbers: Vec<u64> = Vec::new();
        for step in steps {
            let used: u64 = charged.values().map(|(_, micro, _)| micro).sum();
            match step {
                Step::Reserve { study, epoch, micro } => {
                    let key = (study.to_string(), epoch);
                    let reserved = budget.reserve(&key.0, epoch, micro);
                    match charged.get(&key) {
                        Some((number, known, false)) if *known == micro => prop_assert_eq!(reserved, Ok(*number)),
                        Some(_) => prop_assert_eq!(reserved, Err(BudgetError::AlreadyGiven { epoch })),
                        None if used + micro > BUDGET_MICRO => {
                            let left = BUDGET_MICRO - used;
                            prop_assert_eq!(reserved, Err(BudgetError::TooLittle { left, asked: micro }));
                        }
                        None => {
                            let number = reserved.expect("there is enough");
                            prop_assert!(!numbers.contains(&number));
                            numbers.push(number);
                            charged.insert(key, (number, micro, false));
                        }
                    }
                }
                Step::Commit(at) => {
                    let number = numbers.get(at).copied().unwrap_or(999);
                    let charge = charged.values_mut().find(|(known, ..)| *known == number);
                    prop_assert_eq!(budget.commit(number).is_ok(), charge.is_some());
                    if let Some((.., spent)) = charge {
                        *spent = true;
                    }
                }
                Step::Refund(at) => {
                    let number = numbers.get(at).copied().unwrap_or(999);
                    let before = charged.len();
                    charged.retain(|_, (known, _, spent)| *known != number || *spent);
                    let refunded = budget.refund(number);
                    prop_assert_eq!(refunded.is_ok(), charged.len() < before);
                    prop_assert_eq!(budget.refund(number), Err(BudgetError::NoSuchReservation { number }));
                }
                Step::Reread => {
                    let content = serde_json::to_vec(&budget).expect("JSON");
                    prop_assert_eq!(Budget::parse(&content), Ok(budget.clone()));
                }
            }
            let used: u64 = charged.values().map(|(_, micro, _)| micro).sum();
            prop_assert_eq!(budget.left_micro(), BUDGET_MICRO - used);
        }
    }
}

#[test]
fn attack_154_a_budget_that_says_more_than_it_may_is_not_spent_from() {
    let charge = |micro: u64| serde_json::json!({ "number": 1, "study": "s", "epoch": 0, "micro": micro, "state": "reserved" });
    let document = |charges: Vec<serde_json::Value>| {
        let budget = serde_json::json!({ "version": 1, "limit_micro": 10, "next": 2, "charges": charges });
        Budget::parse(budget.to_string().as_bytes())
    };
    assert_eq!(document(vec![charge(10)]).map(|budget| budget.left_micro()), Ok(0));
    assert_eq!(document(vec![charge(11)]), Err(BudgetError::Document));
    assert_eq!(document(vec![charge(u64::MAX), charge(2)]), Err(BudgetError::Document));
    assert_eq!(
        Budget::parse(br#"{"version":2,"limit_micro":9,"next":1,"charges":[]}"#),
        Err(BudgetError::Document)
    );
    assert_eq!(Budget::parse(b"{}"), Err(BudgetError::Document));
}
