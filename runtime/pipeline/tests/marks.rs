//! In whatever order entries arrive, and whatever the clock shows at the runs: each entry is read by its stage after
//! it has arrived, and not twice, unless a mark was lowered to it.
//!
//! A model of a person's store, with two stages: one goes back alone, and the other recomputes everything. Entries are
//! written within seconds of each other, so that they are dense around every mark.

use proptest::prelude::*;
use runtime_pipeline::{Plan, Rewind, SETTLING_S, StageState};

const PLAN: &str = r#"
    [[stage]]
    name = "TAKE_IN"
    cell = "take-in"
    [[stage]]
    name = "MATCH"
    cell = "match"
    late = "again"
    [[stage]]
    name = "TRIPS"
    cell = "trips"
    late = "rewind"
"#;

const STAGES: [&str; 2] = ["MATCH", "TRIPS"];

/// The stage that reads an entry, and the reads so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    stage: usize,
    write_ts: f64,
    /// How often it was read since a mark was last lowered to it.
    reads: u32,
    /// Whether a run has ever read it.
    read: bool,
}

#[derive(Debug, Clone)]
enum Event {
    /// A phone puts an entry.
    Put(usize, f64),
    /// An import adds one, directly to the timeseries.
    Import(usize, f64),
    /// The stages run, and the clock shows this time.
    Run(f64),
}

struct Model {
    plan: Plan,
    usercache: Vec<Entry>,
    timeseries: Vec<Entry>,
    states: [StageState; 2],
    wanted: Rewind,
}

impl Model {
    fn new() -> Self {
        Self {
            plan: Plan::parse(PLAN).expect("sound"),
            usercache: Vec::new(),
            timeseries: Vec::new(),
            states: Default::default(),
            wanted: Rewind::default(),
        }
    }

    fn arrive(&mut self, before: usize, entry: Entry) {
        let concerned = self.plan.concerned(before, |stage| stage.name == STAGES[entry.stage]);
        let mark = |name: &str| {
            let stage = STAGES.iter().position(|stage| *stage == name)?;
            self.states[stage].last_processed_ts
        };
        concerned.judge(entry.write_ts, entry.write_ts, mark, &mut self.wanted);
        self.timeseries.push(entry);
    }

    fn run(&mut self, now: f64) {
        let (taken, left) = self.usercache.drain(..).partition(|entry| entry.write_ts <= now - SETTLING_S);
        self.usercache = left;
        let taken: Vec<Entry> = taken;
        taken.into_iter().for_each(|entry| self.arrive(1, entry));
        self.take_back();
        (0..STAGES.len()).for_each(|stage| self.run_stage(stage, now));
    }

    /// Does what the rewind cell does: removes everything from a moment on, and sets the mark back to it.
    fn take_back(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        for (stage, name) in STAGES.iter().enumerate() {
            let given = wanted.from.filter(|_| *name == "TRIPS").map(Some);
            let state = wanted.state(name, &self.states[stage], given);
            if state.last_processed_ts < self.states[stage].last_processed_ts {
                let mark = state.last_processed_ts.expect("a moment was given");
                let again = |entry: &&mut Entry| entry.stage == stage && entry.write_ts >= mark;
                self.timeseries.iter_mut().filter(again).for_each(|entry| entry.reads = 0);
            }
            self.states[stage] = state;
        }
    }

    fn run_stage(&mut self, stage: usize, now: f64) {
        let before = &self.states[stage];
        let window = before.window(now);
        let start = window.start.unwrap_or(f64::NEG_INFINITY);
        let mut last = None::<f64>;
        let of_stage = |entry: &&mut Entry| entry.stage == stage;
        for entry in self.timeseries.iter_mut().filter(of_stage) {
            if (start..=window.end).contains(&entry.write_ts) {
                (entry.reads, entry.read) = (entry.reads + 1, true);
                last = Some(last.map_or(entry.write_ts, |last| last.max(entry.write_ts)));
            }
        }
        let mut state = before.done(now, last);
        let mark = last.and(state.last_processed_ts).unwrap_or(f64::NEG_INFINITY);
        let young = self.timeseries.iter().filter(|entry| entry.stage == stage).map(|entry| entry.write_ts);
        let young = young.filter(|write_ts| *write_ts > window.end && *write_ts < mark);
        if let Some(unread) = young.min_by(f64::total_cmp) {
            state = state.up_to(unread);
        }
        self.states[stage] = state;
    }

    fn live(&mut self, event: &Event) {
        match *event {
            Event::Put(stage, write_ts) => {
                self.usercache.push(Entry { stage, write_ts, reads: 0, read: false });
            }
            Event::Import(stage, write_ts) => {
                self.arrive(0, Entry { stage, write_ts, reads: 0, read: false });
            }
            Event::Run(now) => self.run(now),
        }
    }
}

/// Half seconds within a minute.
fn moment() -> impl Strategy<Value = f64> {
    (0..120_u32).prop_map(|half| 1_000.0 + f64::from(half) / 2.0)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..2_usize, moment()).prop_map(|(stage, write_ts)| Event::Put(stage, write_ts)),
        1 => (0..2_usize, moment()).prop_map(|(stage, write_ts)| Event::Import(stage, write_ts)),
        2 => moment().prop_map(Event::Run),
        // A clock that is years wrong.
        1 => prop_oneof![Just(0.0), Just(1e9)].prop_map(Event::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_entry_is_read_once_it_has_arrived_and_none_twice(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut model = Model::new();
        for event in &events {
            model.live(event);
            for entry in &model.timeseries {
                prop_assert!(entry.reads <= 1, "{entry:?} after {event:?}");
            }
        }
        // The clock is right, and everything is before it; the next run does the rewind that the last import
        // requested.
        model.run(2e9);
        prop_assert!(model.usercache.is_empty());
        for entry in &model.timeseries {
            prop_assert!(entry.read && entry.reads == 1, "{entry:?}");
        }
        let before = model.states.clone();
        model.run(2e9);
        prop_assert_eq!(before, model.states.clone(), "a run without news changes nothing");
        prop_assert!(model.wanted.is_empty());
    }
}
