//! A certificate of one name with its key, in one file: the key first, then the chain.

use std::io;
use std::path::Path;

use runtime_wire::tls::{Identity, IdentityError};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, Tag};

use crate::files;

/// From when to when a certificate is valid, s since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The first second.
    pub from_s: u64,
    /// The last one.
    pub until_s: u64,
}

impl Lifetime {
    /// From when on another one is asked for: when a third of it is left.
    pub fn renewed_from_s(self) -> u64 {
        self.until_s.saturating_sub(self.until_s.saturating_sub(self.from_s) / 3)
    }
}

/// Why a file is not the certificate of a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// There is no such file, or it cannot be read or written.
    #[error("the file of the certificate cannot be used")]
    File(#[from] io::Error),
    /// Whoever has read the key can pose as the name.
    #[error("others can read the key of the certificate: its mode is not 600")]
    OpenToOthers,
    /// Key and chain cannot be read, or do not belong together.
    #[error("the certificate and its key cannot be used")]
    Identity(#[from] IdentityError),
    /// The first certificate cannot be read.
    #[error("the certificate cannot be read")]
    Form,
    /// It is for another name.
    #[error("the certificate is not for this name")]
    Name,
}

/// The certificate of that name in a file, and how long it is valid.
///
/// # Errors
/// [`Unfit`] where the file is not there, can be read by others, or has something else.
pub fn read(file: &Path, name: &str) -> Result<(Identity, Lifetime), Unfit> {
    if !files::is_private(file)? {
        return Err(Unfit::OpenToOthers);
    }
    let identity = Identity::load(file, file)?;
    // Whether key and certificate belong together is found out here.
    identity.server_config()?;
    let first = CertificateDer::pem_file_iter(file).map_err(|_| Unfit::Form)?.next();
    let lifetime = lifetime(&first.and_then(Result::ok).ok_or(Unfit::Form)?, name)?;
    Ok((identity, lifetime))
}

/// Writes key and chain, both in PEM form, in the place of what was there, if they are a certificate of that name.
pub(crate) fn store(file: &Path, name: &str, key: &str, chain: &str) -> Result<Lifetime, Unfit> {
    let mut found = None;
    let parts = [key.as_bytes(), b"\n", chain.as_bytes()];
    files::replace(file, &parts, |half| {
        found = Some(read(half, name)?.1);
        Ok::<(), Unfit>(())
    })?;
    found.ok_or(Unfit::Form)
}

fn lifetime(der: &CertificateDer<'_>, name: &str) -> Result<Lifetime, Unfit> {
    let wanted = ServerName::try_from(name).map_err(|_| Unfit::Name)?;
    let parsed = ParsedCertificate::try_from(der).map_err(|_| Unfit::Form)?;
    verify_server_name(&parsed, &wanted).map_err(|_| Unfit::Name)?;
    let (from, until) = yasna::parse_der(der, validity).map_err(|_| Unfit::Form)?;
    let seconds = |at: i64| u64::try_from(at).map_err(|_| Unfit::Form);
    let (from_s, until_s) = (seconds(from)?, seconds(until)?);
    if until_s <= from_s { Err(Unfit::Form) } else { Ok(Lifetime { from_s, until_s }) }
}

/// The two moments of a certificate (RFC 5280, 4.1.2.5), s since 1970.
fn validity(certificate: BERReader<'_, '_>) -> ASN1Result<(i64, i64)> {
    certificate.read_sequence(|parts| {
        let found = parts.next().read_sequence(|signed| {
            signed
                .read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_der()))?;
            for _serial_algorithm_issuer in 0..3 {
                signed.next().read_der()?;
            }
            let found = signed.next().read_sequence(|moments| {
                let from = moment(moments.next())?;
                Ok((from, moment(moments.next())?))
            })?;
            while signed.read_optional(|rest| rest.read_der())?.is_some() {}
            Ok(found)
        })?;
        for _algorithm_signature in 0..2 {
            parts.next().read_der()?;
        }
        Ok(found)
    })
}

fn moment(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    if reader.lookahead_tag()? == TAG_UTCTIME {
        Ok(reader.read_utctime()?.datetime().unix_timestamp())
    } else {
        Ok(reader.read_generalized_time()?.datetime().unix_timestamp())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const NAME: &str = "label.host.example";

    fn made(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        (key.serialize_pem(), params.self_signed(&key).expect("made").pem())
    }

    #[test]
    fn a_certificate_is_kept_with_its_key_for_this_user_alone_and_renewed_at_a_third() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("acme.pem");
        let (key, chain) = made(&[NAME]);
        let lifetime = store(&file, NAME, &key, &chain).expect("stored");
        assert_eq!(lifetime.renewed_from_s(), lifetime.from_s + 60 * 86_400);
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file, NAME).expect("read").1, lifetime);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(read(&file, NAME), Err(Unfit::OpenToOthers)));
    }

    #[test]
    fn what_does_not_fit_takes_no_place_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("acme.pem");
        let (key, chain) = made(&[NAME]);
        store(&file, NAME, &key, &chain).expect("stored");
        let before = fs::read(&file).expect("there");
        let (other_key, other) = made(&["other.example"]);
        let half = &chain[..chain.len() / 2];
        // The half of a file that a crash has left behind is in nobody's way.
        fs::write(folder.path().join("acme.new"), "left behind").expect("written");
        for (key, chain) in
            [(&other_key[..], &chain[..]), (&other_key, &other), (&key, half), (&key, ""), ("", &chain)]
        {
            assert!(store(&file, NAME, key, chain).is_err());
            assert_eq!(fs::read(&file).expect("there"), before);
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        }
        assert!(matches!(read(&folder.path().join("none"), NAME), Err(Unfit::File(_))));
    }
}
