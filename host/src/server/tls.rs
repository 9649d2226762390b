//! TLS for clients (RFC 3207, RFC 8314): the certificate, which is read again when its files change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use crate::reload::{Reloading, Seen};

/// When TLS begins on a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// When the client says STARTTLS, if it does (Postfix `smtpd_tls_security_level = may`).
    #[default]
    StartTls,
    /// When the client says STARTTLS; nothing is taken before (`encrypt`).
    Required,
    /// With the connection (`smtpd_tls_wrappermode`).
    Implicit,
}

/// Where certificate and key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that lead to the authority.
    pub certificate: PathBuf,
    /// Its private key; may be the same file.
    pub key: PathBuf,
}

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate can't be read, or is none.
    #[error("{0}")]
    Certificate(String),
    /// The key can't be read, is none, or is another certificate's.
    #[error("{0}")]
    Key(String),
}

/// How clients of a listener are secured.
#[derive(Clone)]
pub struct Tls {
    /// When TLS begins.
    pub mode: TlsMode,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    config: Arc<Reloading<Arc<ServerConfig>>>,
}

impl Tls {
    /// Read certificate and key.
    pub fn new(mode: TlsMode, handshake_timeout: Duration, files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Seen::now(vec![files.certificate.clone(), files.key.clone()]);
        let first = files.read()?;
        let renew = move || files.read().map_err(|error| error.to_string());
        let config = Arc::new(Reloading::new("certificate", seen, first, renew));
        Ok(Self { mode, handshake_timeout, config })
    }

    /// With the certificate of this moment.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.current()
    }
}

impl TlsFiles {
    /// The certificates of the file, the server's first.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let failed = |reason: String| TlsError::Certificate(format!("{}: {reason}", self.certificate.display()));
        let certificates =
            CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| failed(unreadable(&error, "certificate")))?;
        if certificates.is_empty() {
            Err(failed(unreadable(&pem::Error::NoItemsFound, "certificate")))
        } else {
            Ok(certificates)
        }
    }

    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let failed = |reason: String| TlsError::Key(format!("{}: {reason}", self.key.display()));
        let certificates = self.certificates()?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| failed(unreadable(&error, "private key")))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(error.to_string()))?;
        let config = builder.with_no_client_auth().with_single_cert(certificates, key);
        config.map(Arc::new).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => failed("this is not the key of the certificate".to_owned()),
            error => failed(error.to_string()),
        })
    }
}

fn unreadable(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in PEM in it"),
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
