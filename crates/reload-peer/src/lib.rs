//! The RELOAD daemon and the reload command.
