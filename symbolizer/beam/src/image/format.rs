//! The bytes of an image: `docs/image.md`. Little-endian.
//!
//! ```text
//! magic 8 | u32 version | u32 0 | u64 bytes of the payload | u64 its XXH3 | the payload, zstd
//! payload: u32 bytes of facts | facts, JSON
//!          u32 pieces | pieces times: u64 address, u32 bytes | the bytes of all pieces
//! ```
//!
//! Pieces ascend and neither overlap nor touch.

use std::io::{self, Read};

use twox_hash::XxHash3_64;

use super::{Facts, VmImage};
use crate::memory::Image;

const MAGIC: [u8; 8] = *b"escopeVM";
const VERSION: u32 = 1;
const HEADER: usize = 32;
/// A larger payload is not read.
const PAYLOAD_MAX: u64 = 64 << 20;
/// More ranges of JIT code than a VM has.
const JIT_RANGES_MAX: usize = 1024;
/// What an image may need to be unpacked: 8 MiB, as level 19 has it.
const WINDOW_LOG_MAX: u32 = 23;
const LEVEL: i32 = 19;

/// Why bytes are no image, or an image cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// They begin otherwise.
    #[error("it is no memory image of a VM")]
    Other,
    /// A newer one.
    #[error("it is an image of version {0}, this program reads {VERSION}: use a newer one")]
    Version(u32),
    /// It is larger than any that is written.
    #[error("it holds {0} bytes, more than the {PAYLOAD_MAX} that an image may have")]
    TooLarge(u64),
    /// Its payload is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It cannot be packed or unpacked.
    #[error("it cannot be packed or unpacked: {0}")]
    Zstd(#[from] io::Error),
    /// Its facts cannot be understood.
    #[error("it says nothing useful of its VM: {0}")]
    Facts(#[from] serde_json::Error),
}

/// Reads bytes from the front.
struct Front<'a>(&'a [u8]);

