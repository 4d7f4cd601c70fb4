//! Endpoints over a virtual network, in virtual time, with real certificates and real DTLS.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod accept;
mod bare;
mod certificates;
mod foreign;
mod foreign_programs;
mod hosts;
mod ice;
mod nat;
mod no_ice;
mod noise;
mod plans;
mod refusals;
mod stun;
mod turn;
mod world;
