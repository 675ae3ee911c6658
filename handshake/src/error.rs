//! The refusals that a phone receives: a short code that never distinguishes "no such" from "not allowed".

use serde::{Deserialize, Serialize};

/// A refusal as the phone sees it. `Display` gives the code's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Code {
    /// The device key is unknown or revoked.
    #[error("UPC-001")]
    DeviceUnknown,
    /// The device lacks the scope.
    #[error("UPC-002")]
    ScopeMissing,
    /// The pairing window is expired, burnt, finished or never existed.
    #[error("UPC-003")]
    WindowGone,
    /// The proof is wrong; the code does not say which part.
    #[error("UPC-004")]
    ProofWrong,
    /// Another phone has used this code.
    #[error("UPC-005")]
    WindowClaimed,
    /// The owner rejected, or did not answer in time.
    #[error("UPC-006")]
    NotApproved,
    /// The store is locked.
    #[error("UPC-007")]
    StoreLocked,
    /// The store's head is older than the one that the phone has seen.
    #[error("UPC-008")]
    RolledBack,
    /// Too many requests.
    #[error("UPC-009")]
    RateLimited,
    /// The version of the protocol is retired.
    #[error("UPC-010")]
    VersionRetired,
    /// The authority of the request is not the name that the connection was made to.
    #[error("UPC-011")]
    WrongAuthority,
    /// The runtime is starting.
    #[error("UPC-012")]
    Starting,
    /// The body is not what the endpoint reads. (The first draft of the protocol had no code for this.)
    #[error("UPC-013")]
    Malformed,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 13] = [
        Self::DeviceUnknown,
        Self::ScopeMissing,
        Self::WindowGone,
        Self::ProofWrong,
        Self::WindowClaimed,
        Self::NotApproved,
        Self::StoreLocked,
        Self::RolledBack,
        Self::RateLimited,
        Self::VersionRetired,
        Self::WrongAuthority,
        Self::Starting,
        Self::Malformed,
    ];

    /// The HTTP status of the refusal.
    pub fn status(self) -> u16 {
        match self {
            Self::DeviceUnknown => 401,
            Self::ScopeMissing | Self::ProofWrong | Self::NotApproved => 403,
            Self::WindowGone => 410,
            Self::WindowClaimed | Self::RolledBack => 409,
            Self::StoreLocked => 423,
            Self::RateLimited => 429,
            Self::VersionRetired => 426,
            Self::WrongAuthority => 421,
            Self::Starting => 503,
            Self::Malformed => 400,
        }
    }

    /// Reads a code such as `UPC-001`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_string() == text)
    }

    /// The body of the refusal; `retry_s` says after how many seconds a retry makes sense.
    pub fn body(self, retry_s: Option<u32>) -> Body {
        Body { error: self.to_string(), retry: retry_s }
    }
}

/// `{"error":"UPC-003","retry":null}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The code's text.
    pub error: String,
    /// Seconds until a retry makes sense; `None`: a retry alone never helps.
    pub retry: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_what_it_prints_and_numbers_run_from_one() {
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code.to_string(), format!("UPC-{:03}", index + 1));
            assert_eq!(Code::parse(&code.to_string()), Some(code));
            assert!((400..=503).contains(&code.status()));
        }
        assert_eq!(Code::parse("UPC-999"), None);
    }

    #[test]
    fn a_refusal_has_its_code_and_nothing_else() {
        let body = serde_json::to_string(&Code::WindowGone.body(None)).unwrap();
        assert_eq!(body, r#"{"error":"UPC-003","retry":null}"#);
    }
}
