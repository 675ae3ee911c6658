//! Browsers that do what people do at a page, where node and Chromium are there.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::binary::{CELLAR, Running, parse, text};

/// Cargo's target folder.
pub fn target() -> PathBuf {
    Path::new(CELLAR).ancestors().nth(2).expect("target/<profile>/cellar").to_owned()
}

/// Node with what the browser's part needs, and Chromium; says so where they are not there.
pub fn with(script: &str) -> Option<(PathBuf, String)> {
    let script = target().join("page-build/browser").join(script);
    if !script.is_file() || !target().join("page-build/node_modules/playwright-core").is_dir() {
        println!("SKIPPED: the page was not built; `cargo xtask dashboard` builds it where node is");
        return None;
    }
    let named = std::env::var("CELLAR_CHROMIUM").ok();
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(str::to_owned);
    let chromium = named.into_iter().chain(usual).find(|path| Path::new(path).is_file());
    if chromium.is_none() {
        println!("SKIPPED: no Chromium at /usr/bin/chromium; CELLAR_CHROMIUM names another place");
    }
    Some((script, chromium?))
}

/// A browser that looks at everything.
pub fn look(script: &Path, asked: &Value) -> Command {
    let mut command = Command::new("node");
    command.arg(script).arg(asked.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it found.
pub fn looked(script: &Path, asked: &Value) -> Value {
    let output = look(script, asked).output().expect("node starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    parse(text(&output.stdout).lines().last().expect("a line"))
}

/// Nothing is wrong with what a browser has seen, apart from the marks that scripts leave.
pub fn assert_sound_but_marks(found: &Value) {
    for kind in ["elsewhere", "complaints", "violations", "wide", "attacked"] {
        assert_eq!(found[kind], json!([]), "{kind}");
    }
}

/// A browser at the console's page that talks with its test.
pub struct Talking {
    child: Running,
    output: BufReader<ChildStdout>,
}

impl Talking {
    pub fn begin(script: &Path, asked: &Value) -> Self {
        let mut child = Running::start(look(script, asked).stdin(Stdio::piped()));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// The next line; what node complains of, if there is none.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        if line.is_empty() {
            let mut why = String::new();
            let mut errors = self.child.stderr.take().expect("piped");
            errors.read_to_string(&mut why).expect("text");
            panic!("the browser's part ended: {why}");
        }
        parse(&line)
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"go on\n").expect("written");
    }

    pub fn end(mut self) -> Value {
        let found = self.next();
        let ended = self.child.ended();
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        assert_sound_but_marks(&found);
        found
    }
}
