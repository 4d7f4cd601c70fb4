//! Whole overlays in virtual time.

mod hops;
mod ring;
mod scenarios;
