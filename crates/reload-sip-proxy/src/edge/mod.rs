//! The edge: where phones reach the proxy, and who of them is registered.
