//! What went wrong and what to do about it.

use std::error::Error;
use std::path::{Path, PathBuf};

/// Why a command stopped. Each has a [remedy](Trouble::remedy).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A program that cannot be started.
    #[error("cannot start {program}")]
    Start { program: String, source: std::io::Error },
    /// A program that failed; its own output is above.
    #[error("{command} ended with {status}")]
    Failed { command: String, status: String, remedy: String },
    /// The output of a program cannot be read as expected.
    #[error("cannot understand what {program} printed")]
    Answer { program: &'static str, source: Box<dyn Error + Send + Sync> },
    /// A file that cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    File { verb: &'static str, path: PathBuf, source: std::io::Error },
    /// A manifest whose content is not as it should be.
    #[error("{}: {why}", path.display())]
    Manifest { path: PathBuf, why: String },
    /// A page that the tests do not agree with; the details are above.
    #[error("{page} and the tests do not agree in {faults} places")]
    Page { page: &'static str, faults: usize },
    /// Files that differ from the last commit.
    #[error("the checkout has changes: {first}")]
    Changed { first: String },
    /// The list of faults does not fit the code, or what was asked for.
    #[error("xtask/faults.toml: {why}")]
    Faults { why: String },
    /// Tests that do not notice what was taken away; the table is above.
    #[error("{tests} of {of} tests did not fail although a protection was missing")]
    Unnoticed { tests: usize, of: usize },
    /// No compiler for the guests' target.
    #[error("the target wasm32-unknown-unknown is missing and could not be added")]
    NoWasmTarget,
}

impl Trouble {
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { verb, path: path.to_owned(), source }
    }

    /// The text with all its causes.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Start { program, .. } => format!("install {program}, or put it on the PATH"),
            Self::Failed { remedy, .. } => remedy.clone(),
            Self::Answer { program, .. } => format!("is {program} the one of rust-toolchain or rustup?"),
            Self::File { .. } => {
                "see that the path can be read and written, and that the disk is not full".to_owned()
            }
            Self::Manifest { .. } => {
                "correct the manifest; cells/sdk/README.md says what it may hold".to_owned()
            }
            Self::Page { page: crate::pages::routes::PAGE, .. } => "say in the row what is answered and why, write the \
                 test, and above it `// Route: \"/its/path\"`"
                .to_owned(),
            Self::Page { .. } => "write the test, and above it `// Row: \"the beginning of the row\"`; \
                 a comment that names no row quotes what the row says now"
                .to_owned(),
            Self::Changed { .. } => {
                "commit them first; what an interrupted `cargo xtask faults` has left goes with `git checkout`".to_owned()
            }
            Self::Faults { .. } => "correct the list; `cargo nextest run -p xtask faults` checks it".to_owned(),
            Self::Unnoticed { .. } => "make each test fail without what it is for; \
                 faults/ in cargo's target folder has what the tests printed"
                .to_owned(),
            Self::NoWasmTarget => {
                "run `rustup target add wasm32-unknown-unknown` where rustup can reach its server; \
                 where it cannot, xtask/README.md says how to build without it"
                    .to_owned()
            }
        }
    }
}
