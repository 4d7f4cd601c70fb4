//! Sessions as their caller sees them: behind NATs of every kind in memory and virtual time, under loss,
//! noise and change, and against foreign programs over loopback.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod aioice;
mod change;
mod coturn;
mod nat;
mod net;
mod noise;
mod pairs;
mod shared;
mod socket;
mod turn;
