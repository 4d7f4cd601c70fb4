//! A bounded reader and writer of `multipart/form-data` (RFC 2388 and 7578, on RFC 2046) for the
//! enrollment form. It works on whole bodies and is no general MIME library: no nesting, no
//! folded headers, no other transfer encoding than base64.

use crate::form::FormError;

/// Most parts of one form; ours have five at the most, and a foreign client a few more.
const MAX_PARTS: usize = 16;
/// Most bytes of the headers of one part.
const MAX_PART_HEADERS: usize = 1024;
/// Longest boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// One parameter of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// The `name` of its Content-Disposition.
    pub(crate) name: String,
    /// The bytes as they came.
    pub(crate) value: &'a [u8],
    /// Whether Content-Transfer-Encoding says base64.
    pub(crate) base64: bool,
}

/// The boundary named by a Content-Type header of the type `multipart/form-data`.
pub(crate) fn boundary(content_type: &str) -> Result<String, FormError> {
    let (media_type, parameters) = content_type.split_once(';').ok_or(FormError::NotMultipart)?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(FormError::NotMultipart);
    }
    let boundary = parameter(parameters, "boundary").ok_or(FormError::Boundary)?;
    let legal = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || !boundary.bytes().all(legal) {
        return Err(FormError::Boundary);
    }
    Ok(boundary)
}

/// Splits a body into its parts.
pub(crate) fn parts<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, FormError> {
    let delimiter = format!("--{boundary}");
    let mut rest = after_first_delimiter(delimiter.as_bytes(), body)?;
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts); // The close delimiter; an epilogue is ignored (RFC 2046 5.1.1).
        }
        if parts.len() == MAX_PARTS {
            return Err(FormError::TooManyParts);
        }
        let padding = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        rest = rest
            .get(padding..)
            .and_then(|rest| rest.strip_prefix(b"\r\n"))
            .ok_or(FormError::Part)?;
        let end = find(rest, between.as_bytes()).ok_or(FormError::Part)?;
        let (content, tail) = rest.split_at(end);
        parts.push(part(content)?);
        rest = tail.get(between.len()..).ok_or(FormError::Part)?;
    }
}

fn after_first_delimiter<'a>(delimiter: &[u8], body: &'a [u8]) -> Result<&'a [u8], FormError> {
    if let Some(rest) = body.strip_prefix(delimiter) {
        return Ok(rest);
    }
    let mut with_line = b"\r\n".to_vec();
    with_line.extend_from_slice(delimiter);
    let start = find(body, &with_line).ok_or(FormError::Part)?;
    body.get(start.saturating_add(with_line.len())..).ok_or(FormError::Part)
}

fn part(content: &[u8]) -> Result<Part<'_>, FormError> {
    let window = content.get(..content.len().min(MAX_PART_HEADERS)).unwrap_or(content);
    let end = find(window, b"\r\n\r\n").ok_or(FormError::Part)?;
    let (headers, value) = content.split_at(end);
    let headers = std::str::from_utf8(headers).map_err(|_| FormError::Part)?;
    let value = value.get(4..).ok_or(FormError::Part)?;
    let mut name = None;
    let mut base64 = false;
    for line in headers.split("\r\n") {
        let (field, content) = line.split_once(':').ok_or(FormError::Part)?;
        if field.eq_ignore_ascii_case("content-disposition") {
            name = disposition_name(content);
        } else if field.eq_ignore_ascii_case("content-transfer-encoding") {
            base64 = content.trim().eq_ignore_ascii_case("base64");
        }
    }
    let name = name.ok_or(FormError::Part)?;
    Ok(Part { name, value, base64 })
}

fn disposition_name(content: &str) -> Option<String> {
    let (kind, parameters) = content.split_once(';')?;
    kind.trim().eq_ignore_ascii_case("form-data").then(|| parameter(parameters, "name"))?
}

/// The value of one parameter of `; a=b; c="d e"`, quotes and backslashes taken off.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, tail) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (token, tail) = after.split_at(end);
                (token.trim().to_owned(), tail)
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = tail;
    }
    None
}

fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at.checked_add(1)?..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A boundary that occurs in none of `values`; it needs no randomness since the values are known.
pub(crate) fn free_boundary(values: &[&[u8]]) -> String {
    let mut number: u64 = 0;
    loop {
        let boundary = format!("reload-enroll-{number:016x}");
        if values.iter().all(|value| find(value, boundary.as_bytes()).is_none()) {
            return boundary;
        }
        number = number.wrapping_add(1);
    }
}

/// Appends one part.
pub(crate) fn write_part(
    out: &mut Vec<u8>,
    boundary: &str,
    name: &str,
    content_type: Option<&str>,
    value: &[u8],
) {
    out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    let disposition = format!("Content-Disposition: form-data; name=\"{name}\"\r\n");
    out.extend_from_slice(disposition.as_bytes());
    if let Some(content_type) = content_type {
        out.extend_from_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundary_is_read_as_token_and_as_quoted_string() {
        assert_eq!(boundary("multipart/form-data; boundary=AaB03x").unwrap(), "AaB03x");
        let quoted = "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\\\"c\"; x=y";
        assert_eq!(boundary(quoted).unwrap(), "a b\"c");
    }

    #[test]
    fn other_types_and_bad_boundaries_are_refused() {
        assert_eq!(boundary("application/json"), Err(FormError::NotMultipart));
        assert_eq!(boundary("text/plain; boundary=x"), Err(FormError::NotMultipart));
        assert_eq!(boundary("multipart/form-data; charset=x"), Err(FormError::Boundary));
        assert_eq!(boundary("multipart/form-data; boundary="), Err(FormError::Boundary));
        assert_eq!(boundary("multipart/form-data; boundary=\"x"), Err(FormError::Boundary));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(boundary(&long), Err(FormError::Boundary));
    }

    #[test]
    fn preamble_padding_and_epilogue_are_ignored() {
        let body =
            b"hello\r\n--b  \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\nbye";
        let read = parts("b", body).unwrap();
        assert_eq!(read, [Part { name: "a".into(), value: b"1", base64: false }]);
    }

    #[test]
    fn a_form_without_its_end_is_refused() {
        let body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--";
        for end in 0..body.len() {
            assert!(parts("b", &body[..end]).is_err(), "{end} bytes");
        }
        assert!(parts("b", body).is_ok());
    }

    #[test]
    fn parts_and_their_headers_are_bounded() {
        let one = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
        let body = format!("{}--b--", one.repeat(17));
        assert_eq!(parts("b", body.as_bytes()), Err(FormError::TooManyParts));
        let body = format!("--b\r\nX: {}\r\n\r\n1\r\n--b--", "x".repeat(1100));
        assert_eq!(parts("b", body.as_bytes()), Err(FormError::Part));
    }

    #[test]
    fn boundary_written_does_not_occur_in_a_value() {
        let first = free_boundary(&[]);
        assert_ne!(free_boundary(&[first.as_bytes()]), first);
    }
}
