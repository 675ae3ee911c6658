//! The reference's assumptions about modes of travel, and when it overrides the phone.

use cells_sdk::model::background::MotionType;
use cells_statistics::quantile;

/// Whether the mode has an engine. Aeroplanes and the unknown mode do not count.
pub fn is_motorized(mode: MotionType) -> bool {
    mode == MotionType::InVehicle
}

/// Whether a person can travel at `speed`, m/s, in that mode: on foot, or by bicycle for every other mode.
pub fn is_plausible_speed(mode: MotionType, speed: f64) -> bool {
    let walking = matches!(mode, MotionType::Walking | MotionType::OnFoot | MotionType::Running);
    let most = if walking { 1.7 } else { 8.5 };
    speed <= most
}

/// km/h in m/s.
const fn km_h(speed: f64) -> f64 {
    speed * 1000.0 / 3600.0
}

/// The mode that a section must have had, whatever the phone sensed; `None`: the phone may be right. The section is
/// `metres` long in `seconds`, end to end; `speeds` are between its points, m/s.
pub fn overridden(sensed: MotionType, metres: f64, seconds: f64, speeds: &[f64]) -> Option<MotionType> {
    if metres == 0.0 || seconds == 0.0 {
        return None;
    }
    let speed = metres / seconds;
    let fast = || quantile(speeds, 0.9) > km_h(150.0);
    if speed > km_h(150.0) || (speed > km_h(100.0) && fast()) {
        return Some(MotionType::AirOrHsr);
    }
    let implausible = match sensed {
        MotionType::OnFoot => metres > 10_000.0 && speed > km_h(10.0),
        MotionType::Bicycling => metres > 100_000.0 && speed > km_h(20.0),
        _ => false,
    };
    implausible.then_some(MotionType::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faster_than_150_km_h_is_an_aeroplane_or_a_fast_train() {
        assert_eq!(overridden(MotionType::InVehicle, 45_000.0, 1000.0, &[45.0]), Some(MotionType::AirOrHsr));
        assert_eq!(overridden(MotionType::InVehicle, 30_000.0, 1000.0, &[30.0]), None);
        // Slower with its stops, but a tenth of the way at over 150 km/h.
        let speeds = [vec![29.0; 8], vec![50.0; 2]].concat();
        assert_eq!(overridden(MotionType::OnFoot, 30_000.0, 1000.0, &speeds), Some(MotionType::AirOrHsr));
    }

    #[test]
    fn nobody_walks_ten_kilometres_at_ten_km_h() {
        assert_eq!(overridden(MotionType::OnFoot, 11_000.0, 3600.0, &[3.0]), Some(MotionType::Unknown));
        assert_eq!(overridden(MotionType::OnFoot, 9_000.0, 2000.0, &[3.0]), None);
        // As in the reference, the phone's value for walking itself is not tested.
        assert_eq!(overridden(MotionType::Walking, 11_000.0, 3600.0, &[3.0]), None);
    }

    #[test]
    fn nobody_cycles_a_hundred_kilometres_at_over_twenty_km_h() {
        assert_eq!(overridden(MotionType::Bicycling, 101_000.0, 15_000.0, &[6.0]), Some(MotionType::Unknown));
        assert_eq!(overridden(MotionType::Bicycling, 99_000.0, 15_000.0, &[6.0]), None);
    }

    // Row: "A stop without a duration, or a section of"
    #[test]
    fn a_section_without_length_or_duration_has_no_corrected_mode() {
        assert_eq!(overridden(MotionType::OnFoot, 0.0, 10.0, &[0.0]), None);
        assert_eq!(overridden(MotionType::OnFoot, 20_000.0, 0.0, &[0.0]), None);
    }
}
