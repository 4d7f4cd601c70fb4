//! What an overlay of real processes must survive, and whom it must refuse. These tests take
//! minutes and want the machine to themselves, so `cargo test` leaves them to `cargo xtask e2e`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(target_os = "linux")]
mod lossy;
#[cfg(target_os = "linux")]
mod nat;
#[cfg(target_os = "linux")]
mod nat_kinds;
#[cfg(target_os = "linux")]
mod partition;
mod persistence;
#[cfg(target_os = "linux")]
mod rough_network;
#[cfg(target_os = "linux")]
mod sip;
mod strangers;
mod survival;
