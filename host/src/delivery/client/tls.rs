//! TLS towards a next hop (RFC 3207, RFC 8314): whether it must be there, and what it must prove.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// `tls` of a route (Postfix smtp_tls_security_level).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    None,
    /// Where the server offers it, whatever its certificate; without it otherwise.
    #[default]
    May,
    /// Always, whatever its certificate.
    Encrypt,
    /// Always, with a certificate for its name from an authority that is trusted.
    Verify,
}

/// How connections of a route are secured.
#[derive(Clone, Default)]
pub struct Tls {
    /// Whether it must be there.
    pub mode: TlsMode,
    /// The name that the certificate must have; none is the name of the host.
    pub name: Option<String>,
    /// None where TLS is never used.
    config: Option<Arc<ClientConfig>>,
}

/// TLS can't be set up as the configuration wants it: the relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities can't be read, or has none.
    #[error("{0}")]
    Authorities(String),
    /// The system has no certificates of authorities.
    #[error("no certificates of authorities are found on this system ({0}); name a file with `tls-ca`")]
    NoAuthorities(String),
    /// The library does not want these settings.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

impl Tls {
    /// TLS with certificates that are checked against the authorities of a PEM file, or against those of the system.
    pub fn new(mode: TlsMode, name: Option<String>, authorities: Option<&Path>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let config = match mode {
            TlsMode::None => None,
            TlsMode::May | TlsMode::Encrypt => {
                let verifier = Arc::new(Anybody(provider));
                Some(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
            }
            TlsMode::Verify => Some(builder.with_root_certificates(roots(authorities)?).with_no_client_auth()),
        };
        Ok(Self { mode, name, config: config.map(Arc::new) })
    }

    /// The handshake; `host` is the name or address of the server.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
    ) -> io::Result<TlsStream<S>> {
        let config = self.config.clone().ok_or_else(|| io::Error::other("TLS is off"))?;
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }
}

fn roots(authorities: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = authorities else {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        let reason = native.errors.first().map_or_else(|| "none".to_owned(), ToString::to_string);
        return if roots.is_empty() { Err(TlsError::NoAuthorities(reason)) } else { Ok(roots) };
    };
    let failed = |reason: String| TlsError::Authorities(format!("{}: {reason}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        roots.add(certificate.map_err(|error| failed(error.to_string()))?)?;
    }
    if roots.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(roots) }
}

/// Takes any certificate: against those who only listen, which is more than no TLS at all (RFC 7435).
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

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
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
