//! Checks the values that a cell returned, before they are used.

use crate::{
    ANSWER_BYTES_MAX, CONTENT_TYPE_BYTES_MAX, CONTRIBUTION_NUMBERS_MAX, CodeDigest, Outcome, Response,
    RunError, STAGE_STATE_BYTES_MAX, text,
};

/// The statuses that a cell may return.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// Status and content type go into an HTTP head, so a cell must not be able to inject anything into it.
pub(crate) fn check_head(status: u16, content_type: &str) -> Result<(), String> {
    if !STATUSES.contains(&status) {
        return Err(format!("the status {status}, outside 200 to 599"));
    }
    let visible = content_type.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if !visible || content_type.len() > CONTENT_TYPE_BYTES_MAX {
        return Err(format!(
            "a content type that is not at most {CONTENT_TYPE_BYTES_MAX} visible characters"
        ));
    }
    Ok(())
}

/// `begun`: status and content type were sent already.
pub(crate) fn check_response(
    cell: CodeDigest,
    begun: bool,
    response: Response,
) -> Result<Response, RunError> {
    check_size(cell, response.body.len(), ANSWER_BYTES_MAX)?;
    if !begun {
        check_head(response.status, &response.content_type)
            .map_err(|what| RunError::BadAnswer { cell, what })?;
    }
    Ok(response)
}

pub(crate) fn check_outcome(cell: CodeDigest, outcome: Outcome) -> Result<Outcome, RunError> {
    check_size(cell, outcome.state.len(), STAGE_STATE_BYTES_MAX)?;
    if outcome.processed_through.is_some_and(f64::is_nan) {
        return Err(RunError::BadAnswer { cell, what: "a mark that is not a number".to_owned() });
    }
    Ok(outcome)
}

pub(crate) fn check_contribution(cell: CodeDigest, numbers: Vec<f64>) -> Result<Vec<f64>, RunError> {
    check_size(cell, size_of_val(&*numbers), CONTRIBUTION_BYTES)?;
    if numbers.iter().any(|number| number.is_nan()) {
        return Err(RunError::BadAnswer { cell, what: "a contribution that is not a number".to_owned() });
    }
    Ok(numbers)
}

/// The size of the largest contribution, bytes.
pub(crate) const CONTRIBUTION_BYTES: usize = size_of::<f64>() * CONTRIBUTION_NUMBERS_MAX;

pub(crate) fn refused(cell: CodeDigest, words: &str) -> RunError {
    RunError::Refused { cell, text: text::one_line(words) }
}

fn check_size(cell: CodeDigest, size: usize, limit: usize) -> Result<(), RunError> {
    if size > limit { Err(RunError::AnswerTooLarge { cell, limit_bytes: limit as u64 }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_break_out_of_an_answers_head() {
        assert_eq!(check_head(200, "application/json; charset=utf-8"), Ok(()));
        assert!(check_head(199, "text/plain").is_err());
        assert!(check_head(600, "text/plain").is_err());
        assert!(check_head(200, "text/plain\r\nset-cookie: a=b").is_err());
        assert_eq!(check_head(204, ""), Ok(()));
        assert!(check_head(200, &"x".repeat(201)).is_err());
    }
}
