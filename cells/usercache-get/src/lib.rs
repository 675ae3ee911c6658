//! Returns what a phone requests at each sync: documents from the server. There are none, as in the reference; a phone
//! counts the sync as failed if the member `server_to_phone` is missing.

use cells_sdk::{Request, Response};

/// Answers `usercache/get`; the body is ignored.
pub fn handle<R>(_runtime: &mut R, _request: &Request) -> Result<Response, String> {
    Ok(Response::json(200, r#"{"server_to_phone": []}"#))
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::testing::Memory;

    #[test]
    fn the_answer_for_the_phone_is_empty() {
        let answer = Memory::new().call(handle, "", 0.0, "{}").expect("always");
        assert_eq!((answer.status, &answer.body[..]), (200, &br#"{"server_to_phone": []}"#[..]));
    }
}
