//! The motion activities that the phone sensed, with the values from which sections are made.

use cells_sdk::model::background::MotionType;

/// A motion activity as the phone sent it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensed {
    /// s
    pub ts: f64,
    /// What the phone thought.
    pub kind: MotionType,
    /// 0 to 100; NaN where the phone did not say.
    pub confidence: f64,
}

/// A motion that begins or ends a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// s
    pub ts: f64,
    /// What the owner does from here on.
    pub kind: MotionType,
    /// Its number among the motions of the trip that count, from 0.
    pub index: i64,
}

/// From a motion to the one where another kind begins, or to the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Gives the change its kind.
    pub start: Motion,
    /// The start of the next change, if there is one.
    pub end: Motion,
}

impl Change {
    /// What the owner does from start to end.
    pub fn kind(&self) -> MotionType {
        self.start.kind
    }

    /// s
    pub fn seconds(&self) -> f64 {
        self.end.ts - self.start.ts
    }

    /// How many motions the end is behind the start; below 0 where several of one moment have moved the start on.
    pub fn motions(&self) -> i64 {
        self.end.index - self.start.index
    }
}

/// In a vehicle of any sort.
pub fn is_motorised(kind: MotionType) -> bool {
    kind == MotionType::InVehicle
}

/// On foot at any speed.
pub fn is_walking(kind: MotionType) -> bool {
    matches!(kind, MotionType::Walking | MotionType::OnFoot | MotionType::Running)
}

/// Whether sections are made of that kind. The others give no information about how the owner travels.
pub fn is_travel(kind: MotionType) -> bool {
    is_walking(kind) || matches!(kind, MotionType::InVehicle | MotionType::Bicycling)
}
