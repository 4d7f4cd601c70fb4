//! The real program, as a person and as a script use it.

mod bad_input;
mod config;
mod enroll;
mod peers;
mod support;
