//! Whole overlays in virtual time.

mod configuration;
mod hops;
mod partition;
mod ring;
mod scenarios;
mod turn;
