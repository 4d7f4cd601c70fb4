//! The writer: grows a buffer up to a limit and fills in lengths afterwards (section 6.3.1). It
//! refuses what does not fit; it never truncates.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Encode, EncodeError, MAX_MESSAGE_SIZE};

/// Where structures are written to.
#[derive(Debug)]
pub struct Writer {
    buffer: BytesMut,
    limit: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

/// What `nested8` to `nested32` return.
type Written = Result<(), EncodeError>;

impl Writer {
    /// A writer for one message at most ([`MAX_MESSAGE_SIZE`]).
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(usize::try_from(MAX_MESSAGE_SIZE).unwrap_or(usize::MAX))
    }

    /// A writer that takes `limit` bytes at most.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Makes room for `bytes` more bytes at once, up to the limit.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve(bytes.min(self.limit.saturating_sub(self.buffer.len())));
    }

    /// The number of bytes written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn bytes(&mut self, bytes: &[u8]) -> Written {
        if bytes.len() > self.limit.saturating_sub(self.buffer.len()) {
            return Err(EncodeError::Limit { limit: self.limit });
        }
        self.buffer.put_slice(bytes);
        Ok(())
    }

    /// A one-byte integer.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn uint8(&mut self, value: u8) -> Written {
        self.bytes(&[value])
    }

    /// A two-byte integer.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn uint16(&mut self, value: u16) -> Written {
        self.bytes(&value.to_be_bytes())
    }

    /// A four-byte integer.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn uint32(&mut self, value: u32) -> Written {
        self.bytes(&value.to_be_bytes())
    }

    /// An eight-byte integer.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn uint64(&mut self, value: u64) -> Written {
        self.bytes(&value.to_be_bytes())
    }

    /// A Boolean: one byte, 0 or 1.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn boolean(&mut self, value: bool) -> Written {
        self.uint8(u8::from(value))
    }

    /// `opaque<0..2^8-1>`.
    ///
    /// # Errors
    /// More than 255 bytes, or the limit is reached.
    pub fn opaque8(&mut self, field: &'static str, value: &[u8]) -> Written {
        self.nested8(field, |out| out.bytes(value))
    }

    /// `opaque<0..2^16-1>`.
    ///
    /// # Errors
    /// More than 2^16 - 1 bytes, or the limit is reached.
    pub fn opaque16(&mut self, field: &'static str, value: &[u8]) -> Written {
        self.nested16(field, |out| out.bytes(value))
    }

    /// `opaque<0..2^24-1>`.
    ///
    /// # Errors
    /// More than 2^24 - 1 bytes, or the limit is reached.
    pub fn opaque24(&mut self, field: &'static str, value: &[u8]) -> Written {
        self.nested24(field, |out| out.bytes(value))
    }

    /// `opaque<0..2^32-1>`.
    ///
    /// # Errors
    /// More than 2^32 - 1 bytes, or the limit is reached.
    pub fn opaque32(&mut self, field: &'static str, value: &[u8]) -> Written {
        self.nested32(field, |out| out.bytes(value))
    }

    /// A part with a one-byte length before it.
    ///
    /// # Errors
    /// More than 255 bytes, or those of `write`.
    pub fn nested8(
        &mut self,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.nested::<1>(field, write)
    }

    /// A part with a two-byte length before it.
    ///
    /// # Errors
    /// More than 2^16 - 1 bytes, or those of `write`.
    pub fn nested16(
        &mut self,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.nested::<2>(field, write)
    }

    /// A part with a three-byte length before it.
    ///
    /// # Errors
    /// More than 2^24 - 1 bytes, or those of `write`.
    pub fn nested24(
        &mut self,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.nested::<3>(field, write)
    }

    /// A part with a four-byte length before it.
    ///
    /// # Errors
    /// More than 2^32 - 1 bytes, or those of `write`.
    pub fn nested32(
        &mut self,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.nested::<4>(field, write)
    }

    /// Writes room for a length of `WIDTH` bytes, the part, and then the length.
    fn nested<const WIDTH: usize>(
        &mut self,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        let at = self.len();
        self.bytes(&[0; WIDTH])?;
        let start = self.len();
        write(self)?;
        self.patch::<WIDTH>(field, at, self.len() - start)
    }

    /// Overwrites `WIDTH` bytes at `at` with the number `length`.
    pub(crate) fn patch<const WIDTH: usize>(
        &mut self,
        field: &'static str,
        at: usize,
        length: usize,
    ) -> Written {
        let max = usize::try_from((1_u64 << (8 * WIDTH)) - 1).unwrap_or(usize::MAX);
        if length > max {
            return Err(EncodeError::TooLong { field, length, max });
        }
        let bytes = length.to_be_bytes();
        let low = &bytes[bytes.len() - WIDTH..];
        self.buffer[at..at + WIDTH].copy_from_slice(low);
        Ok(())
    }

    /// Structures back to back.
    ///
    /// # Errors
    /// Those of the structures.
    pub fn all<T: Encode>(&mut self, elements: &[T]) -> Written {
        elements.iter().try_for_each(|element| element.encode(self))
    }

    /// `T list<0..2^8-1>`: the length counts bytes.
    ///
    /// # Errors
    /// More than 255 bytes, or those of the elements.
    pub fn list8<T: Encode>(&mut self, field: &'static str, elements: &[T]) -> Written {
        self.nested8(field, |out| out.all(elements))
    }

    /// `T list<0..2^16-1>`: the length counts bytes.
    ///
    /// # Errors
    /// More than 2^16 - 1 bytes, or those of the elements.
    pub fn list16<T: Encode>(&mut self, field: &'static str, elements: &[T]) -> Written {
        self.nested16(field, |out| out.all(elements))
    }

    /// `T list<0..2^32-1>`: the length counts bytes.
    ///
    /// # Errors
    /// More than 2^32 - 1 bytes, or those of the elements.
    pub fn list32<T: Encode>(&mut self, field: &'static str, elements: &[T]) -> Written {
        self.nested32(field, |out| out.all(elements))
    }
}
