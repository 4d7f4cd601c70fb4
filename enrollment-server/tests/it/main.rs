//! Black-box tests of the enrollment service: the real server on loopback, spoken to in HTTPS, and
//! the real program.

mod accounts;
mod client;
mod enroll;
mod hostile;
mod program;
mod service;
