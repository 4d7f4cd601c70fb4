//! The store over a file in memory that can lose its power, be full or be damaged at any moment. What
//! it does in a directory, with real keys, is in `tests/it`.

mod bed;
mod crash;
