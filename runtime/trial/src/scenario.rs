//! What happens to an invented person, and with what the outcome is compared.
//!
//! A scenario is a list of steps. Its outcome must be that of another list, mostly the plain one: everything is uploaded
//! and the analysis runs once.

use runtime_manifest::World;
use serde::{Deserialize, Serialize};

use crate::people::{Case, write_ts};

/// How long before the last run an earlier one is, s.
const EARLIER_S: f64 = 3_600.0;
/// How long after the last entry of a batch a run follows, s: more than the 5 s before now where a window ends.
const SOON_S: f64 = 60.0;
/// How long after midnight a run between two days is, s: before anybody sets out.
const AT_NIGHT_S: f64 = 10_800.0;
/// As many entries as a phone puts at once.
const BATCH_ENTRIES_MAX: usize = 10_000;

/// A scenario.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Everything is uploaded, and the analysis runs once.
    Plain,
    /// The same once more: same uploads, same moments, same seed, only the ids of entries are others. An endpoint is
    /// asked each request again a second later, and so is a contribution to a study.
    Twice,
    /// The same a second later, so that the seed is another, too.
    Moment,
    /// The analysis runs again twice, with nothing new.
    Idle,
    /// One day is uploaded after the days behind it.
    Late,
    /// Every batch is uploaded twice, and once more behind the analysis.
    Repeated,
    /// The results are removed and made again.
    Reset,
    /// The results from one day on are removed and made again.
    Rewind,
    /// The analysis runs behind every batch.
    Cut,
    /// One day is forgotten. Compared with a person who never had that day.
    Forget,
    /// The owner grants places to 1 km and times to an hour. The cell may give up, and must not trap.
    Coarse,
    /// The owner grants no stream. The cell may give up, and must not trap.
    Nothing,
}

/// What the owner grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// What the manifest asks for.
    Whole,
    /// The same, with coarse places and times.
    Coarse,
    /// No stream.
    Nothing,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The phone puts these entries of a day.
    Put {
        /// Which day.
        day: usize,
        /// From this entry on.
        from: usize,
        /// Up to this entry, without it.
        to: usize,
    },
    /// The analysis runs at that moment, s.
    Run(f64),
    /// The owner resets the analysis.
    Reset,
    /// The owner takes the analysis back to that moment, s.
    Rewind(f64),
    /// The owner forgets a day.
    Forget(usize),
}

impl Scenario {
    /// Every scenario, in the order in which they are played.
    pub const ALL: [Self; 12] = [
        Self::Plain,
        Self::Twice,
        Self::Moment,
        Self::Idle,
        Self::Late,
        Self::Repeated,
        Self::Reset,
        Self::Rewind,
        Self::Cut,
        Self::Forget,
        Self::Coarse,
        Self::Nothing,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Twice => "twice",
            Self::Moment => "moment",
            Self::Idle => "idle",
            Self::Late => "late",
            Self::Repeated => "repeated",
            Self::Reset => "reset",
            Self::Rewind => "rewind",
            Self::Cut => "cut",
            Self::Forget => "forget",
            Self::Coarse => "coarse",
            Self::Nothing => "nothing",
        }
    }

    /// What it shows where it fails, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Plain => "the plain run failed",
            Self::Twice => {
                "the same run over the same entries gave another result: it depends on the ids of entries"
            }
            Self::Moment => "a run a second later gave another result: it depends on `now` or on `seed`",
            Self::Idle => "runs with nothing new changed the result: it depends on how often the cell runs",
            Self::Late => "a day that came late gave another result than one that came in time",
            Self::Repeated => "entries that a phone sent again changed the result",
            Self::Reset => "after `cellar pipeline reset` the result is another",
            Self::Rewind => "after the analysis went back to an earlier day the result is another",
            Self::Cut => "the result depends on how the back-log is cut into runs",
            Self::Forget => "the result is not that of a person who never had the forgotten day",
            Self::Coarse => "it does not bear places to 1 km and times to an hour",
            Self::Nothing => "it does not bear that no stream is granted",
        }
    }

    /// Whether the outcome of a cell of that world can differ by it. What an endpoint answers and a contribution gives
    /// depends on what is stored, not on the order of runs; and whoever joins a study grants what it says.
    pub fn is_for(self, world: World) -> bool {
        let is_of_runs =
            matches!(self, Self::Moment | Self::Idle | Self::Repeated | Self::Rewind | Self::Cut);
        match world {
            World::Stage => true,
            World::Endpoint => !is_of_runs,
            World::Contribution => !is_of_runs && self.grant() == Grant::Whole,
        }
    }

    /// Whether this person has enough days for it.
    pub fn fits(self, case: &Case) -> bool {
        self != Self::Late || case.days.len() > 1
    }

    /// What is granted in it.
    pub fn grant(self) -> Grant {
        match self {
            Self::Coarse => Grant::Coarse,
            Self::Nothing => Grant::Nothing,
            _ => Grant::Whole,
        }
    }

    /// Whether the outcome is compared with [`Self::reference`].
    pub fn is_compared(self) -> bool {
        !matches!(self, Self::Plain | Self::Coarse | Self::Nothing)
    }

    /// The steps.
    pub fn steps(self, case: &Case) -> Vec<Step> {
        let (end, middle) = (case.end(), middle(case));
        let all = || days(case, |_| true);
        let then = |before: Vec<Step>, more: &[Step]| [before, more.to_vec()].concat();
        let earlier = Step::Run(end - EARLIER_S);
        match self {
            Self::Plain | Self::Twice | Self::Coarse | Self::Nothing => then(all(), &[Step::Run(end)]),
            Self::Moment => then(all(), &[Step::Run(end + 1.0)]),
            Self::Idle => {
                then(all(), &[Step::Run(end), Step::Run(end + SOON_S), Step::Run(end + 2.0 * SOON_S)])
            }
            Self::Late => {
                let in_time = then(days(case, |day| day != middle), &[earlier]);
                then(then(in_time, &days(case, |day| day == middle)), &[Step::Run(end)])
            }
            Self::Repeated => {
                let twice = all().into_iter().flat_map(|put| [put.clone(), put]).collect();
                then(then(then(twice, &[earlier]), &all()), &[Step::Run(end)])
            }
            Self::Reset => then(all(), &[earlier, Step::Reset, Step::Run(end)]),
            Self::Rewind => {
                let from = case.days.get(middle).map_or(0.0, |day| day.from);
                then(all(), &[earlier, Step::Rewind(from), Step::Run(end)])
            }
            Self::Cut => then(cut(case), &[Step::Run(end)]),
            Self::Forget => then(all(), &[earlier, Step::Forget(middle), Step::Run(end)]),
        }
    }

    /// The steps, and others in their place where the host's own stages give another result by the first: with runs in
    /// the middle of a day they see the end of a trip before all that was written about it.
    pub fn ways(self, case: &Case) -> Vec<Vec<Step>> {
        let by_day = || {
            let puts = days(case, |_| true).into_iter();
            let with_run = puts.flat_map(|put| {
                let run = match put {
                    Step::Put { day, .. } => Step::Run(case.days[day].to + AT_NIGHT_S),
                    _ => Step::Run(case.end()),
                };
                [put, run]
            });
            with_run.chain([Step::Run(case.end())]).collect()
        };
        match self {
            Self::Cut => vec![self.steps(case), by_day()],
            _ => vec![self.steps(case)],
        }
    }

    /// The steps whose outcome it must have. `None`: those of the plain scenario.
    pub fn reference(self, case: &Case) -> Option<Vec<Step>> {
        let middle = middle(case);
        let without = || [days(case, |day| day != middle), vec![Step::Run(case.end())]].concat();
        (self == Self::Forget).then(without)
    }
}

