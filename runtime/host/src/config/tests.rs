//! Settings: what is read, what is refused, and what a document names.

use std::collections::BTreeSet;

use runtime_user::PublisherId;

use super::*;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cellar.toml");

/// Settings that have no default are explained in comments; this turns them into settings.
fn uncommented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with([' ', '#']) && !setting.is_empty() => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_configuration_holds_the_defaults() {
    assert_eq!(Config::read(Some(Path::new(SAMPLE))).expect("reads"), Config::default());
}

#[test]
fn the_sample_configuration_explains_every_setting() {
    let text = fs::read_to_string(SAMPLE).expect("reads");
    let sample: toml::Table = toml::from_str(&uncommented(&text)).expect("TOML");
    let full = Config {
        data: Some(PathBuf::new()),
        public_address: Some(String::new()),
        tls: Tls { certificate: Some(PathBuf::new()), key: Some(PathBuf::new()), names: Vec::new() },
        web: Web {
            certificate: Some(PathBuf::new()),
            key: Some(PathBuf::new()),
            acme: Some(sample["web"]["acme"].clone().try_into().expect("settings of a server")),
            map: Some(PathBuf::new()),
        },
        gateway: Gateway {
            register: Some(([10, 0, 0, 1], 8444).into()),
            secret: Some(PathBuf::new()),
            ..Gateway::default()
        },
        packages: Packages { folder: Some(PathBuf::new()), ..Packages::default() },
        pipeline: Pipeline { stages: Some(PathBuf::new()), ..Pipeline::default() },
        ..Config::default()
    };
    let names = |table: &toml::Table| {
        let mut names = Vec::new();
        for (name, value) in table {
            match value.as_table() {
                Some(inner) => names.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
                None => names.push(name.clone()),
            }
        }
        names.sort();
        names
    };
    let full = toml::Table::try_from(&full).expect("TOML");
    assert_eq!(names(&sample), names(&full));
}

#[test]
fn a_server_of_certificates_is_asked_only_if_it_is_set_and_beside_no_file() {
    let read = |web: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cellar.toml");
        let text = format!("public_address = 'cellar.example.org:443'\n[web]\n{web}");
        fs::write(&path, text).expect("written");
        Config::read(Some(&path)).map_err(|error| runtime_user::chain(&error))
    };
    let server = "[web.acme]\ndirectory = 'https://acme.example/directory'\nterms_agreed = ";
    assert!(read("").expect("sound").web.acme.is_none());
    assert!(read(&format!("{server}true")).expect("sound").web.acme.is_some());
    let files = "certificate = 'a'\nkey = 'b'\n";
    for (web, why) in [
        (format!("{files}{server}true"), "but not both"),
        (format!("{server}false"), "web.acme.terms_agreed"),
        ("[web.acme]\nterms_agreed = true".to_owned(), "directory"),
        (format!("{server}true\nwhat = 1"), "what"),
    ] {
        let told = read(&web).expect_err("refused");
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn an_unknown_setting_is_an_error_that_names_it_and_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cellar.toml");
    fs::write(&path, "[limits]\nbody_bytes_max = 5\nbody_bites_max = 5\n").expect("written");
    let error = Config::read(Some(&path)).expect_err("refused");
    let text = runtime_user::chain(&error);
    assert!(text.contains("body_bites_max") && text.contains('3'), "{text}");
}

#[test]
fn publishers_are_any_or_a_list_of_ids_and_nothing_else() {
    let of = |text: &str| toml::from_str::<Config>(text).map(|config| config.packages.policy().publishers);
    assert_eq!(of("packages.publishers = 'any'").expect("a setting"), None);
    assert_eq!(of("packages.publishers = []").expect("a setting"), Some(BTreeSet::new()));
    let id: PublisherId = "a".repeat(26).parse().expect("an id");
    let text = format!("packages.publishers = ['{id}']");
    assert_eq!(of(&text).expect("a setting"), Some(BTreeSet::from([id])));
    for text in
        ["packages.publishers = 'all'", "packages.publishers = ['anna']", "packages.publishers = true"]
    {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for text in [
        "limits.head_bytes_max = 100",
        "limits.connections_max = 1",
        "limits.body_bytes_max = 300000000",
        "limits.bytes_per_s_min = 0",
        "limits.bytes_window_ms = 1000",
        "tls.key = 'x'",
        "web.certificate = 'x'",
        "gateway.register = '10.0.0.1:8444'",
        "people.open_max = 0",
        "packages.bytes_max = 33554433",
        "packages.folder = '/srv/cells'",
        "pipeline.wait_max_ms = 1000",
        "pipeline.every_ms = 1000",
    ] {
        let config: Config = toml::from_str(text).expect("TOML");
        assert!(config.check().is_err(), "{text}");
    }
}
