//! The node as a whole: real nodes in memory in virtual time, and one node to which the test itself
//! plays the others, with messages that it builds and signs. No network, no chance, no waiting.

mod actor;
mod anything;
mod app_attaching;
mod attaching;
mod bench;
mod bootstrapping;
mod compressing;
mod configuring;
mod demands;
mod desk;
mod forwarding;
mod fragmenting;
mod ice;
mod limits;
mod linking;
mod narrow;
mod network;
mod overlay;
mod requesting;
mod responding;
mod several_ids;
mod storing;
mod together;
