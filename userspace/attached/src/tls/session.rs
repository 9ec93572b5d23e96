//! Bytes over a TLS connection, each step within a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, CertificateError, ClientConnection, Error};

use crate::AttachedError;

/// Handed over at a time: less than what rustls keeps of what is not written yet.
const PIECE: usize = 16 << 10;

/// A TLS connection.
#[derive(Debug)]
pub(crate) struct Session {
    stream: TcpStream,
    connection: ClientConnection,
    /// The name that the VM's certificate is to be for.
    name: String,
}

impl Session {
    pub(super) fn new(stream: TcpStream, connection: ClientConnection, name: &str) -> Session {
        Session {
            stream,
            connection,
            name: name.to_owned(),
        }
    }

    pub(super) fn shake_hands(&mut self, until: Instant) -> Result<(), AttachedError> {
        let begun = Instant::now();
        while self.connection.is_handshaking() {
            self.flush()?;
            if !self.connection.is_handshaking() {
                break;
            }
            match self.take(until)? {
                Some(0) => {
                    return Err(AttachedError::Tls(
                        "it closed the connection in the handshake: if it speaks no TLS, leave out --tls-cacert"
                            .to_owned(),
                    ));
                }
                Some(_) => {}
                None => {
                    return Err(AttachedError::Late {
                        what: format!(
                            "{} did not shake hands for TLS (if it speaks none, leave out --tls-cacert)",
                            self.name
                        ),
                        after: until.saturating_duration_since(begun),
                    });
                }
            }
        }
        self.flush()
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), AttachedError> {
        for piece in bytes.chunks(PIECE) {
            self.connection.writer().write_all(piece)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Some bytes, 0 when the peer has closed; `None` when the time is up.
    pub(crate) fn read(
        &mut self,
        piece: &mut [u8],
        until: Instant,
    ) -> Result<Option<usize>, AttachedError> {
        loop {
            match self.connection.reader().read(piece) {
                Ok(count) => return Ok(Some(count)),
                // It has closed without saying so, as one does that is killed.
                Err(why) if why.kind() == ErrorKind::UnexpectedEof => return Ok(Some(0)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => return Err(why.into()),
            }
            if self.take(until)?.is_none() {
                return Ok(None);
            }
            self.flush()?;
        }
    }

    /// Takes what has come from the network: how much, `None` when the time is up before.
    fn take(&mut self, until: Instant) -> Result<Option<usize>, AttachedError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let wait = left.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(wait))?;
        let count = match self.connection.read_tls(&mut self.stream) {
            Ok(count) => count,
            Err(why) if is_late(&why) => return Ok(None),
            Err(why) if why.kind() == ErrorKind::Interrupted => return Ok(Some(1)),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return Ok(Some(0)),
            Err(why) => return Err(why.into()),
        };
        if let Err(why) = self.connection.process_new_packets() {
            // The alert that tells the peer why; it may have gone.
            let _ = self.connection.write_tls(&mut self.stream);
            return Err(self.failed(&why));
        }
        Ok(Some(count))
    }

    fn flush(&mut self) -> Result<(), AttachedError> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.stream) {
                Ok(0) => return Err(AttachedError::Closed("it was written to")),
                Ok(_) => {}
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why)
                    if matches!(
                        why.kind(),
                        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                    ) =>
                {
                    // What it said before it closed is why.
                    let _ = self.take(Instant::now() + Duration::from_millis(10))?;
                    return Err(AttachedError::Closed("it was written to"));
                }
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    fn failed(&self, why: &Error) -> AttachedError {
        AttachedError::Tls(reason(why, &self.name))
    }
}

fn is_late(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What went wrong, and what helps.
fn reason(why: &Error, name: &str) -> String {
    match why {
        Error::InvalidCertificate(wrong) => certificate(wrong, name),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::HandshakeFailure,
        ) => format!(
            "it refused us ({why}): give a certificate that its authorities have signed, by --tls-cert and \
             --tls-key"
        ),
        Error::InvalidMessage(_) => {
            format!("it does not speak TLS ({why}): leave out --tls-cacert")
        }
        Error::PeerIncompatible(_) => format!("it speaks none that we do, TLS 1.2 and 1.3 ({why})"),
        _ => why.to_string(),
    }
}

fn certificate(wrong: &CertificateError, name: &str) -> String {
    match wrong {
        CertificateError::UnknownIssuer => {
            "its certificate is of none of the authorities in the file of --tls-cacert, and not in it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "its certificate is not for {name}, by its alternative names (subjectAltName): --tls-name gives \
                 another one, or have the certificate itself in the file of --tls-cacert"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}
