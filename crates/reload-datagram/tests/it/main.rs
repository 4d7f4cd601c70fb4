//! Endpoints over a virtual network, in virtual time, with real certificates and real DTLS.

mod accept;
mod certificates;
mod hosts;
mod ice;
mod nat;
mod no_ice;
mod noise;
mod refusals;
mod stun;
mod turn;
mod world;
