//! The enrollment form (section 11.3): the value of the Content-Type header, a line feed, the body.

use reload_enroll::EnrollmentForm;

/// A form as it comes from a client.
pub fn enrollment_form(data: &[u8]) {
    let Some((content_type, body)) = parts(data) else { return };
    let Ok(form) = EnrollmentForm::decode(content_type, body) else { return };
    let written = form.encode();
    let again = EnrollmentForm::decode(&written.content_type, &written.body);
    assert_eq!(again.as_ref(), Ok(&form), "written as {}", written.body.escape_ascii());
}

fn parts(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = (data.get(..end)?, data.get(end + 1..)?);
    Some((std::str::from_utf8(line).ok()?, body))
}
