//! Binaries and other bitstrings: on the heap, off it, or a part of another one.

use super::decode::{Decoder, subtag};
use super::reader::TermReader;
use super::{Bits, Term, TermError, boxed};
use crate::layout::{BitsLayout, BytesLayout};
use crate::memory::Memory;

/// More bits than memory has.
const BITS_MAX: u64 = 1 << 50;
/// `ERL_SUB_BITS_FLAG_MASK` and `ERL_SUB_BITS_FLAG_VOLATILE` in `erl_bits.h`: the stored base may
/// be stale, so it is taken from the binary.
const FLAGS: u64 = 3;
const VOLATILE: u64 = 2;

/// Where a bitstring's bits lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    base: u64,
    first_bit: u64,
    pub(super) bits: u64,
}

impl<M: Memory> TermReader<'_, M> {
    /// Where the bits of a boxed bitstring lie; an error when it is none.
    pub(super) fn bits_at(&self, address: u64, header: u64) -> Result<Place, TermError> {
        let term = &self.vm.layout.term;
        let place = match (&term.bytes, &term.bits) {
            (Some(layout), _) => self.in_bytes(layout, address, header, true)?,
            (_, Some(layout)) => self.in_bits(layout, address, header)?,
            (None, None) => return Err(TermError::Changed { address }),
        };
        if place.bits > BITS_MAX || place.first_bit > BITS_MAX {
            return Err(TermError::Changed { address });
        }
        Ok(place)
    }

    /// As OTP 25 has them.
    fn in_bytes(
        &self,
        layout: &BytesLayout,
        address: u64,
        header: u64,
        may_be_part: bool,
    ) -> Result<Place, TermError> {
        let at = |offset: u32| address.wrapping_add(u64::from(offset));
        let changed = TermError::Changed { address };
        let tag = subtag(header);
        let bytes = self.word(at(layout.size))?;
        let bits = bytes.checked_mul(8).ok_or(changed)?;
        if tag == layout.reference || tag == layout.heap {
            let base = match tag == layout.heap {
                true => at(layout.heap_data),
                false => self.word(at(layout.reference_data))?,
            };
            return Ok(Place {
                base,
                first_bit: 0,
                bits,
            });
        }
        if tag != layout.part || !may_be_part {
            return Err(changed);
        }
        let whole = boxed(self.word(at(layout.part_original))?).ok_or(changed)?;
        let original = self.in_bytes(layout, whole, self.word(whole)?, false)?;
        let offset = self.word(at(layout.part_offset))?;
        let first = u64::from(self.byte(at(layout.part_bit_offset))? & 7);
        let last = u64::from(self.byte(at(layout.part_bits))? & 7);
        let first_bit = offset.checked_mul(8).ok_or(changed)? + first;
        let bits = bits.checked_add(last).ok_or(changed)?;
        if first_bit.checked_add(bits).ok_or(changed)? > original.bits {
            return Err(changed);
        }
        Ok(Place {
            base: original.base,
            first_bit,
            bits,
        })
    }

    /// As OTP 27 has them.
    fn in_bits(&self, layout: &BitsLayout, address: u64, header: u64) -> Result<Place, TermError> {
        let at = |offset: u32| address.wrapping_add(u64::from(offset));
        let changed = TermError::Changed { address };
        let tag = subtag(header);
        if tag == layout.heap {
            return Ok(Place {
                base: at(layout.heap_data),
                first_bit: 0,
                bits: self.word(at(layout.size))?,
            });
        }
        if tag != layout.part {
            return Err(changed);
        }
        let flagged = self.word(at(layout.base))?;
        let first_bit = self.word(at(layout.start))?;
        let end = self.word(at(layout.end))?;
        let mut base = flagged & !FLAGS;
        if flagged & VOLATILE != 0 {
            let reference = boxed(self.word(at(layout.original))?).ok_or(changed)?;
            if subtag(self.word(reference)?) != layout.reference {
                return Err(changed);
            }
            let binary = reference.wrapping_add(u64::from(layout.reference_binary));
            let binary = self.word(binary)?;
            base = binary.wrapping_add(u64::from(layout.binary_bytes));
        }
        Ok(Place {
            base,
            first_bit,
            bits: end.checked_sub(first_bit).ok_or(changed)?,
        })
    }
}

impl<M: Memory> Decoder<'_, '_, M> {
    pub(super) fn bits(&mut self, address: u64, header: u64) -> Result<Term, TermError> {
        let place = self.reader.bits_at(address, header)?;
        let whole = place.bits.div_ceil(8);
        let mut count = whole.min(self.bytes as u64);
        let shift = (place.first_bit % 8) as u32;
        let start = place.base.wrapping_add(place.first_bit / 8);
        let span = |bits: u64| (u64::from(shift) + bits).div_ceil(8) as usize;
        let wanted = span(place.bits.min(count * 8));
        let there = match self.reader.may_leave_heap(address, start) {
            true => self.reader.there(start, wanted),
            false => 0,
        };
        if there < wanted {
            // One that begins within a byte ends in the next one.
            count = count.min((there as u64).saturating_sub(u64::from(shift > 0)));
        }
        self.bytes -= count as usize;
        let bits = place.bits.min(count * 8);
        let mut raw = vec![0; span(bits).min(there)];
        self.reader.read(start, &mut raw)?;
        let mut bytes = aligned(&raw, shift, count as usize);
        let unused = (count * 8).saturating_sub(bits) as u32;
        if let Some(last) = bytes.last_mut() {
            *last &= 0xffu8.checked_shl(unused).unwrap_or(0);
        }
        Ok(Term::Bits(Bits {
            bytes,
            bits: place.bits,
        }))
    }
}

/// Bytes from those that begin `shift` bits later.
fn aligned(raw: &[u8], shift: u32, count: usize) -> Vec<u8> {
    let at = |index: usize| u16::from(raw.get(index).copied().unwrap_or(0));
    (0..count)
        .map(|index| ((at(index) << 8 | at(index + 1)) >> (8 - shift)) as u8)
        .collect()
}
