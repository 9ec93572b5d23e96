//! Development tasks, and what the test suite shares with them.
//!
//! `demo` and `test` drive other programs and know nothing of the profiler's crates;
//! `tidy` holds the rules of this tree as functions that return violations; `live` says
//! which tests can run on this machine. This crate is built before anything else is
//! installed, so it needs no C compiler and no library.

#![forbid(unsafe_code)]

pub mod bench;
pub mod commands;
pub mod demo;
pub mod install;
pub mod live;
pub mod otp;
pub mod test;
pub mod tidy;
