//! Bytes of the ring to events. Pure, and total: any bytes give an event or an error.

use escope_model::{
    CodeRegistered, RawEvent, RawSample, RawScheduler, SampleFlags, StackCopy, UserRegs, Words,
};
use escope_wire::{CodeRecord, KIND_CODE, KIND_SAMPLE, PROCESS_BYTES, RecordHead, SampleHead};
use zerocopy::FromBytes;

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than the record says it has.
    #[error("record of {bytes} bytes is shorter than the {needed} it needs")]
    Short {
        /// How many there are.
        bytes: usize,
        /// How many it needs.
        needed: usize,
    },
    /// A kind that this version does not know.
    #[error("record of unknown kind {0}")]
    Kind(u32),
}

/// Reads one record.
///
/// # Errors
/// When the bytes are no whole record of a known kind.
pub fn decode(bytes: &[u8]) -> Result<RawEvent<'_>, DecodeError> {
    let (head, _) = read::<RecordHead>(bytes)?;
    match head.kind {
        KIND_SAMPLE => sample(bytes).map(RawEvent::Sample),
        KIND_CODE => code(bytes).map(RawEvent::CodeRegistered),
        kind => Err(DecodeError::Kind(kind)),
    }
}

fn read<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    T::read_from_prefix(bytes).map_err(|_| DecodeError::Short {
        bytes: bytes.len(),
        needed: size_of::<T>(),
    })
}

/// Cuts sections off the front of a record's body.
struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    fn take(&mut self, bytes: u32) -> Result<&'a [u8], DecodeError> {
        let Some((section, rest)) = self.0.split_at_checked(bytes as usize) else {
            return Err(DecodeError::Short {
                bytes: self.0.len(),
                needed: bytes as usize,
            });
        };
        self.0 = rest;
        Ok(section)
    }

    fn stack(&mut self, address: u64, bytes: u32) -> Result<StackCopy<'a>, DecodeError> {
        Ok(StackCopy {
            address,
            words: Words::new(self.take(bytes)?),
        })
    }
}

fn sample(bytes: &[u8]) -> Result<RawSample<'_>, DecodeError> {
    let (head, body) = read::<SampleHead>(bytes)?;
    let mut sections = Sections(body);
    let process = sections.take(PROCESS_BYTES)?;
    let native = sections.stack(head.native_address, head.native_bytes)?;
    let kernel = Words::new(sections.take(head.kernel_bytes)?);
    let erlang = sections.stack(head.erlang_address, head.erlang_bytes)?;
    let erlang_bottom = sections.stack(head.erlang_bottom_address, head.erlang_bottom_bytes)?;
    Ok(RawSample {
        monotonic_ns: head.monotonic_ns,
        weight_ns: head.weight_ns,
        cpu: head.cpu,
        tid: head.tid,
        flags: SampleFlags(head.flags),
        regs: UserRegs {
            ip: head.ip,
            sp: head.sp,
            bp: head.bp,
            bx: head.bx,
            dx: head.dx,
            r12: head.r12,
            r13: head.r13,
            r14: head.r14,
            r15: head.r15,
        },
        scheduler: (head.scheduler_number != 0).then_some(RawScheduler {
            data: head.scheduler_data,
            registers: head.registers,
            process: head.process,
            port: head.port,
            sleep_flags: head.sleep_flags,
            kind: head.scheduler_kind,
            number: head.scheduler_number,
            jit_return: head.jit_return,
        }),
        process: process
            .get(..head.process_bytes as usize)
            .unwrap_or_default(),
        registered_name: head.registered_name,
        initial_call: head.initial_call,
        current_call: head.current_call,
        erlang,
        erlang_bottom,
        native,
        kernel,
    })
}

fn code(bytes: &[u8]) -> Result<CodeRegistered, DecodeError> {
    let (record, _) = read::<CodeRecord>(bytes)?;
    Ok(CodeRegistered {
        monotonic_ns: record.monotonic_ns,
        action: record.action,
        entry: record.entry,
        blob: record.blob,
        blob_bytes: record.blob_bytes,
        code_start: record.code_start,
        code_bytes: record.code_bytes,
    })
}

#[cfg(test)]
mod tests {
    use escope_model::RawEvent;
    use escope_wire::{KIND_SAMPLE, PROCESS_BYTES, SampleHead};
    use zerocopy::IntoBytes;

    use super::{DecodeError, decode};

    fn record() -> Vec<u8> {
        let head = SampleHead {
            kind: KIND_SAMPLE,
            tid: 42,
            native_address: 0x1000,
            native_bytes: 16,
            kernel_bytes: 8,
            erlang_bytes: 24,
            process_bytes: 776,
            ..SampleHead::default()
        };
        let mut bytes = head.as_bytes().to_vec();
        bytes.resize(bytes.len() + PROCESS_BYTES as usize, 0);
        for word in 1..=6u64 {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn sections_follow_each_other() {
        let bytes = record();
        let Ok(RawEvent::Sample(sample)) = decode(&bytes) else {
            panic!("a sample");
        };
        assert_eq!(sample.tid, 42);
        assert_eq!(sample.process.len(), 776);
        assert_eq!(sample.native.read(0x1008), Some(2));
        assert_eq!(sample.kernel.iter().collect::<Vec<_>>(), [3]);
        assert_eq!(sample.erlang.words.iter().collect::<Vec<_>>(), [4, 5, 6]);
        assert!(sample.scheduler.is_none());
    }

    #[test]
    fn a_cut_record_is_an_error_at_every_length() {
        let bytes = record();
        for length in 0..bytes.len() {
            assert!(matches!(
                decode(&bytes[..length]),
                Err(DecodeError::Short { .. })
            ));
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error() {
        assert_eq!(
            decode(&[9, 0, 0, 0, 8, 0, 0, 0]).err(),
            Some(DecodeError::Kind(9))
        );
    }
}
