//! Black-box tests of the enrollment service: the real server on loopback, spoken to in HTTPS, and
//! the real program.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod accounts;
mod client;
mod domains;
mod enroll;
mod hostile;
mod node_ids;
mod program;
mod service;
mod settings;
