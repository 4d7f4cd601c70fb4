//! The enrollment URL that an operator gives: https, a host, and the path the server answers on.

use anyhow::{Result, bail};
use reload_enroll::ENROLL_PATH;

/// The URL as it goes into the document; without a path it gets ours.
pub(crate) fn checked(url: &str) -> Result<String> {
    let Some(rest) = url.strip_prefix("https://") else {
        bail!("the enrollment URL {url:?} does not begin with https://"); // 11.3: over HTTPS
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let legal = |text: &str, others: &[u8]| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    if host.is_empty() || !legal(host, b".-:[]") || !legal(path, b"/.-_~") {
        bail!("the enrollment URL {url:?} is not a plain URL of a host and a path");
    }
    match path {
        "" | "/" => Ok(format!("https://{host}{ENROLL_PATH}")),
        path => Ok(format!("https://{host}{path}")),
    }
}

/// The path of a URL of the document, if it is one we can answer on.
pub(crate) fn path(url: &str) -> Option<String> {
    let url = checked(url).ok()?;
    let rest = url.strip_prefix("https://")?;
    rest.find('/').map(|at| rest[at..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_path_gets_ours() {
        assert_eq!(checked("https://a.example").unwrap(), "https://a.example/enroll");
        assert_eq!(checked("https://a.example:8443/").unwrap(), "https://a.example:8443/enroll");
        assert_eq!(checked("https://[::1]:1/x/y").unwrap(), "https://[::1]:1/x/y");
        assert_eq!(path("https://a.example:8443/x").unwrap(), "/x");
    }

    #[test]
    fn other_schemes_and_odd_urls_are_refused() {
        for url in ["http://a.example/enroll", "a.example", "https://", "https:///x"] {
            assert!(checked(url).is_err(), "{url}");
        }
        for url in ["https://u@a.example/", "https://a/{x}", "https://a/?q", "https://a/\n"] {
            assert!(checked(url).is_err(), "{url}");
        }
    }
}
