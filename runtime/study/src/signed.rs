//! A study with its signature: the document, and behind it one line that TOML takes for a comment.

use data_encoding::HEXLOWER;
use ring::rand::SecureRandom;
use runtime_package::{Digest, DocumentDomain, PublisherKey, SignError, SignedBy, verify_document};

use crate::{BadStudy, STUDY_BYTES_MAX, Study};

/// For what a study is signed.
const DOMAIN: DocumentDomain = DocumentDomain::new("cellar/study/1\n");
/// What the line of the signature begins with.
const LINE: &str = "# cellar-study-signature: ";

/// A study, and who signed it.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedStudy {
    study: Study,
    id: Digest,
    signed: SignedBy,
    text: String,
}

impl SignedStudy {
    /// Reads and checks a signed study.
    ///
    /// # Errors
    /// [`BadStudy`]: the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadStudy> {
        if bytes.len() > STUDY_BYTES_MAX {
            return Err(BadStudy::TooLong { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| BadStudy::NoText)?;
        let (document, signature) = split(text)?;
        let signature = HEXLOWER.decode(signature.ok_or(BadStudy::Unsigned)?.as_bytes());
        let signature = signature.map_err(|_| runtime_package::BadSignature::Form)?;
        let signed = verify_document(DOMAIN, document.as_bytes(), &signature)?;
        Ok(Self { study: Study::parse(document)?, id: id_of(document), signed, text: text.to_owned() })
    }

    /// What it asks for.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Which study it is: SHA-256 of the document without its signature.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Who signed it.
    pub fn signed(&self) -> &SignedBy {
        &self.signed
    }

    /// The document with its signature.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Checks a study and signs it; a signature that it has is replaced. Returns the whole text.
///
/// # Errors
/// The inner one: it is no study. The outer one: the system gave no random bytes.
pub fn sign(
    bytes: &[u8],
    key: &PublisherKey,
    random: &dyn SecureRandom,
) -> Result<Result<String, BadStudy>, SignError> {
    let document = match document_of(bytes) {
        Ok(document) => document,
        Err(error) => return Ok(Err(error)),
    };
    let signature = key.sign_document(DOMAIN, document.as_bytes(), random)?;
    let text = format!("{document}{LINE}{}\n", HEXLOWER.encode(&signature));
    if text.len() > STUDY_BYTES_MAX {
        return Ok(Err(BadStudy::TooLong { bytes: text.len() }));
    }
    Ok(Ok(text))
}

/// The document of a study that may be signed already, with a line feed at its end.
fn document_of(bytes: &[u8]) -> Result<String, BadStudy> {
    if bytes.len() > STUDY_BYTES_MAX {
        return Err(BadStudy::TooLong { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| BadStudy::NoText)?;
    let (document, _) = split(text)?;
    Study::parse(document)?;
    Ok(if document.ends_with('\n') { document.to_owned() } else { format!("{document}\n") })
}

/// The document, and the signature in the last line if it has one.
fn split(text: &str) -> Result<(&str, Option<&str>), BadStudy> {
    let is_signature = |line: &str| line.starts_with(LINE.trim_end());
    let (document, last) = match text.strip_suffix('\n').unwrap_or(text).rsplit_once('\n') {
        Some((before, last)) if is_signature(last) => (&text[..=before.len()], Some(last)),
        _ => (text, None),
    };
    if document.lines().any(is_signature) {
        return Err(BadStudy::SignedTwice);
    }
    match last {
        None => Ok((document, None)),
        Some(_) if !text.ends_with('\n') => Err(runtime_package::BadSignature::Form.into()),
        Some(line) => match line.strip_prefix(LINE) {
            Some(signature) => Ok((document, Some(signature))),
            None => Err(runtime_package::BadSignature::Form.into()),
        },
    }
}

fn id_of(document: &str) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, document.as_bytes());
    Digest(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}
