//! What a client shows of itself: a certificate and its key.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::roots::{CertificateError, certificates_from_pem};
use super::tls_failure::tls_reason;

/// A client certificate with its chain, and its private key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([redacted])")
    }
}

/// A client certificate or key that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The certificate.
    Certificate(CertificateError),
    /// It holds no private key in PEM.
    NoKey,
    /// The key is under a password.
    Encrypted,
    /// The key belongs to another certificate.
    AnothersKey,
    /// The key is damaged, or of a kind that TLS does not use.
    Unusable(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Certificate(error) => write!(f, "the client certificate: {error}"),
            IdentityError::NoKey => f.write_str(
                "the client key: it holds no private key that can be read; expected PEM, `-----BEGIN PRIVATE KEY-----` \
                 (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1), not encrypted",
            ),
            IdentityError::Encrypted => f.write_str(
                "the client key: it is encrypted, and nobody is here to type its password; store it decrypted, by `openssl \
                 pkey -in KEY -out KEY`",
            ),
            IdentityError::AnothersKey => {
                f.write_str("the client key: it is not the key of the client certificate; give the pair that was issued together")
            }
            IdentityError::Unusable(why) => write!(
                f,
                "the client key: it cannot be used ({why}); expected an RSA key of 2048 bits or more, an ECDSA key on P-256 or \
                 P-384, or an Ed25519 key"
            ),
        }
    }
}

impl Identity {
    /// Reads a certificate, with its chain, and its private key, both PEM. The key may be PKCS#1, PKCS#8 or SEC1.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged, or the key is not the certificate's.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain = certificates_from_pem(certificate).map_err(IdentityError::Certificate)?;
        // `ENCRYPTED PRIVATE KEY` (PKCS#8), or `Proc-Type: 4,ENCRYPTED` in the older forms.
        if key.windows(9).any(|word| word == b"ENCRYPTED") {
            return Err(IdentityError::Encrypted);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
            .map(|certified| Identity(Arc::new(certified)))
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => IdentityError::AnothersKey,
                error => IdentityError::Unusable(tls_reason(&error)),
            })
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}
