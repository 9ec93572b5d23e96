//! Development tasks, and what the test suite shares with them.
//!
//! `bench`, `demo`, `fuzz` and `test` drive other programs and know nothing of the profiler's crates;
//! `layouts` makes the tables of `escope-beam`, with that crate's own reader; `tidy` holds the
//! rules of this tree as functions that return violations; `live` says which tests can run on
//! this machine. This crate is built before anything else is installed, so neither it nor
//! `escope-beam` (without its feature `image`) needs a C compiler or a library.

#![forbid(unsafe_code)]

pub mod bench;
pub mod commands;
pub mod demo;
pub mod fuzz;
pub mod install;
pub mod layouts;
pub mod live;
pub mod otp;
pub mod test;
pub mod tidy;