/// The day that comes late, is forgotten, or is taken back to.
fn middle(case: &Case) -> usize {
    case.days.len().saturating_sub(1) / 2
}

/// Each of these days at once, in order.
fn days(case: &Case, which: impl Fn(usize) -> bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for (day, entries) in
        case.days.iter().map(|day| day.entries.len()).enumerate().filter(|(day, _)| which(*day))
    {
        let pieces = (0..entries).step_by(BATCH_ENTRIES_MAX);
        steps.extend(pieces.map(|from| Step::Put { day, from, to: (from + BATCH_ENTRIES_MAX).min(entries) }));
    }
    steps
}

/// Each batch as phones send them, which end with trips, and a run behind each.
fn cut(case: &Case) -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, day) in case.days.iter().enumerate() {
        let texts = day.texts();
        let mut from = 0;
        for batch in runtime_simulator::batches(&texts, BATCH_ENTRIES_MAX) {
            let to = from + batch.len();
            if let Some(written) = batch.last().and_then(|entry| write_ts(entry)) {
                steps.extend([Step::Put { day: number, from, to }, Step::Run(written + SOON_S)]);
            }
            from = to;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_ends_with_a_run_and_puts_every_entry_that_its_reference_puts() {
        let case = Case::invent(11, 3);
        for scenario in Scenario::ALL {
            let steps = scenario.steps(&case);
            assert!(matches!(steps.last(), Some(Step::Run(at)) if *at >= case.end()), "{scenario:?}");
            let put: usize = steps
                .iter()
                .map(|step| match step {
                    Step::Put { from, to, .. } => to - from,
                    _ => 0,
                })
                .sum();
            let times = if scenario == Scenario::Repeated { 3 } else { 1 };
            assert_eq!(put, case.entries() * times, "{scenario:?}");
        }
        let without = Scenario::Forget.reference(&case).expect("its own");
        assert!(without.iter().all(|step| !matches!(step, Step::Put { day: 1, .. })));
        assert!(!Scenario::Late.fits(&Case::invent(1, 1)) && Scenario::Late.fits(&Case::invent(1, 2)));
    }

    #[test]
    fn a_cut_back_log_has_runs_in_the_middle_of_days() {
        let runs = |steps: &[Step]| steps.iter().filter(|step| matches!(step, Step::Run(_))).count();
        let case = Case::invent(2, 2);
        assert!(runs(&Scenario::Cut.steps(&case)) > case.days.len() + 1);
        assert_eq!(runs(&Scenario::Plain.steps(&case)), 1);
        let [by_batch, by_day] = &Scenario::Cut.ways(&case)[..] else { panic!("two ways") };
        assert!(runs(by_batch) > runs(by_day) && runs(by_day) == case.days.len() + 1);
    }
}
