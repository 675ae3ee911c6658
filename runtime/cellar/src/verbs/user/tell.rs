//! The text output of answers about people.

use std::collections::BTreeMap;

use runtime_host::admin::{
    Added, Changes, DaysShown, Erased, Exported, Forgotten, HeatShown, Imported, NamedPlace, PersonLine,
    PersonShown, PlacesShown, StatusShown, StoreState, Suspended, TokenMade, Untracked, WouldForget,
};
use runtime_program::typed::quoted;
use runtime_user::KeyMode;
use runtime_user::people::Damage;

use super::errors;
use crate::verbs::{clock_line, moment, moment_of_ms, pair};

/// The form in which e-mission apps encode the code that they scan to log in.
fn app_link(token: &str) -> String {
    format!("emission://login_token?token={token}")
}

pub(super) fn token(made: &TokenMade) -> String {
    let mut own = made.own.as_ref().map_or_else(String::new, |own| {
        format!("\nAn app that takes any address reaches this person alone at {own}")
    });
    if made.waits {
        own.push_str(
            "\nIt works once one of this person's phones has signed for it: `cellar phone approve` there.",
        );
    }
    match &made.token {
        Some(token) => {
            // A link that is too long to draw can still be typed.
            let picture = pair::picture(&app_link(token)).unwrap_or_default();
            format!(
                "{picture}\nScan this with the app, or type it where the app asks for a token; it is shown only now:\n{token}{own}"
            )
        }
        None => {
            let connect = made.connect.as_deref().unwrap_or_default();
            format!(
                "A phone that cannot pair connects with this secret, which is shown only now:\n{connect}{own}"
            )
        }
    }
}

pub(super) fn status(status: &StatusShown) -> String {
    let until = status.until_ms.map_or_else(String::new, |ms| format!(" until {}", moment_of_ms(ms)));
    let store = match status.store {
        StoreState::Absent => "there is no data yet: the first phone brings its key".to_owned(),
        StoreState::Locked => "locked: a paired phone opens it at its next contact".to_owned(),
        StoreState::Unlocked => format!("open{until}"),
        StoreState::Damaged => "damaged: the person is not served".to_owned(),
    };
    let keys = match status.keys {
        Some(KeyMode::Unattended) => "unattended",
        Some(KeyMode::Lease) => "lease",
        Some(KeyMode::PhoneUnlocked) => "phone-unlocked",
        None => "?",
    };
    let phrase = if status.recovery_phrase { "there is a recovery phrase" } else { "no recovery phrase" };
    let waiting = match status.waiting_uploads {
        0 => String::new(),
        count => format!("; {count} sealed uploads wait"),
    };
    let mut lines = match status.store {
        StoreState::Damaged => vec![store],
        _ => vec![format!("{store} (keys: {keys}; {phrase}{waiting})")],
    };
    lines.extend(status.damage.as_ref().map(|damage| damage_line(damage, &status.id)));
    if let Some(count @ 1..) = status.set_aside {
        lines.push(errors::set_aside_line(count, &status.id));
    }
    lines.extend(status.arrivals.iter().flat_map(errors::arrival_lines));
    lines.extend(clock_line(status.clock_doubt.as_ref()));
    lines.join("\n")
}

pub(super) fn added(added: &Added) -> String {
    let Added { id, name, connect } = added;
    match connect {
        None => format!("{name} is {id}. Pair their phone: cellar pair {}", quoted(name)),
        Some(connect) => {
            format!(
                "{name} is {id}. Their phone connects with this secret, which is shown only now:\n{connect}"
            )
        }
    }
}

/// What is damaged, and what to do.
fn damage_line(damage: &Damage, id: &str) -> String {
    format!(
        "damaged: {damage}; put the file back from a backup of the person's folder and start the host again, or `cellar user erase {id} --yes`"
    )
}

fn person_line(person: &PersonLine) -> String {
    let PersonLine { id, name, damage, .. } = person;
    let state = if person.suspended { "  suspended" } else { "" };
    let damaged =
        damage.as_ref().map_or_else(String::new, |damage| format!("\n  {}", damage_line(damage, id)));
    if name.is_empty() {
        return format!("{id}  (the record does not read){damaged}");
    }
    format!("{id}  {name:20} since {}{state}{damaged}", moment(person.created_ts))
}

pub(super) fn list(people: &[PersonLine]) -> String {
    match people {
        [] => "nobody is here: `cellar user add` adds people".to_owned(),
        people => people.iter().map(person_line).collect::<Vec<_>>().join("\n"),
    }
}

