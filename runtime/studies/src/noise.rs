//! Noise: discrete Laplace from OpenDP, which checks that it keeps the study's ε.

use opendp::core::Measurement;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::make_laplace;
use opendp::measures::MaxDivergence;
use opendp::metrics::L1Distance;
use runtime_study::Study;

use crate::GateError;

/// How often the scale is made a little larger until the proof holds: its rounding is of a few units in the last place.
const ROUNDINGS_MAX: usize = 64;

type Vector = VectorDomain<AtomDomain<i64>>;
type Laplace = Measurement<Vector, L1Distance<i64>, MaxDivergence, Vec<i64>>;

/// Adds noise to sums whose L1 norm one person changes by at most the study's bound, so that all of them together keep
/// the study's ε. Returns the totals and the scale.
pub(crate) fn add(study: &Study, sums: &Vec<i64>) -> Result<(Vec<i64>, f64), GateError> {
    let (laplace, scale) = prepare(study)?;
    let totals = laplace.invoke(sums).map_err(refused)?;
    Ok((totals, scale))
}

/// The mechanism of the least scale for which OpenDP proves the study's ε.
pub(crate) fn prepare(study: &Study) -> Result<(Laplace, f64), GateError> {
    let epsilon = study.epsilon_micro as f64 / 1e6;
    let mut scale = study.scale();
    for _ in 0..ROUNDINGS_MAX {
        let (domain, metric) = (Vector::new(AtomDomain::default()), L1Distance::default());
        let laplace: Laplace = make_laplace(domain, metric, scale, None).map_err(refused)?;
        if laplace.check(&study.l1, &epsilon).map_err(refused)? {
            return Ok((laplace, scale));
        }
        scale = scale.next_up();
    }
    Err(GateError::Noise { why: format!("no scale near {} keeps it", study.scale()) })
}

/// The kind of the failure alone: a message could show what was given.
fn refused(error: opendp::error::Error) -> GateError {
    GateError::Noise { why: format!("{:?}", error.variant) }
}
