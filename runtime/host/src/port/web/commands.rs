//! Which of the owner's commands a session gives, and which of them need a fresh assertion.

use crate::admin::{CONSOLE_COMMANDS, Command, DEVICE_COMMANDS};

/// Commands of devices that change what anybody may read: with a session they need a fresh assertion, too.
const BESIDES: [&str; 1] = ["cell-change"];

/// The commands of a session: those of the page.
pub(super) fn names() -> Vec<&'static str> {
    DEVICE_COMMANDS.iter().map(|(name, _)| *name).chain(CONSOLE_COMMANDS).collect()
}

/// Those of them that need a fresh assertion: what only the console gives otherwise, and [`BESIDES`].
pub(super) fn of_step_up() -> Vec<&'static str> {
    names().into_iter().filter(|name| needs_step_up(name)).collect()
}

/// Whether a command of that name needs a fresh assertion.
pub(super) fn needs_step_up(name: &str) -> bool {
    CONSOLE_COMMANDS.contains(&name) || BESIDES.contains(&name)
}

/// Whether the page asks this again and again by itself, so that it shows no owner.
pub(super) fn is_idle(command: &Command) -> bool {
    matches!(command, Command::PersonStatus(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_console_gives_needs_an_assertion_and_what_a_device_reads_does_not() {
        assert!(CONSOLE_COMMANDS.iter().all(|name| needs_step_up(name)));
        assert!(BESIDES.iter().all(|name| names().contains(name)));
        for name in ["status", "show", "audit", "export-diary", "lock"] {
            assert!(!needs_step_up(name), "{name}");
        }
        assert!(names().iter().all(|name| Command::NAMES.contains(name)));
    }
}
