//! The media of calls.
