//! Where two values differ.

use serde_json::Value;

/// Times may differ by this much, s.
const TIME_TOLERANCE_S: f64 = 2e-6;
/// Other numbers may differ by this much of their size.
const TOLERANCE: f64 = 1e-9;

/// The first difference, by its path.
pub fn difference(got: &Value, want: &Value, path: &str) -> Result<(), String> {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            if let Some(name) = got.keys().find(|name| !want.contains_key(*name)) {
                return Err(format!("{path}.{name} is not wanted"));
            }
            want.iter().try_for_each(|(name, want)| {
                let got = got.get(name).ok_or(format!("{path}.{name} is missing"))?;
                difference(got, want, &format!("{path}.{name}"))
            })
        }
        (Value::Array(got), Value::Array(want)) => {
            if got.len() != want.len() {
                return Err(format!("{path}: {} items, want {}", got.len(), want.len()));
            }
            let pairs = got.iter().zip(want).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(index, (got, want))| difference(got, want, &format!("{path}[{index}]")))
        }
        (Value::Number(got), Value::Number(want)) => {
            let (got, want) = (got.as_f64().unwrap_or(f64::NAN), want.as_f64().unwrap_or(f64::NAN));
            let allowed =
                if path.ends_with("ts") { TIME_TOLERANCE_S } else { TOLERANCE * want.abs() + 1e-12 };
            if (got - want).abs() <= allowed { Ok(()) } else { Err(format!("{path}: {got}, want {want}")) }
        }
        _ if got == want => Ok(()),
        _ => Err(format!("{path}: {got}, want {want}")),
    }
}
