//! A whole overlay on a virtual network in virtual time.
