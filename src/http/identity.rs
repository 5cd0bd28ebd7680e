//! What a client shows of itself: a certificate and its key.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::roots::{CertificateError, certificates_from_pem};

/// A client certificate with its chain, and its private key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

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
    /// The key is damaged, of a kind that TLS does not use, or not the certificate's.
    Unusable(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Certificate(error) => write!(f, "the client certificate: {error}"),
            IdentityError::NoKey => f.write_str(
                "the client key: it holds no private key that can be read; expected PEM, `-----BEGIN PRIVATE KEY-----` (PKCS#8), \
                 `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1), not encrypted",
            ),
            IdentityError::Unusable(why) => write!(f, "the client certificate and its key: {why}"),
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
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let identity = Identity {
            chain,
            key: Arc::new(key),
        };
        identity
            .certified()
            .map(|_| identity)
            .map_err(|error| IdentityError::Unusable(error.to_string()))
    }

    pub(super) fn certified(&self) -> Result<CertifiedKey, rustls::Error> {
        CertifiedKey::from_der(
            self.chain.clone(),
            self.key.clone_key(),
            &rustls::crypto::ring::default_provider(),
        )
    }
}
