//! Distribution over TLS: `-proto_dist inet_tls` of the VM.
//!
//! epmd is asked in the clear; then comes a TLS handshake as a client, then the handshake of the
//! distribution, whose messages have lengths of four bytes from the begin (`{packet, 4}` in
//! `lib/ssl/src/inet_tls_dist.erl` of OTP 25 to 29). TLS 1.2, which is what the VM speaks unless it is
//! told otherwise, and 1.3. The VM's certificate is always verified: what we say to it next is a proof of
//! the cookie.

mod files;
mod session;
mod trust;

use std::fmt;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::AttachedError;
pub(crate) use session::Session;

/// What to know the VM by, and what it knows us by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that the VM's own must come from, or its own; PEM.
    pub authorities: PathBuf,
    /// Our certificate and those between it and its authority, and its private key; PEM.
    pub own: Option<(PathBuf, PathBuf)>,
    /// The name that the VM's certificate is for, if it is not the host in the node's name.
    pub name: Option<String>,
}

/// How to speak TLS with the VM.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: Option<String>,
    /// Whether others than its owner may read the file of the private key.
    pub is_exposed: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls for {:?}", self.name)
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, or does not hold what it should.
    pub fn load(files: &TlsFiles) -> Result<Tls, AttachedError> {
        let provider = Arc::new(ring::default_provider());
        let authorities = files::certificates(&files.authorities)?;
        let trust = trust::Trust::new(authorities, &provider)
            .map_err(|why| files::unusable(&files.authorities, why))?;
        let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|why| AttachedError::Tls(why.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust));
        let mut is_exposed = false;
        let config = match &files.own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                is_exposed = files::is_exposed(key);
                let (chain, secret) = (files::certificates(chain)?, files::key(key)?);
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|why| files::unusable(key, why))?
            }
        };
        Ok(Tls {
            config: Arc::new(config),
            name: files.name.clone(),
            is_exposed,
        })
    }

    /// Shakes hands over a connection with the VM on this host.
    pub(crate) fn begin(
        &self,
        stream: TcpStream,
        host: &str,
        until: Instant,
    ) -> Result<Session, AttachedError> {
        let name = self.name.as_deref().unwrap_or(host);
        let server = ServerName::try_from(name.to_owned()).map_err(|_| {
            AttachedError::Tls(format!(
                "{name:?} is no name that a certificate can be for: --tls-name gives another"
            ))
        })?;
        let connection = ClientConnection::new(Arc::clone(&self.config), server)
            .map_err(|why| AttachedError::Tls(why.to_string()))?;
        let mut session = Session::new(stream, connection, name);
        session.shake_hands(until)?;
        Ok(session)
    }
}
