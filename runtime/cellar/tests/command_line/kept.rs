//! What opens somebody's data, or what phones know a host by, is never replaced where it is missed.

use crate::support::binary;

use std::fs;
use std::path::{Path, PathBuf};

use binary::{cellar, json, pair, refused, serve_at, text, within, write_day};

/// A host's folder with somebody whose store the host opens, and somebody with a paired phone.
struct Kept {
    _folder: tempfile::TempDir,
    data: String,
    /// The unattended person's and the paired person's.
    folders: [PathBuf; 2],
    connect: String,
    phone: String,
    day: String,
    listen: String,
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(folder.path(), name);
    let (data, phone, day) = (at("data"), at("phone.json"), at("day.json"));
    write_day(Path::new(&day));
    let host = serve_at(&data, "127.0.0.1:0", &["--legacy"]);
    let listen = host.ready["listen"].as_str().expect("an address").to_owned();
    let connect = host.ready["connect"].as_str().expect("a first person").to_owned();
    json(&["phone", "put", "--connect", &connect, "--input", &day]);
    let added = json(&["user", "add", "--data", &data, "Bert"]);
    let shown = json(&["pair", "--data", &data, "--detach", "--no-phrase", "Bert"]);
    pair(&data, "Bert", &phone, &["--scan", shown["qr"].as_str().expect("a code")]);
    json(&["phone", "put", "--state", &phone, "--input", &day]);
    let people = json(&["user", "list", "--data", &data]);
    let id = |name: &str| {
        let person = people.as_array().expect("people").iter().find(|person| person["name"] == name);
        person.expect("there")["id"].as_str().expect("an id").replace('-', "")
    };
    assert_eq!(added["id"].as_str().expect("an id").replace('-', ""), id("Bert"));
    let folder_of = |id: String| Path::new(&data).join("people").join(&id[..2]).join(id);
    let folders = [folder_of(id("owner")), folder_of(id("Bert"))];
    host.stop();
    Kept { _folder: folder, data, folders, connect, phone, day, listen }
}

impl Kept {
    fn serve_refused(&self) -> String {
        refused(&["serve", "--data", &self.data, "--listen", &self.listen, "--legacy"])
    }

    /// Does it with the file gone, or with less of it, and puts it back.
    fn without(&self, path: &Path, mut check: impl FnMut(&str)) {
        let sound = fs::read(path).expect("there");
        fs::remove_file(path).expect("removed");
        check("missing");
        assert!(!path.exists(), "{} was made anew", path.display());
        for (how, left) in [("empty", &b""[..]), ("cut short", &sound[..sound.len() / 2])] {
            fs::write(path, left).expect("written");
            set_private(path);
            check(how);
            assert_eq!(fs::read(path).expect("there"), left, "{} was replaced", path.display());
        }
        fs::write(path, sound).expect("written");
        set_private(path);
    }
}

fn set_private(path: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, mode).expect("set");
}

#[test]
fn a_start_without_what_opens_data_is_refused_with_the_name_of_the_file() {
    let kept = kept();
    let data = Path::new(&kept.data);
    for path in [data.join("host.key"), data.join("host.tls.key")] {
        let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
        kept.without(&path, |how| {
            let told = kept.serve_refused();
            assert!(told.contains(&name) && told.lines().count() == 1, "{name} {how}: {told}");
            let added = refused(&["user", "add", "--data", &kept.data, "--unattended", "Cleo"]);
            assert!(added.contains(&name), "{name} {how}: {added}");
        });
    }

    // Another host's key is none of this folder's.
    let (right, other) = (data.join("host.key"), data.join("other"));
    json(&["user", "add", "--data", &other.to_string_lossy(), "--unattended", "Dora"]);
    let sound = fs::read(&right).expect("there");
    fs::copy(other.join("host.key"), &right).expect("copied");
    let told = kept.serve_refused();
    assert!(told.contains("host.key") && told.contains("opens none"), "{told}");
    fs::write(&right, sound).expect("written");
    fs::remove_dir_all(other).expect("removed");

    // A certificate is made anew for its key, so phones know the host again.
    fs::remove_file(data.join("host.crt")).expect("removed");
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    json(&["phone", "put", "--connect", &kept.connect, "--input", &kept.day]);
    json(&["phone", "put", "--state", &kept.phone, "--input", &kept.day]);
    host.stop();
}

