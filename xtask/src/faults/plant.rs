//! Faults in the sources, and the way back.
//!
//! The originals are put back by a process of their own, which waits for the end of a pipe: it does so when it is told
//! to, and just as well when this process is interrupted or killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::list::Fault;
use crate::command::{judge, not_started};
use crate::trouble::Trouble;

/// Waits for the end of its input, then copies each first file over the second.
const PUT_BACK: &str = r#"cat > /dev/null
while [ $# -gt 0 ]; do cp -- "$1" "$2" || exit 1; shift 2; done"#;
/// What to do where that failed.
const REMEDY: &str = "`git status` names the files with a fault; `git checkout` puts them back";

/// Sources with faults. The originals come back when it is dropped.
pub(super) struct Planted {
    command: Command,
    guard: Option<Child>,
}

impl Planted {
    /// Plants faults; those of one file in the order of the list. No file is changed where one does not fit.
    pub(super) fn plant(root: &Path, home: &Path, faults: &[&Fault]) -> Result<Self, Trouble> {
        let mut sources: BTreeMap<PathBuf, (String, String)> = BTreeMap::new();
        for fault in faults {
            let path = root.join(&fault.file);
            if !sources.contains_key(&path) {
                let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
                sources.insert(path.clone(), (text.clone(), text));
            }
            let (_, changed) = sources.get_mut(&path).expect("inserted just now");
            *changed = fault.planted_in(changed).map_err(|places| Trouble::Faults {
                why: format!(
                    "the text of a fault of {} is {places} times in {}",
                    fault.subject().trim(),
                    fault.file.display()
                ),
            })?;
        }
        let mut command = Command::new("sh");
        command.args(["-c", PUT_BACK, "sh"]).stdin(Stdio::piped());
        for (number, (path, (original, _))) in sources.iter().enumerate() {
            let kept = home.join(format!("original-{number}"));
            fs::write(&kept, original).map_err(Trouble::file("write", &kept))?;
            command.arg(kept).arg(path);
        }
        // A group of its own: what interrupts this process must not end the one that tidies up after it.
        let guard = command.process_group(0).spawn().map_err(|source| not_started(&command, source))?;
        let planted = Self { command, guard: Some(guard) };
        for (path, (_, changed)) in &sources {
            fs::write(path, changed).map_err(Trouble::file("write", path))?;
        }
        Ok(planted)
    }

    /// Puts the originals back. They count as changed just now, so that cargo builds them again.
    pub(super) fn restore(mut self) -> Result<(), Trouble> {
        self.put_back()
    }

    fn put_back(&mut self) -> Result<(), Trouble> {
        let Some(mut guard) = self.guard.take() else { return Ok(()) };
        drop(guard.stdin.take());
        let status = guard.wait().map_err(|source| not_started(&self.command, source))?;
        judge(&self.command, status, REMEDY)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        if let Err(trouble) = self.put_back() {
            eprintln!("faults: {}: {REMEDY}", trouble.chain());
        }
    }
}
