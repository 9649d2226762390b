//! Write Mailweir filters in Rust.
