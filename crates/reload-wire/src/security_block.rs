//! `SecurityBlock` and `GenericCertificate` (section 6.3.4): the bucket of certificates and the
//! signature behind them. Nothing is checked here.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Signature, Writer, read};

/// The third part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityBlock {
    /// The certificates that the signatures of the message need.
    pub certificates: Vec<GenericCertificate>,
    /// The signature of the message.
    pub signature: Signature,
}

impl Decode for SecurityBlock {
    const NAME: &'static str = "security_block";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, certificates) = read::list16("certificates", dialect, input)?;
        let (rest, signature) = read::field("signature", dialect, rest)?;
        Ok((rest, Self { certificates, signature }))
    }
}

impl Encode for SecurityBlock {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list16("certificates", &self.certificates)?;
        self.signature.encode(out)
    }
}

/// A certificate and its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GenericCertificate {
    /// The type (RFC 6091); only X.509 is in use.
    pub kind: u8,
    /// For X.509 the DER form.
    pub certificate: Bytes,
}

impl GenericCertificate {
    /// The type of X.509 certificates (RFC 6091).
    pub const X509: u8 = 0;

    /// An X.509 certificate in DER form.
    #[must_use]
    pub const fn x509(certificate: Bytes) -> Self {
        Self { kind: Self::X509, certificate }
    }
}

impl Decode for GenericCertificate {
    const NAME: &'static str = "generic_certificate";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        let (rest, certificate) = read::opaque16("certificate", rest)?;
        Ok((rest, Self { kind, certificate }))
    }
}

impl Encode for GenericCertificate {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint8(self.kind)?;
        out.opaque16("certificate", &self.certificate)
    }
}
