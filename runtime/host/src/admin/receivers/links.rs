//! What sets an app up: the link of each app's own form, or what its owner copies into it.

use data_encoding::BASE64;
use form_urlencoded::byte_serialize;
use serde_json::json;

use super::TrackerApp;

/// OwnTracks' number of the mode in which it sends over HTTP.
const OWNTRACKS_HTTP: u8 = 3;

/// How often GPSLogger should log, s.
const GPSLOGGER_EVERY_S: u32 = 30;

/// The parameters that GPSLogger fills in, by the names that `cells/receivers` reads.
const GPSLOGGER: &str = "lat=%LAT&lon=%LON&timestamp=%TIMESTAMP&speed=%SPD&bearing=%DIR&altitude=%ALT&accuracy=%ACC&batt=%BATT&charging=%ISCHARGING&prov=%PROV&sat=%SAT";

/// The link by which an app sends to that address.
pub fn tracker_link(app: TrackerApp, address: &str, name: &str) -> String {
    match app {
        TrackerApp::OwnTracks => {
            let config = json!({
                "_type": "configuration", "mode": OWNTRACKS_HTTP, "url": address, "deviceId": name, "auth": false,
            });
            let inline = BASE64.encode(config.to_string().as_bytes());
            format!("owntracks:///config?inline={}", encoded(&inline))
        }
        TrackerApp::Overland => {
            format!("overland://setup?url={}&device_id={}", encoded(address), encoded(name))
        }
        // The app takes the address without its query, and the settings out of the query.
        TrackerApp::Traccar => format!("{address}?id={}", encoded(name)),
        // What its owner copies into the field for the URL.
        TrackerApp::GpsLogger => format!("{address}?{GPSLOGGER}"),
    }
}

/// The file of settings that GPSLogger takes as a profile: it sends to that link, by the names of its own settings.
pub(super) fn settings(app: TrackerApp, link: &str) -> Option<String> {
    (app == TrackerApp::GpsLogger).then(|| {
        format!(
            "log_customurl_enabled=true\nlog_customurl_url={link}\nlog_customurl_method=GET\nlog_customurl_body=\n\
             log_customurl_headers=\nlog_satellite_locations=true\nlog_network_locations=true\n\
             time_before_logging={GPSLOGGER_EVERY_S}\n"
        )
    })
}

/// A text as the value of a parameter; a space is `%20`, since some apps take a plus for a plus.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://host.example:8443/r/abc";

    #[test]
    fn each_app_gets_a_link_of_its_own_form_that_leads_to_the_address() {
        let link = |app| tracker_link(app, ADDRESS, "my phone");
        let owntracks = link(TrackerApp::OwnTracks);
        let inline = owntracks.strip_prefix("owntracks:///config?inline=").expect("its form");
        let inline =
            form_urlencoded::parse(format!("inline={inline}").as_bytes()).next().expect("one").1.into_owned();
        let config: serde_json::Value =
            serde_json::from_slice(&BASE64.decode(inline.as_bytes()).expect("base 64")).expect("JSON");
        assert_eq!(
            (&config["_type"], &config["mode"], &config["url"]),
            (&json!("configuration"), &json!(3), &json!(ADDRESS))
        );
        assert_eq!(
            link(TrackerApp::Overland),
            "overland://setup?url=https%3A%2F%2Fhost.example%3A8443%2Fr%2Fabc&device_id=my%20phone"
        );
        assert_eq!(link(TrackerApp::Traccar), format!("{ADDRESS}?id=my%20phone"));
        let template = link(TrackerApp::GpsLogger);
        assert!(
            template.starts_with(&format!("{ADDRESS}?lat=%LAT&lon=%LON&timestamp=%TIMESTAMP&")),
            "{template}"
        );
        let settings = settings(TrackerApp::GpsLogger, &template).expect("a file");
        assert!(settings.lines().all(|line| line.contains('=')), "{settings}");
        assert!(settings.contains(&format!("\nlog_customurl_url={template}\n")), "{settings}");
        let others = [TrackerApp::OwnTracks, TrackerApp::Overland, TrackerApp::Traccar];
        assert!(others.into_iter().all(|app| super::settings(app, ADDRESS).is_none()));
    }
}
