//! Weighted call trees, top tables: pure.
