//! `statemachine/transition`: how the phone's trip detection moved between its states.

use serde::{Deserialize, Serialize};

use crate::numbered::numbered;
use crate::time::LocalDt;

numbered! {
    /// Where the trip detection stands.
    State {
        Start = 0 "START",
        WaitingForTripStart = 1 "WAITING_FOR_TRIP_START",
        OngoingTrip = 2 "ONGOING_TRIP",
        /// The reference's `UNKNOWN` has the same number.
        TrackingStopped = 3 "TRACKING_STOPPED",
    }
}

numbered! {
    /// What moved it.
    TransitionType {
        Initialize = 0 "INITIALIZE",
        ExitedGeofence = 1 "EXITED_GEOFENCE",
        StoppedMoving = 2 "STOPPED_MOVING",
        StopTracking = 3 "STOP_TRACKING",
        Booted = 4 "BOOTED",
        InitComplete = 5 "INIT_COMPLETE",
        TripStarted = 6 "TRIP_STARTED",
        ReceivedSilentPush = 7 "RECEIVED_SILENT_PUSH",
        TripEndDetected = 8 "TRIP_END_DETECTED",
        TripRestarted = 9 "TRIP_RESTARTED",
        EndTripTracking = 10 "END_TRIP_TRACKING",
        TrackingStopped = 11 "TRACKING_STOPPED",
        Nop = 12 "NOP",
        VisitStarted = 13 "VISIT_STARTED",
        VisitEnded = 14 "VISIT_ENDED",
        None = 15 "NONE",
        DataPushed = 16 "DATA_PUSHED",
        StartTracking = 17 "START_TRACKING",
        /// The reference stores `BLE_BEACON_FOUND` under the same number.
        TrackingError = 18 "TRACKING_ERROR",
        BleBeaconLost = 19 "BLE_BEACON_LOST",
    }
}

/// `statemachine/transition`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Transition {
    /// The state before.
    pub curr_state: State,
    /// What moved it; some phones send none.
    pub transition: Option<TransitionType>,
    /// s
    pub ts: f64,
    /// `ts` in local time.
    pub local_dt: LocalDt,
    /// `ts` in local time.
    pub fmt_time: String,
}
