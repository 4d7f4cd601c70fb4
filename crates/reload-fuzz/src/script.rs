//! Bytes as a script: a harness takes its choices off the front.

/// What is left of the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    /// The next choice; nothing at the end.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of two bytes; missing ones are zero.
    pub(crate) fn uint16(&mut self) -> u16 {
        u16::from_be_bytes([self.or_zero(), self.or_zero()])
    }

    /// A number of four bytes; missing ones are zero.
    pub(crate) fn uint32(&mut self) -> u32 {
        u32::from(self.uint16()) << 16 | u32::from(self.uint16())
    }

    /// The next choice, or zero at the end.
    pub(crate) fn or_zero(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    /// Bytes behind a length of two bytes, or as many as are left.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.uint16()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}
