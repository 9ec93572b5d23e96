use super::{MAX_WAITING, Merge};
use crate::error::RecordingError;
use crate::example;
use crate::stream::BatchPlace;
use escope_model::Sample;

/// Merges batches of samples at these times.
fn merged(batches: &[&[i64]], max_waiting: usize) -> Vec<i64> {
    let rows = |times: &[i64]| -> Vec<Sample> {
        let at = |(n, ts_ns): (usize, &i64)| Sample {
            ts_ns: *ts_ns,
            cpu: n as u32,
            ..example::sample(0)
        };
        times.iter().enumerate().map(at).collect()
    };
    let places = batches
        .iter()
        .enumerate()
        .map(|(segment, times)| BatchPlace {
            segment,
            offset: 0,
            min_ns: *times.iter().min().unwrap(),
            max_ns: *times.iter().max().unwrap(),
        });
    let load = |place: BatchPlace| Ok::<_, RecordingError>(rows(batches[place.segment]));
    let mut merge = Merge::new(places.collect(), load);
    merge.max_waiting = max_waiting;
    merge
        .flat_map(|chunk| chunk.unwrap())
        .map(|row| row.ts_ns)
        .collect()
}

#[test]
fn overlapping_batches_come_out_in_order() {
    assert!(merged(&[], MAX_WAITING).is_empty());
    assert_eq!(
        merged(&[&[3, 1, 2], &[2, 5, 4], &[0, 9], &[7, 6, 8]], MAX_WAITING),
        [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    );
    assert_eq!(
        merged(&[&[i64::MIN, i64::MAX], &[-1, 0, 1]], MAX_WAITING),
        [i64::MIN, -1, 0, 1, i64::MAX]
    );
}

#[test]
fn memory_is_bounded_even_if_order_suffers() {
    let long: Vec<i64> = (0..100).collect();
    let mut out = merged(&[&long, &[0, 50], &[1, 70]], 10);
    assert_eq!(out.len(), 104);
    out.sort_unstable();
    assert_eq!(out[103], 99);
}
