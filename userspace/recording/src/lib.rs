//! The columnar recording: schema, writer, reader, check.
