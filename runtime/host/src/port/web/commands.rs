//! Which of the owner's commands a session gives, and which of them need a fresh assertion.

use crate::admin::{CONSOLE_COMMANDS, Command, DEVICE_COMMANDS, decides};

/// Commands of devices that change what anybody may read: with a session they need a fresh assertion, too.
const BESIDES: [&str; 1] = ["cell-change"];

/// The commands of a session: those of the page.
pub(super) fn names() -> Vec<&'static str> {
    DEVICE_COMMANDS.iter().map(|(name, _)| *name).chain(CONSOLE_COMMANDS).collect()
}

/// Those of them that need a fresh assertion; some do so only in one of their forms.
pub(super) fn of_step_up() -> Vec<&'static str> {
    names().into_iter().filter(|name| decides(name) || BESIDES.contains(name)).collect()
}

/// Whether a command needs a fresh assertion: what only the console decides otherwise, and [`BESIDES`].
pub(super) fn needs_step_up(command: &Command) -> bool {
    command.decides() || BESIDES.contains(&command.name())
}

/// Whether the page asks this again and again by itself, so that it shows no owner.
pub(super) fn is_idle(command: &Command) -> bool {
    matches!(command, Command::PersonStatus(_) | Command::ListReceivers(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_the_console_decides_needs_an_assertion_and_what_a_device_reads_does_not() {
        assert!(names().iter().all(|name| Command::NAMES.contains(name)));
        assert!(BESIDES.iter().all(|name| names().contains(name)));
        assert!(["erase", "cell-change", "import-begin"].iter().all(|name| of_step_up().contains(name)));
        assert!(["status", "parcel-add"].iter().all(|name| !of_step_up().contains(name)));
        let needs = |body: serde_json::Value| {
            let command = Command::of_person(body.to_string().as_bytes(), "Ada").expect("a command");
            needs_step_up(&command)
        };
        for body in [
            json!({ "command": "erase" }),
            json!({ "command": "device-revoke", "device": "x" }),
            json!({ "command": "cell-change", "cell": "x", "change": "pause" }),
            json!({ "command": "keys", "mode": "lease" }),
        ] {
            assert!(needs(body.clone()), "{body}");
        }
        for body in
            [json!({ "command": "status" }), json!({ "command": "show" }), json!({ "command": "lock" })]
        {
            assert!(!needs(body.clone()), "{body}");
        }
    }
}
