//! A small recording whose content is known.

use std::path::Path;

use escope_model::{Activity, Frame, FrameId, Sample, StackId, ThreadInfo, ThreadKind};
use escope_recording::{Ended, EndedHow, Manifest, Writer, WriterOptions};

use super::Folder;

/// Writes one that ended cleanly, of 1000 samples in a native function and a thread that are both
/// called `name`.
pub(crate) fn small_recording(folder: &Folder, mut manifest: Manifest, name: &str) -> String {
    let path = folder.path("small.escope");
    let options = WriterOptions::default();
    let mut writer = Writer::create(Path::new(&path), manifest.clone(), options).unwrap();
    writer.frame(FrameId(0), &Frame::marker(name));
    writer.stack(StackId(0), &[FrameId(0)]);
    writer.thread(&ThreadInfo {
        tid: 7,
        name: name.to_owned(),
        kind: ThreadKind::Other,
        scheduler: None,
    });
    for ts_ns in 0..1000 {
        writer.sample(&Sample {
            ts_ns,
            cpu: 0,
            tid: 7,
            scheduler: None,
            proc: None,
            stack: StackId(0),
            activity: Activity::Native,
            weight_ns: 1,
            truncated: None,
        });
    }
    manifest.totals.samples = 1000;
    manifest.totals.stacks = 1;
    manifest.totals.frames = 1;
    manifest.ended = Some(Ended {
        how: EndedHow::Duration,
        at_ns: 1000,
        note: None,
    });
    writer.finish(&mut manifest).unwrap();
    path
}
