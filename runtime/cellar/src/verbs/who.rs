//! The person that a verb is about.

/// One person.
#[derive(Debug, Clone, clap::Args)]
pub struct Who {
    /// Name or id
    #[arg(value_name = "PERSON", required = true, conflicts_with = "user")]
    person: Option<String>,
    /// The option of earlier versions, which scripts still use.
    #[arg(long, value_name = "PERSON", hide = true)]
    user: Option<String>,
}

impl Who {
    /// Name or id, as it was typed.
    pub(crate) fn name(self) -> String {
        self.person.or(self.user).expect("one of the two is required")
    }
}
