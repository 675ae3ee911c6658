//! `cellar import`: a dry run says what there is, the import stores it once, with a host or without one.

use std::fs;

use crate::support::binary::{cellar, json, serve_at, text, within};

const GPX: &str = r#"<gpx version="1.1"><trk><trkseg>
<trkpt lat="47.5" lon="8.25"><time>2011-03-05T08:00:00Z</time></trkpt>
<trkpt lat="47.6" lon="8.25"><time>2026-10-05T08:00:10Z</time></trkpt>
<trkpt lat="47.6" lon="8.25"><time>2026-10-05T08:00:10Z</time></trkpt>
<trkpt lat="147.6" lon="8.25"><time>2026-10-05T08:00:10Z</time></trkpt>
</trkseg></trk></gpx>"#;

#[test]
fn a_file_is_read_in_a_dry_run_then_stored_once_with_a_host_and_without_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    json(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    let file = within(folder.path(), "track.gpx");
    fs::write(&file, GPX).expect("written");
    let refused = within(folder.path(), "refused.jsonl");
    let dry = cellar(&["import", "--data", &data, "Ada", &file, "--dry-run", "--refused", &refused]);
    let told = text(&dry.stdout);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert!(told.contains("2 points, 2011-03 to 2026-10, 1 duplicates, 1 refused"), "{told}");
    assert!(told.contains("track.gpx: gpx") && told.contains("nothing was stored"), "{told}");
    let kept = fs::read_to_string(&refused).expect("a file");
    assert!(kept.contains("its place is not on the globe"), "{kept}");

    let stored = json(&["import", "--data", &data, "Ada", &file]);
    assert_eq!((&stored["progress"]["points"], &stored["zone"]), (&2.into(), &"UTC".into()));
    let host = serve_at(&data, "127.0.0.1:0", &[]);
    let again = json(&["import", "--data", &data, "Ada", &file, "--zone", "Europe/Zurich"]);
    assert_eq!((&again["progress"]["points"], &again["progress"]["duplicates"]), (&0.into(), &3.into()));
    host.stop();
}

#[test]
fn what_cannot_be_imported_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    json(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    let file = within(folder.path(), "x");
    fs::write(&file, "?").expect("written");
    for (more, word) in [
        (&["--format", "shapefile"][..], "use one of"),
        (&["--zone", "Mars/Olympus"][..], "--zone"),
        (&["--refused", &file][..], "does not exist yet"),
    ] {
        let output = cellar(&[&["import", "--data", &data, "Ada", &file][..], more].concat());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(word), "{more:?}: {told}");
    }
    let unknown = json(&["import", "--data", &data, "Ada", &file]);
    let why = unknown["progress"]["faults"][0]["why"].as_str().expect("a reason").to_owned();
    assert!(why.contains("--format"), "{why}");
    let missing = cellar(&["import", "--data", &data, "Ada", &within(folder.path(), "nothing")]);
    assert!(text(&missing.stderr).contains("cannot read"), "{}", text(&missing.stderr));
}