impl<'a> Front<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ImageError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(ImageError::Damaged("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ImageError> {
        let bytes = self.take(4)?.first_chunk();
        Ok(u32::from_le_bytes(bytes.copied().unwrap_or_default()))
    }

    fn u64(&mut self) -> Result<u64, ImageError> {
        let bytes = self.take(8)?.first_chunk();
        Ok(u64::from_le_bytes(bytes.copied().unwrap_or_default()))
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<VmImage, ImageError> {
    let mut front = Front(bytes);
    if bytes.len() < HEADER || front.take(MAGIC.len())? != MAGIC {
        return Err(ImageError::Other);
    }
    let version = front.u32()?;
    if version != VERSION {
        return Err(ImageError::Version(version));
    }
    front.u32()?;
    let (stated, hash) = (front.u64()?, front.u64()?);
    if stated > PAYLOAD_MAX {
        return Err(ImageError::TooLarge(stated));
    }
    let mut decoder = zstd::Decoder::with_buffer(front.0)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    // It grows with what is there, not with what is stated.
    let mut payload = Vec::new();
    decoder.take(stated + 1).read_to_end(&mut payload)?;
    if payload.len() as u64 != stated || XxHash3_64::oneshot(&payload) != hash {
        return Err(ImageError::Damaged("its checksum is another"));
    }
    parse_payload(&payload)
}

pub(super) fn parse_payload(payload: &[u8]) -> Result<VmImage, ImageError> {
    let mut front = Front(payload);
    let facts = front.u32()? as usize;
    let facts: Facts = serde_json::from_slice(front.take(facts)?)?;
    if facts.jit.len() > JIT_RANGES_MAX {
        return Err(ImageError::Damaged("it has more JIT code than a VM"));
    }
    let count = front.u32()? as usize;
    let heads = count
        .checked_mul(12)
        .ok_or(ImageError::Damaged("it ends early"))?;
    let mut heads = Front(front.take(heads)?);
    let mut memory = Image::new();
    let mut end = None;
    for _ in 0..count {
        let (address, bytes) = (heads.u64()?, heads.u32()?);
        let piece = front.take(bytes as usize)?;
        let next = address.checked_add(u64::from(bytes));
        if next.is_none() || bytes == 0 || end.is_some_and(|end| address <= end) {
            return Err(ImageError::Damaged("its pieces are out of order"));
        }
        end = next;
        memory.map(address, piece);
    }
    if !front.0.is_empty() {
        return Err(ImageError::Damaged("something follows it"));
    }
    Ok(VmImage { facts, memory })
}

pub(super) fn to_payload(image: &VmImage) -> Result<Vec<u8>, ImageError> {
    let facts = serde_json::to_vec(&image.facts)?;
    let mut payload = Vec::new();
    let length =
        |bytes: usize| u32::try_from(bytes).map_err(|_| ImageError::TooLarge(bytes as u64));
    payload.extend(length(facts.len())?.to_le_bytes());
    payload.extend(facts);
    payload.extend(length(image.memory.pieces().count())?.to_le_bytes());
    for (address, piece) in image.memory.pieces() {
        payload.extend(address.to_le_bytes());
        payload.extend(length(piece.len())?.to_le_bytes());
    }
    for (_, piece) in image.memory.pieces() {
        payload.extend(piece);
    }
    if payload.len() as u64 > PAYLOAD_MAX {
        return Err(ImageError::TooLarge(payload.len() as u64));
    }
    Ok(payload)
}

pub(super) fn to_bytes(image: &VmImage) -> Result<Vec<u8>, ImageError> {
    let payload = to_payload(image)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(XxHash3_64::oneshot(&payload).to_le_bytes());
    bytes.extend(zstd::encode_all(payload.as_slice(), LEVEL)?);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::{HEADER, VmImage};
    use crate::Ran;
    use crate::image::Facts;
    use crate::layout::Globals;
    use crate::memory::{Image, Memory};

    fn image() -> VmImage {
        let mut memory = Image::new();
        memory
            .map_words(0x1000, &[1, 2])
            .map(0x2000, vec![7; 100_000]);
        VmImage {
            facts: Facts {
                pid: 7,
                exe: "/usr/lib/beam.smp".into(),
                build_id: None,
                otp_release: "25".into(),
                erts_version: "13.1.5".into(),
                globals: Globals::of_image(1, 2, 3),
                jit: vec![(4, 5)],
                ran: Ran::default(),
                notes: vec!["by hand".into()],
            },
            memory,
        }
    }

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let image = image();
        let bytes = image.to_bytes().expect("small");
        assert!(bytes.len() < 1000, "{}", bytes.len());
        let again = VmImage::parse(&bytes).expect("an image");
        assert_eq!(again.facts, image.facts);
        assert_eq!(again.memory.words(0x1000, 2).ok(), Some(vec![1, 2]));
        assert!(again.memory.pieces().eq(image.memory.pieces()));
    }

    #[test]
    fn what_is_damaged_is_no_image() {
        let bytes = image().to_bytes().expect("small");
        let said = |bytes: &[u8]| VmImage::parse(bytes).expect_err("damaged").to_string();
        for end in 0..bytes.len() {
            said(&bytes[..end]);
        }
        let mut changed = bytes.clone();
        changed[8] = 9;
        assert!(said(&changed).contains("version 9"));
        changed = bytes.clone();
        changed[HEADER - 1] ^= 1;
        assert!(said(&changed).contains("damaged"));
        changed = bytes.clone();
        changed[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(said(&changed).contains("more than"));
        assert!(said(b"\x7fELF").contains("no memory image"));
    }

    proptest::proptest! {
        #[test]
        fn any_payload_gives_an_answer(bytes: Vec<u8>, at in 0usize..400, with: u32) {
            static WHOLE: LazyLock<Vec<u8>> =
                LazyLock::new(|| image().to_bytes().unwrap_or_default());
            let _ = super::parse_payload(&bytes);
            let mut framed = vec![2, 0, 0, 0, b'{', b'}'];
            framed.extend(&bytes);
            let _ = super::parse_payload(&framed);
            let mut whole = WHOLE.clone();
            if let Some(word) = whole.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
                *word = with.to_le_bytes();
            }
            let _ = VmImage::parse(&whole);
        }
    }
}
