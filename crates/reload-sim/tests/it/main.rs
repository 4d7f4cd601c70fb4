//! Whole overlays in virtual time.

mod ring;
mod scenarios;
