//! The reference's default configuration: when a person is asked much, when little, and about which labels.
//!
//! Another configuration means other values of these constants; the rules that read them are in [`crate::rules`].

use cells_sdk::model::time::Zone;

/// The kinds of labels that a person may give, by the names under which predictions have them.
///
/// Quirk: the reference counts the forms among them although no prediction ever has one. So the rule for trips without
/// a prediction always applies, and with the present [`MODES`] every trip is to be labelled.
pub const LABEL_KINDS: [&str; 5] =
    ["mode_confirm", "purpose_confirm", "replaced_mode", "trip_user_input", "place_user_input"];

/// The modes; the first whose schedule covers a trip's end applies. The last has no schedule, so one always does.
pub const MODES: [CollectionMode; 2] = [
    CollectionMode {
        schedule: Some(Schedule { first: FirstOfMonth { year: 2021, month: 6, hour: 20 }, duration_days: 7 }),
        confidence_threshold: 0.65,
        rules: &[
            Rule { trigger: NO_PREDICTION, expect: Expect::All },
            Rule { trigger: 1.0, expect: Expect::All },
            Rule { trigger: 0.75, expect: Expect::All },
        ],
    },
    CollectionMode {
        schedule: None,
        confidence_threshold: 0.55,
        rules: &[
            Rule { trigger: NO_PREDICTION, expect: Expect::RandomDays },
            Rule { trigger: 1.0, expect: Expect::Nothing },
            Rule { trigger: 0.95, expect: Expect::RandomFraction },
            Rule { trigger: 0.75, expect: Expect::RandomDays },
        ],
    },
];

/// The trigger of the rule for trips whose labels cannot be guessed.
pub const NO_PREDICTION: f64 = -1.0;

/// How much is asked at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollectionMode {
    /// When it applies; `None`: always.
    pub schedule: Option<Schedule>,
    /// A prediction must be surer than this to count, 0 to 1.
    pub confidence_threshold: f64,
    /// In any order.
    pub rules: &'static [Rule],
}

/// What is expected of a trip whose prediction is no surer than `trigger`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// 0 to 1, or [`NO_PREDICTION`].
    pub trigger: f64,
    /// What then.
    pub expect: Expect,
}

/// What is expected.
///
/// As in the reference, all but [`Expect::Nothing`] mean the same so far: label it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Every trip.
    All,
    /// Trips of some days.
    RandomDays,
    /// Some trips.
    RandomFraction,
    /// None.
    Nothing,
}

/// The same days of every month from a first month on, in the local time of the trip's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Its first beginning; it begins again on the same day and hour of each later month.
    pub first: FirstOfMonth,
    /// Its length, days of 24 h of local time.
    pub duration_days: i64,
}

/// An hour of the first day of a month, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstOfMonth {
    /// Such as 2021.
    pub year: i16,
    /// 1 to 12
    pub month: i8,
    /// 0 to 23
    pub hour: i8,
}

const SECONDS_A_DAY: i64 = 86_400;
/// No zone is further from UTC, s.
const OFFSET_S_MAX: f64 = 86_400.0;

impl Schedule {
    /// Whether a moment is before every zone's first beginning: then its local time is not needed.
    pub fn is_before_all(&self, ts: f64) -> bool {
        // Days from 1970-01-01 to the first of the month.
        let days = days_to_first_of_month(self.first.year, self.first.month);
        let begins = (days * SECONDS_A_DAY + i64::from(self.first.hour) * 3_600) as f64;
        ts < begins - OFFSET_S_MAX
    }

    /// Whether the moment `ts`, s, is within it in that zone. Local time counts: a day with a change of summer time has
    /// 24 h as well.
    pub fn covers(&self, ts: f64, zone: &Zone) -> bool {
        let Ok(local) = zone.at(ts) else { return false };
        let now = local.local_dt();
        let month = |year: i16, month: i8| i64::from(year) * 12 + i64::from(month) - 1;
        let first = &self.first;
        let in_month_s = |day: i64, hour: i8, minute: i8, second: i8| {
            (day - 1) * SECONDS_A_DAY + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)
        };
        let now_s = in_month_s(now.day.into(), now.hour, now.minute, now.second);
        let begin_s = in_month_s(1, first.hour, 0, 0);
        // Before this month's beginning, the last one was that of the month before.
        let begun_this_month = now_s >= begin_s;
        let begun_month = month(now.year, now.month) - i64::from(!begun_this_month);
        if begun_month < month(first.year, first.month) {
            return false;
        }
        let days_of_month = if begun_this_month {
            0
        } else {
            let (year, month) = if now.month == 1 { (now.year - 1, 12) } else { (now.year, now.month - 1) };
            days_to_first_of_month(now.year, now.month) - days_to_first_of_month(year, month)
        };
        now_s + days_of_month * SECONDS_A_DAY - begin_s < self.duration_days * SECONDS_A_DAY
    }
}

/// Days from 1970-01-01 to the first of a month, in the Gregorian calendar.
fn days_to_first_of_month(year: i16, month: i8) -> i64 {
    // Years that begin in March put the leap day at the end of a year.
    let year = i64::from(year) - i64::from(month <= 2);
    let from_march = (i64::from(month) + 9) % 12;
    let days_of_months = (153 * from_march + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + days_of_months - 719_468
}
