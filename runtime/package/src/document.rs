//! Signatures of texts that are no package, by the same keys and the same chain of successions.

use crate::id::sha256;
use crate::{BadSignature, PublicKey, PublisherId, Signature};

/// For what a document is signed: nobody can show a signature over one kind of document as one over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentDomain(&'static str);

impl DocumentDomain {
    /// The domain with that text, such as `cellar/study/1\n`. It ends with the only line feed in it.
    ///
    /// # Panics
    /// In the build, where it is a constant: the text has no line feed at its end.
    pub const fn new(text: &'static str) -> Self {
        assert!(
            !text.is_empty() && text.as_bytes()[text.len() - 1] == b'\n',
            "a domain ends with a line feed"
        );
        Self(text)
    }

    /// What is signed: the document, and by whom it is.
    pub(crate) fn message(self, document: &[u8], head: &[u8]) -> Vec<u8> {
        [self.0.as_bytes(), &sha256(&[document]), head].concat()
    }
}

/// Who signed a document, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The publisher.
    pub publisher: PublisherId,
    /// All keys, the first one first; the last one signed this document.
    pub keys: Vec<PublicKey>,
}

/// Checks what [`crate::PublisherKey::sign_document`] has made.
///
/// # Errors
/// [`BadSignature`]: it is of another form, of a weak key, or of other bytes.
pub fn verify_document(
    domain: DocumentDomain,
    document: &[u8],
    signature: &[u8],
) -> Result<SignedBy, BadSignature> {
    let signature = Signature::parse(signature).ok_or(BadSignature::Form)?;
    let head = Signature::head(&signature.root, &signature.successions);
    let keys = signature.verify_message(&domain.message(document, &head))?;
    let first = keys.first().ok_or(BadSignature::Signature)?;
    Ok(SignedBy { publisher: PublisherId::of(first), keys })
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::PublisherKey;

    const DOMAIN: DocumentDomain = DocumentDomain::new("cellar/test/1\n");

    #[test]
    fn a_document_is_proved_by_its_signature_alone_in_its_own_domain() {
        let random = SystemRandom::new();
        let key = PublisherKey::generate(&random).expect("random bytes");
        let signature = key.sign_document(DOMAIN, b"a text", &random).expect("signed");
        let signed = verify_document(DOMAIN, b"a text", &signature).expect("it holds");
        assert_eq!((signed.publisher, signed.keys), (key.publisher(), vec![*key.public()]));
        let other = DocumentDomain::new("cellar/other/1\n");
        assert_eq!(verify_document(other, b"a text", &signature), Err(BadSignature::Signature));
        assert_eq!(verify_document(DOMAIN, b"a Text", &signature), Err(BadSignature::Signature));
        assert_eq!(verify_document(DOMAIN, b"a text", &signature[1..]), Err(BadSignature::Form));
        let next = key.succeed(PublisherKey::generate(&random).expect("random bytes"), &random).expect("new");
        let signature = next.sign_document(DOMAIN, b"a text", &random).expect("signed");
        let signed = verify_document(DOMAIN, b"a text", &signature).expect("it holds");
        assert_eq!((signed.publisher, signed.keys.len()), (key.publisher(), 2));
    }
}
