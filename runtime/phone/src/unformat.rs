//! Restores entries to the form in which a phone first sent them, from the form that the analysis stores.
//!
//! Dumps of the reference contain entries after they were accepted: local times were added, and names of transitions
//! became numbers. A host accepts what phones send, so `cellar phone put` undoes that. What a dump does not contain (a
//! transition's own time, readings that were left out) stays lost.

use cells_model::statemachine::{State, TransitionType};
use cells_model::text::{BadObject, members, value_of};

/// The members of an object, with their values unchanged.
struct Object<'a>(Vec<(&'a str, String)>);

impl<'a> Object<'a> {
    fn read(text: &'a str) -> Result<Self, BadObject> {
        members(text)
            .map(|found| found.map(|member| (member.name, member.value.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn whole_number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// Replaces the name and the value of a member.
    fn put(&mut self, old: &str, name: &'static str, value: String) {
        if let Some(place) = self.0.iter_mut().find(|(known, _)| *known == old) {
            *place = (name, value);
        }
    }

    fn text(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Whether the server adds this member for every time.
fn is_added(name: &str) -> bool {
    name.ends_with("local_dt") || name.ends_with("fmt_time")
}

/// Metadata and data as the phone sent them; `None` where they have that form already.
pub(super) fn unformat(metadata: &str, data: &str) -> Result<Option<(String, String)>, BadObject> {
    if value_of(metadata, "write_fmt_time").is_none() {
        return Ok(None);
    }
    let (mut metadata, mut data) = (Object::read(metadata)?, Object::read(data)?);
    let word =
        |object: &Object<'_>, name: &str| object.get(name).unwrap_or_default().trim_matches('"').to_owned();
    let (key, is_ios) = (word(&metadata, "key"), word(&metadata, "platform") == "ios");
    metadata.0.retain(|(name, _)| !is_added(name));
    data.0.retain(|(name, _)| !is_added(name));
    match key.as_str() {
        "background/location" | "background/filtered_location" => {
            data.0.retain(|(name, _)| *name != "loc");
            let heading = data.get("heading").map(str::to_owned);
            if let Some(heading) = heading {
                data.put("heading", "bearing", heading);
            }
        }
        "statemachine/transition" => transition(&mut data, is_ios),
        "background/battery" => battery(&mut data, is_ios),
        _ => {}
    }
    Ok(Some((metadata.text(), data.text())))
}

fn transition(data: &mut Object<'_>, is_ios: bool) {
    if let Some(state) = data.whole_number("curr_state").and_then(State::from_number) {
        let name = state.name();
        let name = if is_ios {
            format!("\"STATE_{name}\"")
        } else {
            format!("\"local.state.{}\"", name.to_lowercase())
        };
        data.put("curr_state", "currState", name);
    }
    if let Some(kind) = data.whole_number("transition").and_then(TransitionType::from_number) {
        let name = match (kind, is_ios) {
            (TransitionType::Booted, _) => "\"booted\"".to_owned(),
            (kind, true) => format!("\"T_{}\"", kind.name()),
            (kind, false) => format!("\"local.transition.{}\"", kind.name().to_lowercase()),
        };
        data.put("transition", "transition", name);
    }
}

fn battery(data: &mut Object<'_>, is_ios: bool) {
    if is_ios {
        let percent = data.get("battery_level_pct").and_then(|text| text.parse::<f64>().ok());
        if let Some(percent) = percent {
            data.put("battery_level_pct", "battery_level_ratio", format!("{:?}", percent / 100.0));
        }
        return;
    }
    // Unknown, discharging, charging, full and not charging are 0 to 4 in the analysis.
    const OF_ANDROID: [u8; 5] = [1, 3, 2, 5, 4];
    let status = data.whole_number("battery_status").and_then(|number| usize::try_from(number).ok());
    if let Some(status) = status.and_then(|number| OF_ANDROID.get(number)) {
        data.put("battery_status", "battery_status", status.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, platform: &str, data: &str) -> String {
        let metadata = format!(
            "{{\"key\":\"{key}\",\"platform\":\"{platform}\",\"write_fmt_time\":\"x\",\"write_local_dt\":{{\"a\":1}},\"write_ts\":1.50}}"
        );
        let (metadata, data) = unformat(&metadata, data).expect("objects").expect("formatted");
        assert_eq!(metadata, format!("{{\"key\":\"{key}\",\"platform\":\"{platform}\",\"write_ts\":1.50}}"));
        data
    }

    #[test]
    fn what_a_phone_sent_stays_as_it_is() {
        assert_eq!(unformat("{\"key\":\"a/b\"}", "{\"heading\":1,\"loc\":2}"), Ok(None));
    }

    #[test]
    fn what_was_added_goes_and_what_was_renamed_comes_back() {
        let location =
            r#"{"heading":-1.50,"loc":{"type":"Point"},"ts":2.0,"local_dt":{},"fmt_time":"x","floor":0}"#;
        assert_eq!(of("background/location", "ios", location), r#"{"bearing":-1.50,"ts":2.0,"floor":0}"#);
        let label = r#"{"start_ts":1,"start_fmt_time":"x","start_local_dt":{},"label":"walk"}"#;
        assert_eq!(of("manual/mode_confirm", "android", label), r#"{"start_ts":1,"label":"walk"}"#);
    }

    #[test]
    fn numbers_become_the_words_of_the_platform() {
        let transition = |platform, data| of("statemachine/transition", platform, data);
        assert_eq!(
            transition("android", r#"{"curr_state":1,"transition":1}"#),
            r#"{"currState":"local.state.waiting_for_trip_start","transition":"local.transition.exited_geofence"}"#
        );
        assert_eq!(
            transition("ios", r#"{"curr_state":2,"transition":7}"#),
            r#"{"currState":"STATE_ONGOING_TRIP","transition":"T_RECEIVED_SILENT_PUSH"}"#
        );
        assert_eq!(
            transition("android", r#"{"curr_state":0,"transition":null}"#),
            r#"{"currState":"local.state.start","transition":null}"#
        );
        assert_eq!(
            transition("android", r#"{"curr_state":0,"transition":4}"#),
            r#"{"currState":"local.state.start","transition":"booted"}"#
        );
        assert_eq!(of("background/battery", "android", r#"{"battery_status":1}"#), r#"{"battery_status":3}"#);
        assert_eq!(
            of("background/battery", "ios", r#"{"battery_level_pct":55}"#),
            r#"{"battery_level_ratio":0.55}"#
        );
    }
}
