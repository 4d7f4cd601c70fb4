//! Certificate signing requests as they reach the enrollment server (section 11.3, E19): the key,
//! proven to be held by who asks, and the user name asked for. All else in them is ignored.

use crate::IssueError;
use crate::algorithm::PublicKey;
use bytes::Bytes;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

/// A request whose own signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    spki: Bytes,
    user: Option<String>,
}

impl SigningRequest {
    /// Reads a PKCS#10 request, DER, and checks its signature by its own key.
    ///
    /// # Errors
    /// If it is malformed, not signed by its key, or its key is one we do not certify.
    pub fn read(der: &[u8]) -> Result<Self, IssueError> {
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| IssueError::MalformedRequest)?;
        if !rest.is_empty() {
            return Err(IssueError::MalformedRequest);
        }
        let key = &request.certification_request_info.subject_pki;
        match PublicKey::from_spki(key).map_err(IssueError::UnsupportedKey)? {
            PublicKey::P384(_) => return Err(IssueError::UnsupportedKey("P-384".to_owned())),
            _ => request.verify_signature().map_err(|_| IssueError::RequestSignature)?,
        }
        if request.signature_value.unused_bits != 0 {
            return Err(IssueError::RequestSignature);
        }
        Ok(Self { spki: Bytes::copy_from_slice(key.raw), user: requested_user(&request) })
    }

    /// The DER subjectPublicKeyInfo to be certified.
    #[must_use]
    pub fn spki(&self) -> &Bytes {
        &self.spki
    }

    /// The user name asked for: rfc822Name of a requested subjectAltName, else emailAddress, else
    /// common name of the subject (E19). It is text from outside, checked by nobody yet.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

fn requested_user(request: &X509CertificationRequest<'_>) -> Option<String> {
    let subject = &request.certification_request_info.subject;
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        attribute.as_str().ok().map(str::to_owned)
    };
    requested_mailbox(request)
        .or_else(|| subject.iter_email().find_map(text))
        .or_else(|| subject.iter_common_name().find_map(text))
}

fn requested_mailbox(request: &X509CertificationRequest<'_>) -> Option<String> {
    request.requested_extensions()?.find_map(|extension| match extension {
        ParsedExtension::SubjectAlternativeName(names) => {
            names.general_names.iter().find_map(|name| match name {
                GeneralName::RFC822Name(user) => Some((*user).to_owned()),
                _ => None,
            })
        }
        _ => None,
    })
}
