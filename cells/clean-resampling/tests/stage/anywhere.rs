//! Days on other parallels, over the 180th meridian and beside the poles.

use cells_geometry::wrapped;
use serde_json::{Value, json};

use crate::diary::*;

/// Turns the way north from the corner into one east from there, or west for a negative `sign`, on that parallel.
fn go_east(data: &mut Value, [longitude, latitude]: [f64; 2], sign: f64) {
    let stretch = sign / latitude.to_radians().cos();
    let turned = |north: f64| wrapped(longitude + (north - 47.0) * stretch);
    match data {
        Value::Object(members) => {
            if let Some(north) = members.get("latitude").and_then(Value::as_f64) {
                members.insert("longitude".to_owned(), json!(turned(north)));
                members.insert("latitude".to_owned(), json!(latitude));
            }
            if let Some(Value::Array(coordinates)) = members.get_mut("coordinates") {
                let north = coordinates[1].as_f64().expect("a number");
                *coordinates = vec![json!(turned(north)), json!(latitude)];
            }
            members.values_mut().for_each(|value| go_east(value, [longitude, latitude], sign));
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| go_east(value, [longitude, latitude], sign));
        }
        _ => {}
    }
}

/// Every longitude in the results.
fn longitudes(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("longitude").and_then(Value::as_f64));
            if let Some(Value::Array(coordinates)) = members.get("coordinates") {
                found.extend(coordinates[0].as_f64());
            }
            members.values().for_each(|value| longitudes(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| longitudes(value, found)),
        _ => {}
    }
}

fn assert_same_day(here: [f64; 2], there: [f64; 2], sign: f64) {
    let day = |at: [f64; 2], sign: f64| eventful().changed(|data| go_east(data, at, sign)).run().0;
    let (here, there) = (day(here, 1.0), day(there, sign));
    let pairs = measures(&here).into_iter().zip(measures(&there));
    assert_eq!(measures(&here).len(), measures(&there).len());
    for (number, (here, there)) in pairs.enumerate() {
        assert!((here - there).abs() < 1e-4, "measure {number}: {here} {there}");
    }
    let mut found = Vec::new();
    MADE.iter().flat_map(|key| there.made(key)).for_each(|data| longitudes(&data, &mut found));
    assert!(!found.is_empty() && found.iter().all(|degrees| degrees.abs() <= 180.0));
}

// Row: "Longitudes are interpolated"
#[test]
fn a_day_over_the_180th_meridian_is_the_day_that_it_would_be_elsewhere() {
    for longitude in [179.9, 179.96, 180.0, -180.0, 179.999_999] {
        assert_same_day([20.0, -16.8], [longitude, -16.8], 1.0);
        assert_same_day([20.0, -16.8], [-longitude, -16.8], -1.0);
    }
}

// Row: "Longitudes are interpolated"
#[test]
fn a_day_beside_a_pole_is_the_day_beside_the_other_one() {
    for latitude in [88.5, 89.5, 89.95] {
        assert_same_day([20.0, latitude], [20.0, -latitude], 1.0);
        assert_same_day([20.0, latitude], [175.0, latitude], 1.0);
    }
}
