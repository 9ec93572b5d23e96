//! Pids and ports of the node itself: numbers in a word, scrambled in later releases.

use crate::BeamError;
use crate::layout::Layout;
use crate::memory::Memory;

/// Prints pids as the VM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PidPrinter {
    pub(super) number_bits: u32,
    pub(super) data_bits: u32,
    pub(super) masks: Option<PidMasks>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PidMasks {
    mask: u64,
    cl_mask: u64,
    cli_mask: u64,
    cl_shift: u32,
    cli_shift: u32,
}

impl PidPrinter {
    /// Reads the masks that scramble pids, where the release has them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(
        memory: &impl Memory,
        process_table: u64,
        layout: &Layout,
    ) -> Result<PidPrinter, BeamError> {
        let base = process_table.wrapping_add(u64::from(layout.process_table.read_only));
        let layout = &layout.pid;
        let masks = layout.table.as_ref().map(|table| {
            let word = |at: u32| memory.u64(base.wrapping_add(u64::from(at)));
            let shift = |at: u32| {
                memory
                    .u32(base.wrapping_add(u64::from(at)))
                    .map(|shift| shift & 63)
            };
            Ok::<_, BeamError>(PidMasks {
                mask: word(table.mask)?,
                cl_mask: word(table.cl_mask)?,
                cli_mask: word(table.cli_mask)?,
                cl_shift: shift(table.cl_shift)?,
                cli_shift: shift(table.cli_shift)?,
            })
        });
        Ok(PidPrinter {
            number_bits: layout.number_bits,
            data_bits: layout.data_bits,
            masks: masks.transpose()?,
        })
    }

    /// Number and serial of the term of a local pid; `None` for any other term.
    #[must_use]
    pub fn numbers(&self, term: u64) -> Option<(u64, u64)> {
        if term & 0xf != 3 {
            return None;
        }
        let data = self.data(term);
        let number = data & ((1 << self.number_bits) - 1);
        Some((number, data >> self.number_bits))
    }

    /// The slot of a process table of `slots` slots that a local pid belongs into:
    /// `erts_ptab_id2pix` in `erl_ptab.h`. Where pids are not scrambled the slot is in their
    /// upper half.
    #[must_use]
    pub fn slot(&self, term: u64, slots: u32) -> Option<u64> {
        if term & 0xf != 3 {
            return None;
        }
        Some(match self.masks {
            None => term >> 32,
            Some(_) => (term >> 4) & u64::from(slots.saturating_sub(1)),
        })
    }

    /// `<0.N.S>` for the term of a local pid; `None` for any other term.
    #[must_use]
    pub fn print(&self, term: u64) -> Option<String> {
        let (number, serial) = self.numbers(term)?;
        Some(format!("<0.{number}.{serial}>"))
    }

    fn data(&self, term: u64) -> u64 {
        let raw = (term >> 4) & (u64::MAX >> (64 - self.data_bits));
        match self.masks {
            None => raw,
            Some(masks) => {
                (raw & !masks.mask)
                    | ((raw >> masks.cl_shift) & masks.cl_mask)
                    | ((raw & masks.cli_mask) << masks.cli_shift)
            }
        }
    }
}

/// Numbers ports as the VM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPrinter(PidPrinter);

/// How far from the process table the port table may lie: both are in the emulator's data.
const NEAR: u64 = 2 << 20;
/// Read at a time.
const PIECE: usize = 64 << 10;
/// Tables are aligned to cache lines.
const LINE: usize = 64;
/// Pointers in a cache line, as a shift.
const LINE_SHIFT: u32 = 3;

impl PortPrinter {
    /// Finds the masks of the port table, where port terms are scrambled: no symbol is needed,
    /// since a table's masks follow from its size (`erts_ptab_init_table` in `erl_ptab.c`), and
    /// the VM has two tables. `None` when there is not exactly one other than that of processes.
    pub fn read(memory: &impl Memory, process_table: u64, layout: &Layout) -> Option<PortPrinter> {
        let processes = PidPrinter::read(memory, process_table, layout).ok()?;
        if processes.masks.is_none() {
            return Some(PortPrinter(processes));
        }
        let first = process_table.saturating_sub(NEAR) & !(PIECE as u64 - 1);
        let mut found = Vec::new();
        for piece in 0..(2 * NEAR / PIECE as u64) {
            let address = first + piece * PIECE as u64;
            // A table that lies across two pieces is whole in what is read of the first.
            let mut bytes = vec![0; PIECE + 512];
            if memory.read(address, &mut bytes).is_err() {
                bytes.truncate(PIECE);
                if memory.read(address, &mut bytes).is_err() {
                    continue;
                }
            }
            for at in (0..PIECE).step_by(LINE) {
                let table = address + at as u64;
                if table != process_table
                    && let Some(masks) = bytes.get(at..).and_then(|at| masks_in(at, layout))
                {
                    found.push(masks);
                }
            }
        }
        let [masks] = found[..] else {
            return None;
        };
        Some(PortPrinter(PidPrinter {
            masks: Some(masks),
            ..processes
        }))
    }

