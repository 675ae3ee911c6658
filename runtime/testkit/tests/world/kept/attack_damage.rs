//! Attack 85: every file of a person cut, flipped, swapped, deleted and put back older. It costs that person alone.

use std::fs;
use std::path::{Path, PathBuf};

use handshake::keys::Agree;
use runtime_host::admin::{ListPeople, PersonStatus, StoreState};
use runtime_user::{KeyMode, Runtime, UserId};

use super::support::{Phone, ask, content, copy, end, fill, folder, open, pair, wrap_key};

/// Two people whose files are damaged, and two like them who must not notice.
struct Scene {
    /// An owner with a phone, and an unattended person.
    victims: [UserId; 2],
    others: [UserId; 2],
    /// Of the owners among them.
    phones: [Phone; 2],
}

fn scene(runtime: &Runtime) -> Scene {
    let owner = |name| {
        let user = runtime.people().add_owner(name, 1.0).unwrap();
        let phone = pair(runtime, user, Some(wrap_key().public())).unwrap();
        phone.unlock(runtime, user);
        (user, phone)
    };
    let unattended = |name| runtime.people().add(name, 1.0).unwrap().0;
    let ((ada, of_ada), (cleo, of_cleo)) = (owner("Ada"), owner("Cleo"));
    let (bert, dora) = (unattended("Bert"), unattended("Dora"));
    for user in [ada, bert, cleo, dora] {
        fill(runtime, user, "old");
        let inbox = folder(runtime, user).join("inbox");
        fs::create_dir(&inbox).unwrap();
        fs::write(inbox.join("0000000000000000.sealed"), b"no upload").unwrap();
    }
    Scene { victims: [ada, bert], others: [cleo, dora], phones: [of_ada, of_cleo] }
}

/// Changes everything that can change.
fn later(runtime: &Runtime, scene: &Scene) {
    for user in scene.victims.into_iter().chain(scene.others) {
        runtime.people().new_token(user, None, false).unwrap();
        if user != scene.others[0] {
            pair(runtime, user, None).unwrap();
            fill(runtime, user, "new");
        }
        let _ = runtime.locks().rotate_key(user);
    }
}

/// All files below a folder, by their path in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|path| name.join(path)));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// What can be done to a file: its name, and the content; none: deleted.
fn damages(sound: &[u8], other: &[u8], older: Option<Vec<u8>>) -> Vec<(String, Option<Vec<u8>>)> {
    let length = sound.len();
    let cuts = [0, 1, length / 2, length.saturating_sub(1)];
    let mut all: Vec<_> =
        cuts.map(|cut| (format!("cut to {cut} bytes"), Some(sound[..cut.min(length)].to_vec()))).into();
    for at in [0, length / 3, length / 2, length.saturating_sub(1)] {
        let mut flipped = sound.to_vec();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 4;
        }
        all.push((format!("byte {at} flipped"), Some(flipped)));
    }
    all.push(("another person's".to_owned(), Some(other.to_vec())));
    all.push(("deleted".to_owned(), None));
    all.extend(older.map(|older| ("an older one".to_owned(), Some(older))));
    all
}

fn others_are_served(runtime: &Runtime, scene: &Scene, what: &str) {
    let [cleo, dora] = scene.others;
    scene.phones[1].unlock(runtime, cleo);
    assert_eq!(content(runtime, cleo).as_deref(), Some("old"), "{what}");
    assert_eq!(content(runtime, dora).as_deref(), Some("new"), "{what}");
    for user in scene.others {
        assert_eq!(runtime.owners().inspect(user), None, "{what}");
    }
}

#[test]
fn attack_85_no_file_of_a_person_in_whatever_state_stops_the_host_or_costs_anybody_else() {
    let (template, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = open(template.path());
    let scene = scene(&runtime);
    end(runtime);
    copy(template.path(), older.path());
    let runtime = open(template.path());
    scene.phones[0].unlock(&runtime, scene.victims[0]);
    scene.phones[1].unlock(&runtime, scene.others[0]);
    later(&runtime, &scene);
    end(runtime);

    let (mut tries, mut told_of) = (0, 0);
    for (victim, other) in scene.victims.into_iter().zip(scene.others) {
        let hex = victim.to_string();
        let place = Path::new("people").join(&hex[..2]).join(&hex);
        let other = other.to_string();
        let others_place = Path::new("people").join(&other[..2]).join(&other);
        for file in files(&template.path().join(&place)) {
            let sound = fs::read(template.path().join(&place).join(&file)).unwrap();
            let foreign = fs::read(template.path().join(&others_place).join(&file)).unwrap_or_default();
            let older = fs::read(older.path().join(&place).join(&file)).ok();
            for (how, damaged) in damages(&sound, &foreign, older) {
                let what = format!("{} {how}", file.display());
                let data = tempfile::tempdir().unwrap();
                copy(template.path(), data.path());
                let path = data.path().join(&place).join(&file);
                match damaged {
                    Some(bytes) => fs::write(&path, bytes).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                let runtime = open(data.path());
                others_are_served(&runtime, &scene, &what);
                told_of += usize::from(is_told(&runtime, victim, &file, &how, &what));
                tries += 1;
                if how.starts_with("cut to 0") {
                    runtime.erase(victim).expect("whoever is damaged can be erased");
                    assert!(!folder(&runtime, victim).exists(), "{what}");
                    others_are_served(&runtime, &scene, &what);
                }
                end(runtime);
            }
        }
    }
    println!("{tries} damages, {told_of} of them told");
    assert!(tries > 100 && told_of > 60, "{tries} damages, {told_of} of them told");
}

/// The list and the status answer; whether they say what is damaged. Where a file does not read at all they do.
fn is_told(runtime: &Runtime, victim: UserId, file: &Path, how: &str, what: &str) -> bool {
    let lines = ask(runtime, ListPeople {}).expect("a list");
    assert_eq!(lines.len(), 4, "{what}");
    let line = lines.into_iter().find(|line| line.id == victim.dashed()).expect("in the list");
    let status = ask(runtime, PersonStatus { person: victim.to_string() });
    let status = status.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    let damage = line.damage.or(status.damage);
    if status.store == StoreState::Damaged {
        assert!(damage.is_some() && runtime.person(victim).is_err(), "{what}: not served, and told why");
    }
    let name = file.file_name().unwrap().to_str().unwrap();
    let must = ["person.json", "access.json", "slots.json", "runtime.key", "keyring", "slot-unattended"];
    let unreadable = how.starts_with("cut") || how == "another person's" || how == "deleted";
    let gone = how.starts_with("cut to 0") || how == "deleted";
    // Only the phones know which key is this runtime's, and only the owner's key reads the keyring.
    let may_miss = match name {
        "runtime.key" => how == "another person's",
        "keyring" => !gone && runtime.people().standing(victim).is_some_and(|it| it.keys == KeyMode::Lease),
        _ => false,
    };
    if unreadable && must.contains(&name) && !may_miss {
        let damage = damage.clone().unwrap_or_else(|| panic!("{what}: nothing is told"));
        assert!(damage.file.ends_with(file) || how == "another person's", "{what}: {damage}");
    }
    damage.is_some()
}
