//! Prints a result: for people, for programs, for spreadsheets.

mod csv;
mod json;
mod text;

pub use csv::write_csv;
pub use json::write_json;
pub use text::{write_table, write_table_within};

#[cfg(test)]
mod tests;
