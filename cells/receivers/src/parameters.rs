//! Parameters of a query, as OsmAnd, older versions of Traccar Client and GPSLogger send them.

use std::borrow::Cow;

use crate::fields::{Fix, moment_in, number_in};
use crate::reading::{Battery, BatteryState, NoReading, Reading};

/// The name of the parameter that the host puts before a query: the time zone that the owner gave for the device.
pub const ZONE: &str = "zone";

/// The zone that the host put first, and the query as the app sent it.
pub fn zone_and_rest(query: &str) -> (Option<String>, &str) {
    let (first, rest) = query.split_once('&').unwrap_or((query, ""));
    match form_urlencoded::parse(first.as_bytes()).next() {
        Some((name, value)) if name == ZONE => {
            (Some(value.into_owned()).filter(|zone| !zone.is_empty()), rest)
        }
        _ => (None, query),
    }
}

/// The parameters by name; of several with one name the first counts.
pub struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// Reads a query or a form.
    pub fn of(query: &'a str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    fn get(&self, names: &[&str]) -> Option<&str> {
        let of =
            |name: &&str| self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
        names.iter().find_map(of).filter(|value| !value.is_empty())
    }

    fn number(&self, names: &[&str]) -> Option<f64> {
        self.get(names).and_then(number_in)
    }

    fn known(&self, names: &[&str]) -> Option<f64> {
        self.number(names).filter(|number| *number >= 0.0)
    }

    /// What they say; `speed_unit_m_s`: the unit of `speed`, m/s.
    pub fn read(&self, speed_unit_m_s: f64) -> Result<Reading, NoReading> {
        if self.get(&["valid"]).is_some_and(|valid| valid == "false" || valid == "0") {
            return Err(NoReading::NotValid);
        }
        let both = self.get(&["location"]).and_then(|both| both.split_once(','));
        let (latitude, longitude) = match both {
            Some((latitude, longitude)) => (number_in(latitude), number_in(longitude)),
            None => (self.number(&["lat"]), self.number(&["lon"])),
        };
        let Fix { ts, latitude, longitude } = Fix::new(
            (self.get(&["timestamp"]).and_then(moment_in), "timestamp"),
            (latitude, "lat"),
            (longitude, "lon"),
        )?;
        let level = self.known(&["batt", "batteryLevel"]).filter(|level| *level <= 100.0);
        let state = match self.get(&["charge", "charging"]) {
            Some("true" | "1") => BatteryState::Charging,
            Some("false" | "0") => BatteryState::Discharging,
            _ => BatteryState::Unknown,
        };
        Ok(Reading {
            ts,
            latitude,
            longitude,
            accuracy_m: self.known(&["accuracy"]),
            altitude_m: self.number(&["altitude"]),
            speed_m_s: self.known(&["speed"]).map(|speed| speed * speed_unit_m_s),
            heading_deg: self.known(&["bearing", "heading"]),
            motion: None,
            battery: level.map(|level_pct| Battery { level_pct, state }),
            stopped: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_the_host_comes_first_and_an_apps_own_does_not_count() {
        assert_eq!(
            zone_and_rest("zone=Europe%2FBerlin&lat=1&zone=UTC"),
            (Some("Europe/Berlin".to_owned()), "lat=1&zone=UTC")
        );
        assert_eq!(zone_and_rest("zone=&zone=UTC"), (None, "zone=UTC"));
        assert_eq!(zone_and_rest("zone="), (None, ""));
        assert_eq!(zone_and_rest("lat=1&lon=2"), (None, "lat=1&lon=2"));
        assert_eq!(zone_and_rest(""), (None, ""));
    }
}