pub(super) fn shown(shown: &PersonShown) -> String {
    let mut lines = vec![person_line(&shown.person)];
    lines.extend(shown.bytes_on_disk.map(|bytes| format!("{bytes} bytes on disk")));
    for stream in shown.streams.iter().flatten() {
        lines.push(format!("  {:10} {:36} {:>9} entries", stream.area, stream.key, stream.entries));
    }
    lines.join("\n")
}

pub(super) fn suspended(suspended: &Suspended) -> String {
    let state = if suspended.suspended { "suspended: calls are refused" } else { "let in again" };
    format!("{} is {state}", suspended.id)
}

fn counts(entries: &BTreeMap<String, u64>) -> String {
    entries.iter().map(|(area, count)| format!("{count} in {area}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn exported(exported: &Exported) -> String {
    let Exported { id, output, entries } = exported;
    format!("{id} written to {}: {}", output.display(), counts(entries))
}

pub(super) fn imported(imported: &Imported) -> String {
    let Imported { id, entries, set_aside, connect, .. } = imported;
    let mut told = format!("{id} imported: {}", counts(entries));
    if *set_aside > 0 {
        told.push_str(&format!(
            "\n{set_aside} entries could not be read and were set aside: `cellar user errors {id}` says why"
        ));
    }
    if let Some(connect) = connect {
        told.push_str("\nTheir phone connects with this secret, which is shown only now:\n");
        told.push_str(connect);
    }
    told
}

pub(super) fn forgotten(forgotten: &Forgotten) -> String {
    let Forgotten { from, to, removed, .. } = forgotten;
    format!("{removed} entries removed, from {} to {}", moment(*from), moment(*to))
}

pub(super) fn would_forget(found: &WouldForget) -> String {
    let WouldForget { from, to, entries, streams, .. } = found;
    let head = format!("{entries} entries would be removed, from {} to {}", moment(*from), moment(*to));
    let lines =
        streams.iter().map(|stream| format!("  {:10} {:30} {}", stream.area, stream.key, stream.entries));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

pub(super) fn changes(changes: &Changes) -> String {
    let said = if changes.changed { "something changed" } else { "nothing changed" };
    format!("{said}; the mark is {}", changes.mark)
}

pub(super) fn days(shown: &DaysShown) -> String {
    let mut lines = vec![format!("{} days with data, in the zone {}", shown.days.len(), shown.zone)];
    lines.extend(shown.days.iter().map(|day| format!("  {}  {} locations", day.date, day.locations)));
    let gap =
        |gap: &Untracked| format!("  nothing known from {} to {}", moment(gap.start_ts), moment(gap.end_ts));
    lines.extend(shown.untracked.iter().map(gap));
    lines.join("\n")
}

pub(super) fn places(shown: &PlacesShown) -> String {
    let line = |place: &NamedPlace| match place.name.as_str() {
        "" => format!("no name any more: {}, {}", place.latitude, place.longitude),
        name => format!("{name}: {}, {}", place.latitude, place.longitude),
    };
    match shown.places.is_empty() {
        true => "no place has a name".to_owned(),
        false => shown.places.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

/// The grid as letters: the more often, the darker.
pub(super) fn heat(heat: &HeatShown) -> String {
    const SHADES: [char; 5] = ['.', ':', '+', '*', '#'];
    let most = heat.cells.iter().map(|(_, _, count)| *count).max().unwrap_or(1).max(1) as f64;
    let mut rows = vec![vec![' '; heat.columns as usize]; heat.rows as usize];
    for (column, row, count) in &heat.cells {
        let shade = (*count as f64).ln_1p() / most.ln_1p() * (SHADES.len() - 1) as f64;
        let cell = rows.get_mut(*row as usize).and_then(|row| row.get_mut(*column as usize));
        if let Some(cell) = cell {
            *cell = SHADES[(shade.round() as usize).min(SHADES.len() - 1)];
        }
    }
    let head = format!(
        "{} locations, on a grid of {}° from {}° east, {}° north",
        heat.locations, heat.step, heat.west, heat.south
    );
    let lines = rows.into_iter().rev().map(|row| row.into_iter().collect::<String>().trim_end().to_owned());
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

pub(super) fn erased(erased: &Erased) -> String {
    let Erased { id, receipt, .. } = erased;
    format!(
        "{id} is erased: {} wrapped keys and {} bytes are destroyed. SHA-256 of what could open them:\n  slots    {}\n  keyring  {}",
        receipt.slots,
        receipt.bytes,
        receipt.slots_sha256.as_deref().unwrap_or("-"),
        receipt.keyring_sha256.as_deref().unwrap_or("-")
    )
}

/// Whether a recovery phrase opens the data.
pub(super) fn phrase(opens: bool) -> String {
    let told = if opens {
        "These words open the data. Keep them as you did."
    } else {
        "These are the words of another store, or of another time: they do not open the data."
    };
    told.to_owned()
}
