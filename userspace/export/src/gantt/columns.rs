//! Where a time is in the picture, and how wide what is seen is at least.

/// A picture has no fewer columns.
const COLUMNS_MIN: u64 = 16;

/// The picture's time and width, divided into columns of the same width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Columns {
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
    pub(super) width_px: f64,
    /// Width of a column: what is narrower is merged.
    pub(super) grain_px: f64,
    pub(super) number: usize,
}

impl Columns {
    /// Columns of one pixel or more: as many as give all rows together no more than
    /// `bars_max` bars, of rows that have at most so many spans.
    pub(super) fn new(
        (from_ns, to_ns): (i64, i64),
        width_px: f64,
        spans: &[u64],
        bars_max: usize,
    ) -> Columns {
        let bars = |columns: u64| spans.iter().map(|spans| columns.min(*spans)).sum::<u64>();
        let (mut fits, mut too_many) = (COLUMNS_MIN, (width_px as u64).max(COLUMNS_MIN) + 1);
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            match bars(middle) <= bars_max as u64 {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        let number = fits as usize;
        Columns {
            from_ns,
            to_ns,
            width_px,
            grain_px: width_px / number as f64,
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
    fn many_rows_have_wider_columns() {
        let of = |spans: &[u64]| Columns::new((0, 1_000_000), 1100.0, spans, 40_000).number;
        assert_eq!(of(&[u64::MAX / 4; 3]), 1100);
        assert_eq!(of(&[1_000_000; 100]), 400);
        assert_eq!(of(&[1_000_000; 100_000]), 16);
        assert_eq!(of(&[]), 1100);
        // Most rows have little in them.
        let mut sparse = vec![3; 10_000];
        sparse.extend([1_000_000; 10]);
        assert_eq!(of(&sparse), 1000);
    }

    #[test]
    fn a_time_is_in_its_column() {
        let columns = Columns::new((-50, 1_000_000_007), 1100.0, &[1_000_000], 40_000);
        for at_ns in [-50, 0, 1, 999_999_999, 1_000_000_006] {
            let column = columns.of(at_ns);
            assert!(columns.begins_ns(column) <= at_ns, "{at_ns}");
            assert!(columns.begins_ns(column + 1) >= at_ns, "{at_ns}");
        }
        let whole = Columns::new((i64::MIN, i64::MAX), 1100.0, &[1_000_000], 40_000);
        assert_eq!(whole.of(i64::MAX), 1099);
        assert_eq!(whole.of(i64::MIN), 0);
    }
}
