//! Usages of RELOAD: what applications store in the overlay, and how.
