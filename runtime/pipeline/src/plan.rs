//! The list of stages: which stages run, in which order, and the cell of each.

use serde::Deserialize;

/// One stage of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpec {
    /// The reference's name, such as `TRIP_SEGMENTATION`: the key of the stage's state.
    pub name: String,
    /// The cell of the stage, by the name in its manifest.
    pub cell: String,
    /// If false, the stage counts as run and nothing happens.
    #[serde(default = "on")]
    pub enabled: bool,
    /// What happens when an entry that the stage reads arrives after its mark has passed; `None`: the stage requires
    /// nothing.
    #[serde(default)]
    pub late: Option<Late>,
}

/// What happens when an entry arrives after the mark of the stage that should have read it has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// Only this stage reads again, from the entry on; its other results stay.
    Again,
    /// All results from the entry on are recomputed, by this stage and all later ones.
    Rewind,
}

fn on() -> bool {
    true
}

/// Why a text is not a valid plan.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// It is not TOML in the form of `deploy/pipeline.toml`.
    #[error("the stage list does not read")]
    Toml(#[from] toml::de::Error),
    /// Two stages with one name would share their state.
    #[error("the stage {name} is listed twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// The pipeline itself uses the name.
    #[error("a stage cannot be called {name}")]
    Reserved {
        /// The name.
        name: String,
    },
}

/// Names of documents that belong to the pipeline and not to a stage.
const RESERVED: [&str; 1] = ["rewind"];

/// The stages in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    stages: Vec<StageSpec>,
    rewind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "stage")]
    stages: Vec<StageSpec>,
    rewind: Option<WireRewind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRewind {
    cell: String,
}

/// The reference's order, for the stages that have cells.
const STANDARD: &str = include_str!("../../../deploy/pipeline.toml");

impl Plan {
    /// Parses `[[stage]]` tables with `name`, `cell` and optionally `enabled` and `late`, and `[rewind]` with `cell`.
    pub fn parse(text: &str) -> Result<Self, BadPlan> {
        let Wire { stages, rewind } = toml::from_str(text)?;
        for (index, stage) in stages.iter().enumerate() {
            if stages[..index].iter().any(|earlier| earlier.name == stage.name) {
                return Err(BadPlan::Twice { name: stage.name.clone() });
            }
            if RESERVED.contains(&stage.name.as_str()) {
                return Err(BadPlan::Reserved { name: stage.name.clone() });
            }
        }
        Ok(Self { stages, rewind: rewind.map(|rewind| rewind.cell) })
    }

    /// The reference's order, for the stages that have cells; accuracy filtering as given.
    pub fn standard(accuracy_filtering: bool) -> Self {
        let mut plan = Self::parse(STANDARD).expect("the standard plan reads: a test holds it");
        for stage in plan.stages.iter_mut().filter(|stage| stage.name == "ACCURACY_FILTERING") {
            stage.enabled = accuracy_filtering;
        }
        plan
    }

    /// The same list with another cell for one stage; `None` where the list has no such stage. Results that an earlier
    /// cell made cannot be taken back in part by the list's rewind cell, which knows only the host's own stages, so
    /// everything is recomputed.
    #[must_use]
    pub fn with_cell(&self, stage: &str, cell: &str) -> Option<Self> {
        let mut plan = self.clone();
        let spec = plan.stages.iter_mut().find(|spec| spec.name == stage)?;
        cell.clone_into(&mut spec.cell);
        plan.rewind = None;
        Some(plan)
    }

    /// The stages in the order in which they run.
    pub fn stages(&self) -> &[StageSpec] {
        &self.stages
    }

    /// The cell that removes what depended on a moment and later ones; without one, everything is recomputed.
    pub fn rewind(&self) -> Option<&str> {
        self.rewind.as_deref()
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row: "Off by default; on, it copies"
    #[test]
    fn the_standard_plan_filters_only_when_asked() {
        let enabled =
            |filtering| Plan::standard(filtering).stage("ACCURACY_FILTERING").map(|stage| stage.enabled);
        assert_eq!(enabled(false), Some(false));
        assert_eq!(enabled(true), Some(true));
        let names: Vec<_> = Plan::standard(true).stages.into_iter().map(|stage| stage.name).collect();
        assert_eq!(names.first().map(String::as_str), Some("USERCACHE"));
        assert!(names.contains(&"TRIP_SEGMENTATION".to_owned()));
        assert_eq!(names.last().map(String::as_str), Some("TRIP_MODEL"));
    }

    #[test]
    fn a_stage_is_swapped_by_changing_one_line() {
        let ours = STANDARD.replace("cell = \"trip-segmentation\"", "cell = \"trips-by-stays\"");
        let plan = Plan::parse(&ours).expect("sound");
        assert_eq!(plan.stage("TRIP_SEGMENTATION").map(|stage| stage.cell.as_str()), Some("trips-by-stays"));
    }

    #[test]
    fn an_installed_cell_takes_one_stage_over_and_everything_is_recomputed_then() {
        let plan = Plan::standard(false).with_cell("TRIP_SEGMENTATION", "x/stays").expect("there is one");
        assert_eq!(plan.stage("TRIP_SEGMENTATION").map(|stage| stage.cell.as_str()), Some("x/stays"));
        assert_eq!((plan.rewind(), plan.stages().len()), (None, Plan::standard(false).stages().len()));
        assert_eq!(Plan::standard(false).with_cell("NO_SUCH", "x/stays"), None);
    }

    #[test]
    fn a_plan_says_what_late_entries_ask_for_and_who_takes_back() {
        let late = |name| Plan::standard(true).stage(name).and_then(|stage| stage.late);
        assert_eq!(late("ACCURACY_FILTERING"), Some(Late::Again));
        assert_eq!(late("TRIP_SEGMENTATION"), Some(Late::Rewind));
        let ours = "[rewind]\ncell = \"back\"\n[[stage]]\nname = \"A\"\ncell = \"a\"";
        let plan = Plan::parse(ours).expect("sound");
        assert_eq!((plan.rewind(), plan.stages()[0].late), (Some("back"), None));
    }

    // Row: "Two stages share the number 15"
    #[test]
    fn two_stages_of_one_name_are_refused() {
        let twice = format!("{STANDARD}\n[[stage]]\nname = \"USERCACHE\"\ncell = \"x\"");
        assert!(matches!(Plan::parse(&twice), Err(BadPlan::Twice { name }) if name == "USERCACHE"));
        assert!(matches!(Plan::parse("[[stage]]\nnme = 1"), Err(BadPlan::Toml(_))));
        let reserved = "[[stage]]\nname = \"rewind\"\ncell = \"x\"";
        assert!(matches!(Plan::parse(reserved), Err(BadPlan::Reserved { .. })));
    }
}
