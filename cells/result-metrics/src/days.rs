//! Sums of trips by day.

use std::collections::BTreeMap;

use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde_json::{Map, Value, json};

use crate::groups::Trip;
use crate::request::{Metric, Wanted};

const TRIPS: &str = "analysis/confirmed_trip";

/// The sum of one group on one day, for every metric.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    distance_m: f64,
    duration_s: f64,
    trips: u64,
    responded: u64,
}

impl Sums {
    fn add(&mut self, trip: &Trip, responded: bool) {
        self.distance_m += trip.distance;
        self.duration_s += trip.duration;
        self.trips += 1;
        self.responded += u64::from(responded);
    }

    fn value(&self, metric: Metric) -> Value {
        match metric {
            Metric::Distance => json!(self.distance_m),
            Metric::Duration => json!(self.duration_s),
            Metric::Count => json!(self.trips),
            Metric::ResponseCount => {
                let counts = [("responded", self.responded), ("not_responded", self.trips - self.responded)];
                let counts = counts.into_iter().filter(|(_, trips)| *trips > 0);
                Value::Object(counts.map(|(name, trips)| (name.to_owned(), json!(trips))).collect())
            }
        }
    }
}

/// For each day the sums of each group, for each metric of the request by its place.
#[derive(Debug, Default)]
pub(crate) struct Days(BTreeMap<String, Vec<BTreeMap<String, Sums>>>);

impl Days {
    /// Sums the trips that are asked for. A trip that cannot be read counts nowhere.
    pub(crate) fn of_trips<R: ReadEntries>(runtime: &mut R, wanted: &Wanted) -> Result<Self, RunError> {
        let (start, end) = wanted.bounds;
        let query = Query::of(&[TRIPS], TimeField::StartTs).between(Some(start), Some(end));
        let mut days = Self::default();
        for_each_entry(runtime, &query, |_, entry| {
            if let Ok(trip) = serde_json::from_str::<Trip>(entry.data) {
                days.add(&trip, wanted);
            }
            Ok(())
        })?;
        Ok(days)
    }

    fn add(&mut self, trip: &Trip, wanted: &Wanted) {
        let day = trip.start_fmt_time.split('T').next().unwrap_or_default();
        if !wanted.has(day) {
            return;
        }
        let sums =
            self.0.entry(day.to_owned()).or_insert_with(|| vec![BTreeMap::new(); wanted.metrics.len()]);
        for (sums, (_, groups)) in sums.iter_mut().zip(&wanted.metrics) {
            for group in groups {
                let (name, responded) = group.of(trip);
                sums.entry(name).or_default().add(trip, responded);
            }
        }
    }

    /// The answer.
    pub(crate) fn written(&self, wanted: &Wanted) -> String {
        let of_metric = |(place, (metric, _)): (usize, &(Metric, _))| {
            let rows = self.0.iter().map(|(day, sums)| row(day, &sums[place], *metric)).collect();
            (metric.name().to_owned(), Value::Array(rows))
        };
        let answer: Map<String, Value> = wanted.metrics.iter().enumerate().map(of_metric).collect();
        Value::Object(answer).to_string()
    }
}

fn row(day: &str, sums: &BTreeMap<String, Sums>, metric: Metric) -> Value {
    let mut row = Map::from_iter([("date".to_owned(), json!(day)), ("nUsers".to_owned(), json!(1))]);
    row.extend(sums.iter().map(|(group, sums)| (group.clone(), sums.value(metric))));
    Value::Object(row)
}
