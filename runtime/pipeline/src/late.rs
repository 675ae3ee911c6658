//! Finds entries that come too late for the stages that should have read them.
//!
//! A stage's next window begins at its mark and includes it. So an entry that arrives now is late for the stage if it
//! was written before the mark, and is read in the next window if it was written at the mark or later. A mark lies
//! [`SETTLING_S`](crate::SETTLING_S) behind the last entry that the stage has seen: an entry that was written in
//! between and arrives now is late as well, because no run would read it otherwise.

use crate::plan::{Late, Plan, StageSpec};
use crate::rewind::Rewind;

/// The stages concerned when entries of one stream arrive late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerned {
    /// No stage reads them, or no stage has a mark that they could miss.
    Nobody,
    /// Each of these stages goes back to them alone.
    Each(Vec<String>),
    /// If they are before the mark of this stage, everything from them on is recomputed.
    Everything {
        /// The stage whose mark counts.
        stage: String,
    },
}

impl Plan {
    /// The stages concerned when entries of a stream arrive before the stage at `before` (an index of the list) runs;
    /// `reads` returns whether a stage's cell reads that stream.
    pub fn concerned(&self, before: usize, reads: impl Fn(&StageSpec) -> bool) -> Concerned {
        let later = || self.stages().iter().enumerate().skip(before).filter(|(_, stage)| stage.enabled);
        let reading = || later().filter(|(_, stage)| reads(stage));
        let each: Vec<_> = reading()
            .filter(|(_, stage)| stage.late == Some(Late::Again))
            .map(|(_, stage)| stage.name.clone())
            .collect();
        if !each.is_empty() {
            return Concerned::Each(each);
        }
        let Some((first, anew)) = later().find(|(_, stage)| stage.late == Some(Late::Rewind)) else {
            return Concerned::Nobody;
        };
        if reading().any(|(index, _)| index >= first) {
            Concerned::Everything { stage: anew.name.clone() }
        } else {
            Concerned::Nobody
        }
    }
}

impl Concerned {
    /// Adds what an entry requires, given its `metadata.write_ts`, its position and the marks of stages.
    pub fn judge(
        &self,
        write_ts: f64,
        position: f64,
        mark: impl Fn(&str) -> Option<f64>,
        wanted: &mut Rewind,
    ) {
        let is_late = |stage: &str| mark(stage).is_some_and(|mark| write_ts < mark);
        match self {
            Self::Nobody => {}
            Self::Each(stages) => {
                for stage in stages.iter().filter(|stage| is_late(stage)) {
                    wanted.go_again(stage, write_ts);
                }
            }
            // A position that is not a number is no bound: `min` ignores it.
            Self::Everything { stage } if is_late(stage) => wanted.go_back(write_ts.min(position)),
            Self::Everything { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        [[stage]]
        name = "SECTIONS"
        cell = "sections"
    "#;

    fn concerned(plan: &str, readers: &[&str]) -> Concerned {
        let plan = Plan::parse(plan).expect("sound");
        plan.concerned(1, |stage| readers.contains(&stage.name.as_str()))
    }

    #[test]
    fn what_a_stage_takes_up_by_itself_concerns_that_stage_alone() {
        assert_eq!(concerned(PLAN, &["MATCH", "SECTIONS"]), Concerned::Each(vec!["MATCH".to_owned()]));
        let off = PLAN.replace("late = \"again\"", "late = \"again\"\nenabled = false");
        assert!(matches!(concerned(&off, &["MATCH", "SECTIONS"]), Concerned::Everything { .. }));
    }

    #[test]
    fn what_a_later_stage_reads_concerns_everything_from_the_first_that_keeps_a_chain() {
        let everything = Concerned::Everything { stage: "TRIPS".to_owned() };
        assert_eq!(concerned(PLAN, &["TRIPS"]), everything);
        assert_eq!(concerned(PLAN, &["SECTIONS"]), everything);
        assert_eq!(concerned(PLAN, &["TAKE_IN"]), Concerned::Nobody);
        assert_eq!(concerned(PLAN, &[]), Concerned::Nobody);
    }

    // Row: "Entries that are imported behind the mark"
    // Row: "The mark lies 5 s behind"
    #[test]
    fn an_entry_is_late_when_it_was_written_before_the_mark_and_not_when_at_the_mark() {
        let everything = Concerned::Everything { stage: "TRIPS".to_owned() };
        let from = |write_ts: f64, position: f64, mark| {
            let mut wanted = Rewind::default();
            everything.judge(write_ts, position, |_| mark, &mut wanted);
            wanted.from
        };
        assert_eq!(from(100.0, 99.0, None), None);
        assert_eq!(from(100.0, 99.0, Some(100.0)), None, "the next window begins with it");
        assert_eq!(from(100.0, 99.0, Some(100.0_f64.next_up())), Some(99.0));
        assert_eq!(from(100.0, 99.0, Some(104.9)), Some(99.0), "behind the last entry seen, before the mark");
        assert_eq!(from(100.0, f64::NAN, Some(200.0)), Some(100.0));
        assert_eq!(from(f64::NAN, 99.0, Some(200.0)), None);
    }

    #[test]
    fn a_stage_that_goes_back_alone_is_judged_by_its_own_mark() {
        let each = Concerned::Each(vec!["A".to_owned(), "B".to_owned()]);
        let mut wanted = Rewind::default();
        for write_ts in [300.0, 200.0] {
            each.judge(write_ts, 0.0, |stage| (stage == "A").then_some(250.0), &mut wanted);
        }
        assert_eq!((wanted.from, wanted.again), (None, [("A".to_owned(), 200.0)].into()));
    }
}
