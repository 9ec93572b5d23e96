//! Certificates and keys in files.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::AttachedError;

/// More than any bundle of authorities has.
const BYTES_MAX: u64 = 4 << 20;

pub(super) fn unusable(path: &Path, why: impl Display) -> AttachedError {
    AttachedError::TlsFile {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AttachedError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|why| unusable(path, why))?;
    let count = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    match count.map_err(|why| unusable(path, why))? as u64 {
        0..=BYTES_MAX => Ok(bytes),
        _ => Err(unusable(
            path,
            format!("it has more than {BYTES_MAX} bytes"),
        )),
    }
}

/// All certificates of a file; one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AttachedError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|why| unusable(path, format!("it is no PEM: {why}")))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(unusable(path, "it has no certificate in PEM")),
    }
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, AttachedError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        unusable(
            path,
            "it has no private key in PEM that is not encrypted: `openssl pkey` writes one",
        )
    })
}

/// Whether others than its owner may read a file.
pub(super) fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.mode() & 0o077 != 0)
}
