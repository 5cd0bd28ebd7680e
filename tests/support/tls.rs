//! A certificate authority of the tests' own, and servers' and clients' certificates signed by it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// A certificate authority, new for each test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// The first and the last year in which a certificate is valid, each from or to its first of January.
pub type Years = (i32, i32);

/// Private keys, made by OpenSSL. Nobody but these tests trusts a certificate for them.
pub const EC_PKCS8: &str = include_str!("keys/p256.pkcs8.pem");
pub const EC_SEC1: &str = include_str!("keys/p256.sec1.pem");
pub const RSA_PKCS8: &str = include_str!("keys/rsa.pkcs8.pem");
pub const RSA_PKCS1: &str = include_str!("keys/rsa.pkcs1.pem");

/// Which certificates of clients a server asks for.
#[derive(Clone, Copy)]
enum Clients<'a> {
    None,
    /// One by this authority.
    Some(&'a Authority),
    /// One by this authority, or none.
    Perhaps(&'a Authority),
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key pair");
        let mut params = CertificateParams::new(Vec::new()).expect("no names to refuse");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).expect("a self-signed certificate").pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The authority's certificate, as `--certificate-authority` and `AWS_CA_BUNDLE` take it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's TLS settings with a certificate for these DNS names and IP addresses.
    pub fn server(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        self.server_with(names, None, Clients::None)
    }

    /// As [`Authority::server`], with a certificate that is valid in these years alone.
    pub fn server_in(&self, names: &[&str], years: Years) -> Arc<rustls::ServerConfig> {
        self.server_with(names, Some(years), Clients::None)
    }

    /// As [`Authority::server`]; clients must have a certificate by `clients`.
    pub fn server_for(&self, names: &[&str], clients: &Authority) -> Arc<rustls::ServerConfig> {
        self.server_with(names, None, Clients::Some(clients))
    }

    /// A client's certificate for a key of its own, which is given in PKCS#8; both PEM.
    pub fn client(&self, key: &str) -> String {
        let key = KeyPair::from_pem(key).expect("a key pair in PKCS#8");
        self.issue(&[], None, &key).pem()
    }

    /// A certificate for this user in this group, as Kubernetes reads it, for a key in PKCS#8.
    pub fn client_named(&self, user: &str, group: &str, key: &str) -> String {
        let key = KeyPair::from_pem(key).expect("a key pair in PKCS#8");
        let mut params = CertificateParams::new(Vec::new()).expect("no names to refuse");
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
            .signed_by(&key, &self.issuer)
            .expect("a signed certificate")
            .pem()
    }

    /// As [`Authority::server`]; clients may have a certificate by the same authority, as with Kubernetes.
    pub fn server_with_clients(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        self.server_with(names, None, Clients::Perhaps(self))
    }

    fn issue(&self, names: &[&str], years: Option<Years>, key: &KeyPair) -> rcgen::Certificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("well-formed names");
        if let Some((from, to)) = years {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        }
        params.signed_by(key, &self.issuer).expect("a signed certificate")
    }

    /// As [`Authority::server_for`], with TLS 1.2 alone.
    pub fn server_of_tls12_for(&self, names: &[&str], clients: &Authority) -> Arc<rustls::ServerConfig> {
        self.server_by(&[&rustls::version::TLS12], names, None, Clients::Some(clients))
    }

    fn server_with(&self, names: &[&str], years: Option<Years>, clients: Clients<'_>) -> Arc<rustls::ServerConfig> {
        self.server_by(rustls::DEFAULT_VERSIONS, names, years, clients)
    }

    fn server_by(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        names: &[&str],
        years: Option<Years>,
        clients: Clients<'_>,
    ) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().expect("a key pair");
        let certificate = self.issue(names, years, &key);
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a PKCS#8 key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("the provider's own versions");
        let builder = match clients {
            Clients::None => builder.with_no_client_auth(),
            Clients::Some(authority) | Clients::Perhaps(authority) => {
                let mut roots = RootCertStore::empty();
                let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
                roots.add(root).expect("a certificate authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match clients {
                    Clients::Perhaps(_) => verifier.allow_unauthenticated(),
                    Clients::None | Clients::Some(_) => verifier,
                };
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        Arc::new(config)
    }
}
