//! The storage from outside: real signatures or those of the simulation, requests and answers as
//! bytes, two clocks that only the tests move.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests fail as tests do")]

mod answers;
mod bed;
mod copies;
mod domains;
mod faults;
mod kinds;
mod lifetimes;
mod limits;
mod model;
mod models;
mod policies;
mod rules;
