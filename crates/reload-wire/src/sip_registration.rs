//! `SipRegistration` (RFC 7904 section 3.2): what a user stores under the Kind SIP-REGISTRATION. The
//! texts in it are opaque here: whether they are an AOR or a feature set is told above.

use bytes::Bytes;

use crate::{Decode, Decoded, Destination, Dialect, Encode, EncodeError, Fault, Writer, read};

/// The numbers of `SipRegistrationType`.
const URI: u8 = 1;
const ROUTE: u8 = 2;
/// The number of an opaque id in the long form of a destination (section 6.3.2.2 of RFC 6940).
const OPAQUE: u8 = 3;
/// A list of less than 3 bytes is not allowed.
const SHORTEST_LIST: usize = 3;

/// Where the calls of a user go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SipRegistration {
    /// `sip_registration_uri`: look up this other AOR.
    Uri(Bytes),
    /// `sip_registration_route`: reach this node.
    Route {
        /// The contact preferences, a feature set in the syntax of RFC 2533 (RFC 3840).
        contact_prefs: Bytes,
        /// The way to the node; not empty.
        destination_list: Vec<Destination>,
    },
    /// A type that this code does not know, kept as it is; readers step over it.
    Unknown {
        /// The type: 0, or 3 to 255.
        kind: u8,
        /// The registration data.
        data: Bytes,
    },
}

impl Decode for SipRegistration {
    const NAME: &'static str = "sip_registration";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            URI => read::nested16("length", rest, |data| {
                let (data, uri) = read::opaque16("uri", data)?;
                Ok((data, Self::Uri(uri)))
            }),
            ROUTE => read::nested16("length", rest, |data| decode_route(dialect, data)),
            kind => {
                let (rest, data) = read::opaque16("length", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

fn decode_route<'a>(dialect: &Dialect, data: &'a [u8]) -> Decoded<'a, SipRegistration> {
    let (list, contact_prefs) = read::opaque16("contact_prefs", data)?;
    let (_, part) = read::part16("destination_list", list)?;
    if part.len() < SHORTEST_LIST {
        return read::fail("destination_list", Fault::NotAllowed, list);
    }
    let (data, destination_list) = read::list16("destination_list", dialect, list)?;
    Ok((data, SipRegistration::Route { contact_prefs, destination_list }))
}

impl Encode for SipRegistration {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Uri(uri) => {
                out.uint8(URI)?;
                out.nested16("length", |out| out.opaque16("uri", uri))
            }
            Self::Route { contact_prefs, destination_list } => {
                out.uint8(ROUTE)?;
                out.nested16("length", |out| {
                    out.opaque16("contact_prefs", contact_prefs)?;
                    out.nested16("destination_list", |out| encode_list(out, destination_list))
                })
            }
            Self::Unknown { kind: URI | ROUTE, .. } => {
                Err(EncodeError::NotAllowed { field: "sip_registration.type" })
            }
            Self::Unknown { kind, data } => {
                out.uint8(*kind)?;
                out.opaque16("length", data)
            }
        }
    }
}

/// One opaque id of two bytes alone would be too short a list: it is written in the long form.
fn encode_list(out: &mut Writer, list: &[Destination]) -> Result<(), EncodeError> {
    match list {
        [] => Err(EncodeError::NotAllowed { field: "sip_registration.destination_list" }),
        [only @ Destination::Opaque(id)] if only.as_compact().is_some() => {
            out.uint8(OPAQUE)?;
            out.nested8("opaque_id", |out| out.opaque8("opaque_id", id))
        }
        list => out.all(list),
    }
}
