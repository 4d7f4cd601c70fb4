//! The request of section 11.3: a `multipart/form-data` form with `csr`, `username`, `password`,
//! `nodeids` and our optional `device` (E107). Reading is bounded and never panics. It is not the
//! check of the CSR itself.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::CSR_TYPE;
use crate::multipart::{self, Part};

/// Most bytes of a form; an RSA-4096 CSR with its form has about 3 kB.
pub const MAX_FORM_SIZE: usize = 65_536;

/// Longest text field: user name, password, device (bytes).
const MAX_TEXT: usize = 1024;

/// An enrollment request. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrollmentForm {
    /// The PKCS #10 request in DER.
    pub csr: Vec<u8>,
    /// The account name, UTF-8, compared as a binary object.
    pub username: Option<String>,
    /// The password, UTF-8, compared as a binary object.
    pub password: Option<String>,
    /// How many Node-IDs are wanted; one is the default and then the field is not sent.
    pub nodeids: u32,
    /// Which device of the user asks (E107); absent means the default device.
    pub device: Option<String>,
}

/// A form ready to be sent as the body of an HTTP POST.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedForm {
    /// The value of the Content-Type header, boundary included.
    pub content_type: String,
    /// The body; it holds the password.
    pub body: Vec<u8>,
}

/// Why a request body is not an enrollment form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The Content-Type is not `multipart/form-data`.
    #[error("the request is not multipart/form-data")]
    NotMultipart,
    /// The boundary is missing or not legal.
    #[error("the form has no legal boundary")]
    Boundary,
    /// A part is cut off or its headers cannot be read.
    #[error("the form is damaged")]
    Part,
    /// More parts than a form may have.
    #[error("the form has too many parts")]
    TooManyParts,
    /// The body is longer than [`MAX_FORM_SIZE`].
    #[error("the form is too large")]
    TooLarge,
    /// A field stands twice.
    #[error("the form holds the field {0} twice")]
    Repeated(&'static str),
    /// A field is not UTF-8, too long, or not a number where one is needed.
    #[error("the form field {0} is not acceptable")]
    Field(&'static str),
    /// There is no `csr`.
    #[error("the form has no csr")]
    NoCsr,
}

impl EnrollmentForm {
    /// A request for one Node-ID without an account.
    #[must_use]
    pub fn new(csr: Vec<u8>) -> Self {
        Self { csr, username: None, password: None, nodeids: 1, device: None }
    }

    /// Writes the form (RFC 2388); the CSR goes as DER with the type `application/pkcs10`.
    #[must_use]
    pub fn encode(&self) -> EncodedForm {
        let nodeids = self.nodeids.to_string();
        let mut fields: Vec<(&str, &[u8])> = Vec::new();
        for (name, value) in [("username", &self.username), ("password", &self.password)] {
            fields.extend(value.as_ref().map(|value| (name, value.as_bytes())));
        }
        if self.nodeids != 1 {
            fields.push(("nodeids", nodeids.as_bytes())); // "if more than one" (11.3)
        }
        fields.extend(self.device.as_ref().map(|value| ("device", value.as_bytes())));
        let mut values: Vec<&[u8]> = fields.iter().map(|(_, value)| *value).collect();
        values.push(&self.csr);
        let boundary = multipart::free_boundary(&values);
        let mut body = Vec::new();
        for (name, value) in fields {
            multipart::write_part(&mut body, &boundary, name, None, value);
        }
        multipart::write_part(&mut body, &boundary, "csr", Some(CSR_TYPE), &self.csr);
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        EncodedForm { content_type: format!("multipart/form-data; boundary={boundary}"), body }
    }

    /// Reads a form. Fields we do not know are ignored. The CSR may come as DER, PEM or base64.
    ///
    /// # Errors
    /// [`FormError`] when the body is not a form, is too large or lacks the CSR.
    pub fn decode(content_type: &str, body: &[u8]) -> Result<Self, FormError> {
        if body.len() > MAX_FORM_SIZE {
            return Err(FormError::TooLarge);
        }
        let boundary = multipart::boundary(content_type)?;
        let parts = multipart::parts(&boundary, body)?;
        let csr = field(&parts, "csr")?.ok_or(FormError::NoCsr)?;
        let nodeids = match text(&parts, "nodeids")? {
            None => 1,
            Some(number) => number.trim().parse().map_err(|_| FormError::Field("nodeids"))?,
        };
        Ok(Self {
            csr: csr_der(csr.value, csr.base64)?,
            username: text(&parts, "username")?,
            password: text(&parts, "password")?,
            nodeids,
            device: text(&parts, "device")?.filter(|device| !device.is_empty()),
        })
    }
}

fn field<'p, 'a>(
    parts: &'p [Part<'a>],
    name: &'static str,
) -> Result<Option<&'p Part<'a>>, FormError> {
    let mut found = parts.iter().filter(|part| part.name == name);
    let first = found.next();
    if found.next().is_some() { Err(FormError::Repeated(name)) } else { Ok(first) }
}

fn text(parts: &[Part<'_>], name: &'static str) -> Result<Option<String>, FormError> {
    let Some(part) = field(parts, name)? else { return Ok(None) };
    let decoded;
    let bytes = if part.base64 {
        decoded = base64_bytes(part.value).ok_or(FormError::Field(name))?;
        decoded.as_slice()
    } else {
        part.value
    };
    if bytes.len() > MAX_TEXT {
        return Err(FormError::Field(name));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| FormError::Field(name))?;
    Ok(Some(text.to_owned()))
}

/// The DER of a CSR that came as DER, as PEM, or as base64; its first byte is that of a SEQUENCE.
fn csr_der(value: &[u8], base64: bool) -> Result<Vec<u8>, FormError> {
    const SEQUENCE: u8 = 0x30; // '0' in ASCII; base64 of a SEQUENCE starts with 'M'
    let value = value.trim_ascii_start();
    if value.first() == Some(&SEQUENCE) && !base64 {
        return Ok(value.to_vec());
    }
    let text = std::str::from_utf8(value).map_err(|_| FormError::Field("csr"))?;
    let lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| text.contains("-----BEGIN") && !line.starts_with("-----BEGIN"));
    let content: String = lines
        .skip_while(|line| line.starts_with("-----BEGIN"))
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    let der = base64_bytes(content.as_bytes()).filter(|der| der.first() == Some(&SEQUENCE));
    der.ok_or(FormError::Field("csr"))
}

fn base64_bytes(value: &[u8]) -> Option<Vec<u8>> {
    let compact: Vec<u8> =
        value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

impl fmt::Debug for EnrollmentForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EnrollmentForm")
            .field("csr", &self.csr.len())
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(hidden)"))
            .field("nodeids", &self.nodeids)
            .field("device", &self.device)
            .finish()
    }
}

impl fmt::Debug for EncodedForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EncodedForm")
            .field("content_type", &self.content_type)
            .field("body", &self.body.len())
            .finish()
    }
}
