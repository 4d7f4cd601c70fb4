//! `ForwardingHeader` (section 6.3.2): what every node on the way reads. A forwarder splits it off,
//! rewrites the lists and joins it to the rest, which it never reads. No routing here.

use std::fmt;

use bytes::Bytes;

use crate::{
    Decode, DecodeError, Decoded, Destination, Dialect, Encode, EncodeError, Fault,
    ForwardingOption, Writer, read,
};

/// The first four bytes of a message: "RELO" with the high bit of the first byte set.
pub const RELO_TOKEN: u32 = 0xd245_4c4f; // section 6.3.2
/// Version 1.0, the only one.
pub const VERSION: u8 = 0x0a; // section 6.3.2
/// The bytes before the lists.
pub const HEADER_SIZE: usize = 38; // section 6.3.2
/// Where the message length stands.
const LENGTH_AT: usize = 16;
/// Room for one entry of a list, so that a header is written into one piece of memory.
const ENTRY_SIZE: usize = 22;

/// Names a request and its response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which part of a message this is (sections 6.3.2 and 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The last or only part.
    pub last: bool,
    /// Where the part starts, in bytes behind the header of the whole message: 24 bits.
    pub offset: u32,
}

impl Fragment {
    /// The only part of a message.
    pub const WHOLE: Self = Self { last: true, offset: 0 };
    /// Always set.
    const HIGH: u32 = 0x8000_0000;
    const LAST: u32 = 0x4000_0000;
    const OFFSET: u32 = 0x00ff_ffff;

    /// Whether it is the only part.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

impl Default for Fragment {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// The header that nodes forward by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingHeader {
    /// The last four bytes of the SHA-1 of the overlay name.
    pub overlay: u32,
    /// The sequence number of the sender's configuration document; 65535 is the way around.
    pub configuration_sequence: u16,
    /// How many hops are left.
    pub ttl: u8,
    /// Which part of the message this is.
    pub fragment: Fragment,
    /// The size of the message or fragment in bytes, header included. [`ForwardingHeader::join`]
    /// writes the right one whatever stands here.
    pub length: u32,
    /// Names the transaction.
    pub transaction_id: TransactionId,
    /// The largest response in bytes that is wanted; 0 for any.
    pub max_response_length: u32,
    /// What the message came through.
    pub via_list: Vec<Destination>,
    /// Where the message goes, next first.
    pub destination_list: Vec<Destination>,
    /// Options.
    pub options: Vec<ForwardingOption>,
}

impl ForwardingHeader {
    /// Reads the header of a message and returns it with the bytes behind it, which are shared with
    /// `message` and not read.
    ///
    /// # Errors
    /// No header, a message above the limit, or another length than the header says.
    pub fn split(dialect: &Dialect, message: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let fail = |error: DecodeError| error.rooted(Self::NAME, message.len());
        let mismatch = |fault| {
            let at = message.get(LENGTH_AT..).unwrap_or_default();
            fail(DecodeError::new(fault, at).inside("length"))
        };
        let (rest, header) = match Self::decode(dialect, message) {
            Ok((rest, header)) => (rest.len(), header),
            Err(error) => return Err(fail(read::inner_error(error))),
        };
        if header.length > dialect.limits.max_message_size {
            return Err(mismatch(Fault::TooLarge));
        }
        if usize::try_from(header.length) != Ok(message.len()) {
            return Err(mismatch(Fault::LengthMismatch));
        }
        let header_size = message.len() - rest;
        Ok((header, message.slice(header_size..)))
    }