    /// `#Port<0.N>` for the term of a local port; `None` for any other term.
    #[must_use]
    pub fn print(&self, term: u64) -> Option<String> {
        Some(format!("#Port<0.{}>", self.number(term)?))
    }

    /// The number of the term of a local port; `None` for any other term.
    pub(super) fn number(&self, term: u64) -> Option<u64> {
        (term & 0xf == 7).then(|| self.0.data(term))
    }
}

/// The masks of a table at the start of these bytes, if there is one.
fn masks_in(bytes: &[u8], layout: &Layout) -> Option<PidMasks> {
    let table = layout.pid.table.as_ref()?;
    let read_only = bytes.get(layout.process_table.read_only as usize..)?;
    let word = |at: u32| {
        let bytes = read_only.get(at as usize..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let half = |at: u32| word(at).map(|word| word as u32);
    let max = u64::from(half(layout.process_table.max)?);
    let masks = PidMasks {
        mask: word(table.mask)?,
        cl_mask: word(table.cl_mask)?,
        cli_mask: word(table.cli_mask)?,
        cl_shift: half(table.cl_shift)?,
        cli_shift: half(table.cli_shift)?,
    };
    let bits = max.is_power_of_two().then(|| max.trailing_zeros())?;
    let lines = bits.checked_sub(LINE_SHIFT)?;
    let expected = PidMasks {
        mask: max - 1,
        cl_mask: (1 << lines) - 1,
        cli_mask: (1 << LINE_SHIFT) - 1,
        cl_shift: LINE_SHIFT,
        cli_shift: lines,
    };
    (bits > LINE_SHIFT && masks == expected).then_some(masks)
}

#[cfg(test)]
mod tests {
    use super::{PidPrinter, PortPrinter};
    use crate::layout::table_for;
    use crate::memory::Image;

    #[test]
    fn pids_print_as_the_vm_prints_them() {
        let layout = table_for("25").expect("a table");
        let printer = PidPrinter::read(&Image::new(), 0, &layout).expect("no masks to read");
        let term = 0x9u64 << 32 | (3 << 15 | 80) << 4 | 3;
        assert_eq!(printer.print(term).as_deref(), Some("<0.80.3>"));
        assert_eq!(printer.print(0x0b), None);
        assert_eq!(printer.slot(term, 1024), Some(9));
        assert_eq!(printer.slot(0x0b, 1024), None);
    }

    /// A table of `1 << bits` slots, from its read-only part on.
    fn read_only(bits: u32) -> Vec<u8> {
        let mut bytes = vec![0; 120];
        let mut put = |at: usize, value: u64| {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(16, 1 << bits);
        put(24, (1 << bits) - 1);
        put(32, (1 << (bits - 3)) - 1);
        put(40, 7);
        put(48, 3 | u64::from(bits - 3) << 32);
        bytes
    }

    #[test]
    fn the_port_table_is_found_by_its_masks() {
        let layout = table_for("27").expect("a table");
        let mut data = vec![0u8; 128 << 10];
        data[0x1000 + 192..0x1000 + 312].copy_from_slice(&read_only(20));
        data[0x9040 + 192..0x9040 + 312].copy_from_slice(&read_only(16));
        let mut image = Image::new();
        image.map(0x1_0000_0000, data.clone());
        let ports = PortPrinter::read(&image, 0x1_0000_1000, &layout).expect("one other table");
        // Port 5 is in slot 5 of its line: the index in the line comes first.
        let term = |pix: u64| pix << 4 | 7;
        assert_eq!(ports.number(term(5 << 3)), Some(5));
        assert_eq!(ports.number(5 << 4 | 3), None);
        // Two candidates are none.
        data[0xc000 + 192..0xc000 + 312].copy_from_slice(&read_only(10));
        let mut image = Image::new();
        image.map(0x1_0000_0000, data);
        assert_eq!(PortPrinter::read(&image, 0x1_0000_1000, &layout), None);
    }
}
