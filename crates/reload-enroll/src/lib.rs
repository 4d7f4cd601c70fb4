//! The enrollment exchange (RFC 6940 sections 11.2 and 11.3) as values: the request form, the
//! answers with their error tokens, the user name, and the checks of a certificate that came back.
//! Peer and enrollment server share it. It is not an HTTP client or server, and it signs nothing.
//!
//! ```
//! use reload_enroll::EnrollmentForm;
//!
//! let mut form = EnrollmentForm::new(vec![0x30, 0x00]);
//! form.username = Some("alice@example.org".into());
//! form.password = Some("secret".into());
//! let encoded = form.encode();
//! let read = EnrollmentForm::decode(&encoded.content_type, &encoded.body)?;
//! assert_eq!(read.username.as_deref(), Some("alice@example.org"));
//! # Ok::<(), reload_enroll::FormError>(())
//! ```

mod answer;
mod certificate;
mod discovery;
mod form;
mod multipart;
mod username;

pub use answer::{EnrollmentAnswer, EnrollmentFailure, read_answer};
pub use certificate::{CertificateError, ExpectedCertificate, check_certificate};
pub use discovery::{
    CERTIFICATE_TYPE, CONFIGURATION_TYPE, CSR_TYPE, ENROLL_PATH, SRV_NAME, WELL_KNOWN_PATH,
    configuration_url,
};
pub use form::{EncodedForm, EnrollmentForm, FormError, MAX_FORM_SIZE};
pub use username::{UserName, UserNameError};
