//! The store in a directory, with real keys and certificates: what is read back, what is not, and
//! what happens when the file is damaged.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests fail as tests do")]

mod bed;
mod damage;
mod reading_back;
