//! An https URL taken apart: where to connect, and what to ask for. It opens nothing.

use hyper::header::{HOST, USER_AGENT};
use hyper::{Method, Request, Uri};

use super::HttpsError;

/// The port of https URLs.
const PORT: u16 = 443;

/// A URL taken apart.
pub(super) struct Target {
    pub(super) url: String,
    uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, HttpsError> {
        let bad = || HttpsError::BadUrl { url: url.to_owned() };
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some(_) => return Err(HttpsError::NotHttps { url: url.to_owned() }),
            None => return Err(bad()),
        }
        let host = uri.host().ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { url: url.trim().to_owned(), port: uri.port_u16().unwrap_or(PORT), host, uri })
    }

    pub(super) fn request(&self, method: Method) -> hyper::http::request::Builder {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority.rsplit('@').next().unwrap_or(authority))
            .header(USER_AGENT, concat!("reload/", env!("CARGO_PKG_VERSION")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-4.1-01, R6940-11.3-03
    #[test]
    fn only_https_urls_with_a_host_are_taken() {
        let error = |url| Target::parse(url).err().unwrap().to_string();
        assert_eq!(error("http://example.org/"), "http://example.org/: only https is used");
        assert_eq!(error("example.org"), "example.org is no https URL");
        let target = Target::parse(" https://[::1]:8443/a?b ").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8443));
        assert_eq!(Target::parse("https://h").unwrap().port, 443);
    }
}