    /// The message of this header and what follows it, with the right length. `rest` is copied
    /// once.
    ///
    /// # Errors
    /// The message would have more than `limit` bytes, or a list is too long.
    pub fn join(&self, rest: &[u8], limit: u32) -> Result<Bytes, EncodeError> {
        let mut out = Writer::with_limit(usize::try_from(limit).unwrap_or(usize::MAX));
        let entries = self.via_list.len() + self.destination_list.len() + 2 * self.options.len();
        out.reserve(HEADER_SIZE + ENTRY_SIZE * entries + rest.len());
        self.encode(&mut out)?;
        out.bytes(rest)?;
        let length = out.len();
        out.patch::<4>("length", LENGTH_AT, length)?;
        Ok(out.finish())
    }
}

impl Decode for ForwardingHeader {
    const NAME: &'static str = "header";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let rest = constant("relo_token", Fault::Token, &RELO_TOKEN.to_be_bytes(), input)?;
        let (rest, overlay) = read::uint32("overlay", rest)?;
        let (rest, configuration_sequence) = read::uint16("configuration_sequence", rest)?;
        let rest = constant("version", Fault::Version, &[VERSION], rest)?;
        let (rest, ttl) = read::uint8("ttl", rest)?;
        let (rest, fragment) = fragment(rest)?;
        let (rest, length) = read::uint32("length", rest)?;
        let (rest, transaction_id) = read::uint64("transaction_id", rest)?;
        let (rest, max_response_length) = read::uint32("max_response_length", rest)?;
        let (rest, via_list_length) = read::uint16("via_list_length", rest)?;
        let (rest, destination_list_length) = read::uint16("destination_list_length", rest)?;
        let (rest, options_length) = read::uint16("options_length", rest)?;
        let (rest, via_list) = list("via_list", via_list_length, dialect, rest)?;
        let (rest, destination_list) =
            list("destination_list", destination_list_length, dialect, rest)?;
        let (rest, options) = list("options", options_length, dialect, rest)?;
        let header = Self {
            overlay,
            configuration_sequence,
            ttl,
            fragment,
            length,
            transaction_id: TransactionId(transaction_id),
            max_response_length,
            via_list,
            destination_list,
            options,
        };
        Ok((rest, header))
    }
}

/// Bytes that are the same in every message.
fn constant<'a>(
    name: &'static str,
    fault: Fault,
    expected: &[u8],
    input: &'a [u8],
) -> Result<&'a [u8], nom::Err<DecodeError>> {
    let (rest, found) = read::part(name, expected.len(), input)?;
    if found == expected { Ok(rest) } else { Err(read::error(name, fault, input)) }
}

/// The high bit must be set, the six reserved bits are ignored (section 6.3.2).
fn fragment(input: &[u8]) -> Decoded<'_, Fragment> {
    let (rest, bits) = read::uint32("fragment", input)?;
    if bits & Fragment::HIGH == 0 {
        return read::fail("fragment", Fault::NotAllowed, input);
    }
    let last = bits & Fragment::LAST != 0;
    Ok((rest, Fragment { last, offset: bits & Fragment::OFFSET }))
}

/// A list whose length stands before all three lists.
fn list<'a, T: Decode>(
    name: &'static str,
    length: u16,
    dialect: &Dialect,
    input: &'a [u8],
) -> Decoded<'a, Vec<T>> {
    let part = read::part(name, usize::from(length), input)?;
    read::nested(name, part, |part| read::list(part, |rest| T::decode(dialect, rest)))
}

impl Encode for ForwardingHeader {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.fragment.offset > Fragment::OFFSET {
            return Err(EncodeError::NotAllowed { field: "fragment" });
        }
        let last = if self.fragment.last { Fragment::LAST } else { 0 };
        out.uint32(RELO_TOKEN)?;
        out.uint32(self.overlay)?;
        out.uint16(self.configuration_sequence)?;
        out.uint8(VERSION)?;
        out.uint8(self.ttl)?;
        out.uint32(Fragment::HIGH | last | self.fragment.offset)?;
        out.uint32(self.length)?;
        out.uint64(self.transaction_id.0)?;
        out.uint32(self.max_response_length)?;
        let lengths = out.len();
        out.bytes(&[0; 6])?;
        write_list("via_list", lengths, &self.via_list, out)?;
        write_list("destination_list", lengths + 2, &self.destination_list, out)?;
        write_list("options", lengths + 4, &self.options, out)
    }
}

/// Writes a list, and its length at `at`.
fn write_list<T: Encode>(
    name: &'static str,
    at: usize,
    elements: &[T],
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.all(elements)?;
    out.patch::<2>(name, at, out.len() - start)
}
