//! Whom a client trusts.

use std::fmt;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};

/// The certificate authorities that a client trusts.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The public ones, compiled in (Mozilla's list), and these.
    PublicAnd(Vec<CertificateDer<'static>>),
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
    /// Whoever answers: nothing is checked but that the server has the key of the certificate it shows.
    Anybody,
}

impl Roots {
    /// Puts the trust into a configuration that is being built.
    pub(super) fn install(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        match self {
            Roots::PublicAnd(own) => {
                let public = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
                builder.with_root_certificates(with_own(public, own))
            }
            Roots::Only(own) => builder.with_root_certificates(with_own(RootCertStore::empty(), own)),
            Roots::Anybody => {
                let provider = CryptoProvider::clone(builder.crypto_provider());
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            }
        }
    }
}

fn with_own(mut store: RootCertStore, own: &[CertificateDer<'static>]) -> RootCertStore {
    store.add_parsable_certificates(own.iter().cloned());
    store
}

/// A file of certificates that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// It holds no certificate in PEM.
    None,
    /// A certificate in it is damaged.
    Damaged,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateError::None => "it holds no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`",
            CertificateError::Damaged => "a certificate in it is damaged",
        })
    }
}

/// Reads a PEM bundle; text around the certificates is ignored, as everywhere.
///
/// # Errors
///
/// When it holds none, or one that is damaged.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateError::Damaged)?;
    if certificates.is_empty() {
        return Err(CertificateError::None);
    }
    let (_, ignored) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if ignored > 0 {
        Err(CertificateError::Damaged)
    } else {
        Ok(certificates)
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
