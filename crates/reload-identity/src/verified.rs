//! The mark of a value that passed the checks of this crate. Nothing outside can make one.

use std::ops::Deref;

/// A value that was verified: signature, certificate, path, expiry, bad-nodes. To be read only; it
/// says what held at the time of the check.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, without the mark.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