#[test]
fn a_person_whose_record_or_devices_do_not_read_is_listed_and_not_served_and_others_are() {
    let kept = kept();
    let [owner, bert] = &kept.folders;
    for path in [owner.join("person.json"), bert.join("person.json"), bert.join("access.json")] {
        let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
        let is_berts = path.starts_with(bert);
        kept.without(&path, |how| {
            let what = format!("{name} {how}");
            let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
            let put = cellar(&["phone", "put", "--connect", &kept.connect, "--input", &kept.day]);
            let read = cellar(&["phone", "sync", "--state", &kept.phone]);
            assert_eq!([put.status.success(), read.status.success()], [is_berts, !is_berts], "{what}");
            let people = json(&["user", "list", "--data", &kept.data]);
            let damaged: Vec<_> = people.as_array().expect("people").iter().collect();
            let damaged: Vec<_> = damaged.into_iter().filter(|line| line["damage"].is_object()).collect();
            assert_eq!(damaged.len(), 1, "{what}: {people}");
            let file = damaged[0]["damage"]["file"].as_str().expect("a path");
            assert_eq!(Path::new(file), path, "{what}");
            let id = damaged[0]["id"].as_str().expect("an id");
            let status = text(&cellar(&["user", "status", "--data", &kept.data, id]).stdout);
            assert!(status.contains(&name) && status.contains("backup"), "{what}: {status}");
            let log = host.stop();
            assert!(log.contains(&name), "{what}: {log}");
        });
    }
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    json(&["phone", "put", "--connect", &kept.connect, "--input", &kept.day]);
    assert!(json(&["phone", "sync", "--state", &kept.phone])["trips"].is_array());
    host.stop();
}

#[test]
fn a_person_whose_phones_rely_on_a_missing_file_is_not_served_until_it_is_back_and_others_are() {
    let kept = kept();
    let bert = &kept.folders[1];
    for name in ["slots.json", "runtime.key"] {
        kept.without(&bert.join(name), |how| {
            let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
            json(&["phone", "put", "--connect", &kept.connect, "--input", &kept.day]);
            let told = refused(&["pair", "--data", &kept.data, "--detach", "Bert"]);
            // Without its slot a locked store says so first.
            assert!(told.contains(name) || told.contains("locked"), "{name} {how}: {told}");
            assert!(!told.contains("Write these"), "{told}");
            let late = cellar(&["phone", "sync", "--state", &kept.phone]);
            assert_eq!(late.status.code(), Some(1), "{name} {how}: {}", text(&late.stdout));
            let log = host.stop();
            assert!(log.contains(name), "{name} {how}: {log}");
        });
    }
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    assert!(json(&["phone", "sync", "--state", &kept.phone])["trips"].is_array());
    host.stop();

    // The store itself: what a phone would bring the key of is not a first one.
    let (store, aside) = (bert.join("store"), bert.join("aside"));
    fs::rename(&store, &aside).expect("moved");
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    let told = refused(&["pair", "--data", &kept.data, "--detach", "Bert"]);
    assert!(told.contains("store is missing"), "{told}");
    host.stop();
    assert!(!store.exists());
    fs::rename(&aside, &store).expect("moved");
    let keyring = store.join("keyring");
    let sound = fs::read(&keyring).expect("there");
    fs::remove_file(&keyring).expect("removed");
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    assert_eq!(cellar(&["phone", "sync", "--state", &kept.phone]).status.code(), Some(1));
    host.stop();
    assert!(!keyring.exists());
    fs::write(&keyring, sound).expect("written");
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    assert!(json(&["phone", "sync", "--state", &kept.phone])["trips"].is_array());
    host.stop();
}

#[test]
fn a_host_on_which_nothing_depends_makes_its_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    let host = serve_at(&data, "127.0.0.1:0", &[]);
    host.stop();
    let made = |name: &str| Path::new(&data).join(name);
    for name in ["host.key", "host.crt", "host.tls.key"] {
        fs::remove_file(made(name)).expect("made at the first start");
    }
    let host = serve_at(&data, "127.0.0.1:0", &[]);
    host.stop();
    assert!(made("host.key").exists() && made("host.tls.key").exists());
}

#[test]
fn a_phones_file_is_not_written_over_by_another_pairing() {
    let kept = kept();
    let host = serve_at(&kept.data, &kept.listen, &["--legacy"]);
    // A store that the start has locked lets no phone in.
    json(&["phone", "put", "--state", &kept.phone, "--input", &kept.day]);
    let before = fs::read(&kept.phone).expect("there");
    let shown = json(&["pair", "--data", &kept.data, "--detach", "--no-phrase", "Bert"]);
    let qr = shown["qr"].as_str().expect("a code");
    let told = refused(&["phone", "pair", "--state", &kept.phone, "--scan", qr]);
    assert!(told.contains("phone.json") && told.contains("--state"), "{told}");
    let told =
        refused(&["phone", "put", "--connect", &kept.connect, "--state", &kept.phone, "--input", &kept.day]);
    assert!(told.contains("phone.json"), "{told}");
    assert_eq!(fs::read(&kept.phone).expect("there"), before);
    let nowhere = format!("{}/no/such/folder/phone.json", kept.data);
    assert!(refused(&["phone", "pair", "--state", &nowhere, "--scan", qr]).contains("no/such/folder"));
    // The code is still good: nobody was asked anything.
    let status = json(&["pair", "--data", &kept.data, "--cancel", "Bert"]);
    assert_eq!(status["approved"], false);
    host.stop();
}
