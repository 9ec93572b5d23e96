//! Where a time is in the picture, and how wide what is seen is at least.

/// A picture has no fewer columns.
const COLUMNS_MIN: usize = 16;
/// Shaded columns of all rows together. One takes about 20 bytes where there are many.
const CELLS_MAX: usize = 600_000;
/// Bars of their own, of all rows together. One takes about 250 bytes.
pub(super) const BARS_MAX: u64 = 40_000;

/// The picture's time and width, divided into columns of the same width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Columns {
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
    pub(super) width_px: f64,
    /// Width of a column.
    pub(super) grain_px: f64,
    /// Least width of a bar of its own, not less than a column: what is narrower is merged.
    pub(super) bar_px: f64,
    pub(super) number: usize,
}

impl Columns {
    /// Columns of a pixel or more for rows that have at most so many spans. There are as
    /// many as keep the picture within its bounds, and so is the least width of a bar.
    pub(super) fn new((from_ns, to_ns): (i64, i64), width_px: f64, spans: &[u64]) -> Columns {
        let most = CELLS_MAX / spans.len().max(1);
        let number = (width_px as usize).min(most).max(COLUMNS_MIN);
        let grain_px = width_px / number as f64;
        let bars = |wide: u64| spans.iter().map(|spans| wide.min(*spans)).sum::<u64>();
        // How many bars of the least width a row can have.
        let (mut fits, mut too_many) = (1, number as u64 + 1);
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            match bars(middle) <= BARS_MAX {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        Columns {
            from_ns,
            to_ns,
            width_px,
            grain_px,
            bar_px: width_px / fits as f64,
            number,
        }
    }

    pub(super) fn span_ns(&self) -> f64 {
        // In floating point: the difference of two times may not fit otherwise.
        (self.to_ns as f64 - self.from_ns as f64).max(1.0)
    }

    /// Pixels from the left edge, within the picture.
    pub(super) fn x(&self, at_ns: i64) -> f64 {
        let at_ns = at_ns.clamp(self.from_ns, self.to_ns);
        (at_ns as f64 - self.from_ns as f64) / self.span_ns() * self.width_px
    }

    /// Pixels between two times.
    pub(super) fn wide(&self, start_ns: i64, end_ns: i64) -> f64 {
        (end_ns as f64 - start_ns as f64) / self.span_ns() * self.width_px
    }

    /// The column of a time within the picture.
    pub(super) fn of(&self, at_ns: i64) -> usize {
        let column = (self.x(at_ns) / self.grain_px) as usize;
        column.min(self.number - 1)
    }

    /// When a column begins. The last one's end is that of the picture.
    pub(super) fn begins_ns(&self, column: usize) -> i64 {
        if column >= self.number {
            return self.to_ns;
        }
        let share = column as f64 / self.number as f64;
        // Never later than `of` thinks, so that what is in a column begins after it.
        let begins_ns = self.from_ns as f64 + share * self.span_ns();
        (begins_ns as i64).clamp(self.from_ns, self.to_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;

    #[test]
    fn many_rows_have_wider_columns_and_bars() {
        let of = |spans: &[u64]| {
            let columns = Columns::new((0, 1_000_000), 1100.0, spans);
            (columns.number, columns.bar_px)
        };
        assert_eq!(of(&[u64::MAX / 4; 3]), (1100, 1.0));
        assert_eq!(of(&[1_000_000; 100]), (1100, 1100.0 / 400.0));
        assert_eq!(of(&[1_000_000; 100_000]).0, 16);
        assert_eq!(of(&[]), (1100, 1.0));
        // Most rows have little in them.
        let mut sparse = vec![3; 1000];
        sparse.extend([1_000_000; 37]);
        assert_eq!(of(&sparse), (578, 1100.0 / 578.0));
    }

    #[test]
    fn a_time_is_in_its_column() {
        let columns = Columns::new((-50, 1_000_000_007), 1100.0, &[1_000_000]);
        for at_ns in [-50, 0, 1, 999_999_999, 1_000_000_006] {
            let column = columns.of(at_ns);
            assert!(columns.begins_ns(column) <= at_ns, "{at_ns}");
            assert!(columns.begins_ns(column + 1) >= at_ns, "{at_ns}");
        }
        let whole = Columns::new((i64::MIN, i64::MAX), 1100.0, &[1_000_000]);
        assert_eq!(whole.of(i64::MAX), 1099);
        assert_eq!(whole.of(i64::MIN), 0);
    }
}
