//! Whole overlays in virtual time.

mod hops;
mod partition;
mod ring;
mod scenarios;
