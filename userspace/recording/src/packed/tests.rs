use std::fs;

use escope_model::Sample;
use proptest::prelude::*;

use super::{PackedTable, packed_path};
use crate::example::{self, place};
use crate::manifest::{Manifest, TableFile};
use crate::range::TimeRange;
use crate::tables::Table;
use crate::writer::{Writer, WriterOptions};

/// A samples file of several pages.
fn samples_file() -> Vec<u8> {
    let place = place();
    let mut writer =
        Writer::create(&place.path, Manifest::default(), WriterOptions::default()).unwrap();
    for n in 0..500 {
        writer.sample(&example::sample(n));
    }
    writer.finish(&mut Manifest::default()).unwrap();
    fs::read(packed_path(&place.path, Table::Samples)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The checksum would catch these; here it is made to agree, as a forger would.
    #[test]
    fn no_forged_file_makes_a_reader_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        end in any::<bool>(),
    ) {
        thread_local! {
            static FILE: (Vec<u8>, tempfile::TempDir) =
                (samples_file(), tempfile::tempdir().unwrap());
        }
        FILE.with(|(bytes, dir)| {
            let mut bytes = bytes.clone();
            // Half of the cases damage the structure, which is at the end.
            let from = if end { bytes.len() - 1500 } else { 0 };
            for (index, bit) in flips {
                let at = from + index.index(bytes.len() - from);
                bytes[at] ^= 1 << bit;
            }
            let path = dir.path().join("file");
            fs::write(&path, &bytes).unwrap();
            let stated = TableFile {
                rows: 500,
                bytes: bytes.len() as u64,
                crc32: crc32fast::hash(&bytes),
            };
            let Ok(mut table) = PackedTable::open::<Sample>(&path, &stated, TimeRange::ALL) else {
                return;
            };
            while let Some(Ok(_)) = table.next::<Sample>() {}
        });
    }
}
