//! The vocabulary of the two platforms.

use cells_model::background::{BatteryStatus, BleEvent};
use cells_model::statemachine::{State, TransitionType};

/// Which kind of phone wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phone {
    Android,
    Ios,
}

impl Phone {
    pub(crate) fn named(platform: Option<&str>) -> Option<Self> {
        match platform? {
            "android" => Some(Self::Android),
            "ios" => Some(Self::Ios),
            _ => None,
        }
    }

    pub(crate) fn state(self, name: &str) -> Option<State> {
        match self {
            Self::Ios => State::from_name(name.strip_prefix("STATE_")?),
            Self::Android => Some(match name {
                "local.state.start" => State::Start,
                "local.state.waiting_for_trip_start" => State::WaitingForTripStart,
                "local.state.ongoing_trip" => State::OngoingTrip,
                // The reference has one number for both.
                "local.state.tracking_stopped" | "unknown" => State::TrackingStopped,
                _ => return None,
            }),
        }
    }

    pub(crate) fn transition(self, name: &str) -> Option<TransitionType> {
        if name == "booted" {
            return Some(TransitionType::Booted);
        }
        match self {
            Self::Ios => match name.strip_prefix("T_")? {
                "TRIP_ENDED" => Some(TransitionType::StoppedMoving),
                "FORCE_STOP_TRACKING" => Some(TransitionType::StopTracking),
                name => by_name(name),
            },
            Self::Android => {
                let name = name.strip_prefix("local.transition.")?;
                const KNOWN: [&str; 8] = [
                    "initialize",
                    "exited_geofence",
                    "stopped_moving",
                    "stop_tracking",
                    "start_tracking",
                    "ble_beacon_found",
                    "ble_beacon_lost",
                    "tracking_error",
                ];
                KNOWN.contains(&name).then(|| by_name(&name.to_ascii_uppercase()))?
            }
        }
    }

    pub(crate) fn battery_status(self, number: f64) -> Option<BatteryStatus> {
        use BatteryStatus::{Charging, Discharging, Full, NotCharging, Unknown};
        let by_number: &[Option<BatteryStatus>] = match self {
            Self::Android => {
                &[None, Some(Unknown), Some(Charging), Some(Discharging), Some(NotCharging), Some(Full)]
            }
            Self::Ios => &[Some(Unknown), Some(Discharging), Some(Charging), Some(Full)],
        };
        let whole = number.fract() == 0.0 && (0.0..8.0).contains(&number);
        whole.then(|| by_number.get(number as usize).copied().flatten())?
    }

    pub(crate) fn ble_event(self, name: &str) -> Option<BleEvent> {
        BleEvent::from_name(name)
    }
}

fn by_name(name: &str) -> Option<TransitionType> {
    // Its number is that of TRACKING_ERROR in the reference, so both are read as one.
    if name == "BLE_BEACON_FOUND" {
        Some(TransitionType::TrackingError)
    } else {
        TransitionType::from_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_are_named_differently_by_each_platform() {
        assert_eq!(Phone::Ios.transition("T_TRIP_ENDED"), Some(TransitionType::StoppedMoving));
        assert_eq!(Phone::Ios.transition("T_VISIT_ENDED"), Some(TransitionType::VisitEnded));
        assert_eq!(Phone::Ios.transition("local.transition.initialize"), None);
        assert_eq!(
            Phone::Android.transition("local.transition.ble_beacon_found"),
            Some(TransitionType::TrackingError)
        );
        assert_eq!(Phone::Android.transition("local.transition.visit_ended"), None);
        assert_eq!(Phone::Android.state("unknown"), Some(State::TrackingStopped));
        assert_eq!(Phone::Android.battery_status(3.0), Some(BatteryStatus::Discharging));
        assert_eq!(Phone::Ios.battery_status(3.0), Some(BatteryStatus::Full));
        for number in [-1.0, 0.5, 6.0, f64::NAN, 1e9] {
            assert_eq!(Phone::Android.battery_status(number), None);
        }
    }
}
