use super::{Ended, EndedHow, FORMAT_VERSION, Manifest, load, save};
use crate::disk::RealDisk;
use crate::error::RecordingError;

fn with_manifest(text: &str) -> Result<Manifest, RecordingError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("manifest.json"), text).unwrap();
    load(dir.path())
}

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::default();
    manifest.target.node = Some("a@b".to_owned());
    manifest.totals.counters.insert("x".to_owned(), u64::MAX);
    manifest.ended = Some(Ended {
        how: EndedHow::TargetExited,
        at_ns: 12,
        note: Some("it exited".to_owned()),
    });
    for _ in 0..2 {
        save(&RealDisk, dir.path(), &manifest).unwrap();
        assert_eq!(load(dir.path()).unwrap(), manifest);
    }
    let text = std::fs::read_to_string(dir.path().join("manifest.json")).unwrap();
    assert!(text.contains("\"how\": \"target_exited\""));
    assert!(!text.contains("command_line"));
}

#[test]
fn absent_and_unknown_fields_are_tolerated() {
    let manifest = with_manifest(
        r#"{"format_version": {"major": 1, "minor": 99}, "form": "parquet",
            "novelty": [1], "ended": {"how": "novelty", "at_ns": 1}}"#,
    )
    .unwrap();
    assert_eq!(manifest.ended.unwrap().how, EndedHow::Unknown);
}

#[test]
fn a_newer_major_format_is_refused_by_its_version() {
    let major = FORMAT_VERSION.major + 1;
    let text = format!(r#"{{"format_version": {{"major": {major}, "minor": 0}}, "form": 7}}"#);
    let reason = with_manifest(&text).unwrap_err();
    assert!(matches!(reason, RecordingError::Newer { .. }));
    assert!(
        reason
            .to_string()
            .contains("use an escope-bpf that reads format 2"),
        "{reason}"
    );
}

#[test]
fn nonsense_is_refused() {
    for text in [
        "",
        "null",
        "{}",
        "[[[[",
        r#"{"format_version": 1}"#,
        "\0\0\0",
    ] {
        assert!(matches!(
            with_manifest(text),
            Err(RecordingError::BadManifest { .. })
        ));
    }
    let deep = "[".repeat(100_000);
    assert!(with_manifest(&deep).is_err());
}
