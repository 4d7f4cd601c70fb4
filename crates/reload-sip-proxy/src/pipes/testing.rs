//! Pipes in memory, and an overlay of them, for tests.
