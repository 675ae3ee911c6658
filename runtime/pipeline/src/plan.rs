//! The list of stages: which run, in which order, and which cell does each.

use serde::Deserialize;

/// One stage of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpec {
    /// The reference's name, such as `TRIP_SEGMENTATION`: the key of the stage's state.
    pub name: String,
    /// The cell that does it, by the name in its manifest.
    pub cell: String,
    /// Switched off: the stage counts as run and nothing happens.
    #[serde(default = "on")]
    pub enabled: bool,
}

fn on() -> bool {
    true
}

/// Why a text is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// It is not TOML of the form that `deploy/pipeline.toml` shows.
    #[error("the stage list does not read")]
    Toml(#[from] toml::de::Error),
    /// Two stages of one name would share their state.
    #[error("the stage {name} is listed twice")]
    Twice {
        /// Which.
        name: String,
    },
}

/// The stages in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    stages: Vec<StageSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "stage")]
    stages: Vec<StageSpec>,
}

/// The reference's order, as far as there are cells.
const STANDARD: &str = r#"
[[stage]]
name = "USERCACHE"
cell = "usercache-to-timeseries"

[[stage]]
name = "ACCURACY_FILTERING"
cell = "accuracy-filter"
# The reference's default: phones send filtered locations themselves.
enabled = false

[[stage]]
name = "TRIP_SEGMENTATION"
cell = "trip-segmentation"
"#;

impl Plan {
    /// Reads `[[stage]]` tables with `name`, `cell` and optionally `enabled`.
    pub fn parse(text: &str) -> Result<Self, BadPlan> {
        let Wire { stages } = toml::from_str(text)?;
        for (index, stage) in stages.iter().enumerate() {
            if stages[..index].iter().any(|earlier| earlier.name == stage.name) {
                return Err(BadPlan::Twice { name: stage.name.clone() });
            }
        }
        Ok(Self { stages })
    }

    /// The reference's order, as far as there are cells; accuracy filtering as asked.
    pub fn standard(accuracy_filtering: bool) -> Self {
        let mut plan = Self::parse(STANDARD).expect("the standard plan reads: a test holds it");
        for stage in plan.stages.iter_mut().filter(|stage| stage.name == "ACCURACY_FILTERING") {
            stage.enabled = accuracy_filtering;
        }
        plan
    }

    /// The stages in the order in which they run.
    pub fn stages(&self) -> &[StageSpec] {
        &self.stages
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_plan_filters_only_when_asked() {
        let enabled =
            |filtering| Plan::standard(filtering).stage("ACCURACY_FILTERING").map(|stage| stage.enabled);
        assert_eq!(enabled(false), Some(false));
        assert_eq!(enabled(true), Some(true));
        let names: Vec<_> = Plan::standard(true).stages.into_iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["USERCACHE", "ACCURACY_FILTERING", "TRIP_SEGMENTATION"]);
    }

    #[test]
    fn a_stage_is_swapped_by_changing_one_line() {
        let ours = STANDARD.replace("cell = \"trip-segmentation\"", "cell = \"trips-by-stays\"");
        let plan = Plan::parse(&ours).expect("sound");
        assert_eq!(plan.stage("TRIP_SEGMENTATION").map(|stage| stage.cell.as_str()), Some("trips-by-stays"));
    }

    #[test]
    fn two_stages_of_one_name_are_refused() {
        let twice = format!("{STANDARD}\n[[stage]]\nname = \"USERCACHE\"\ncell = \"x\"");
        assert!(matches!(Plan::parse(&twice), Err(BadPlan::Twice { name }) if name == "USERCACHE"));
        assert!(matches!(Plan::parse("[[stage]]\nnme = 1"), Err(BadPlan::Toml(_))));
    }
}
