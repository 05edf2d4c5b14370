//! The address of a service.

use std::fmt;

use reqwest::Url;

/// An `http` or `https` URL with neither credentials nor query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Checks `text`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (web && bare).then_some(Self(url))
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether what is sent there can be read on the way.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the slash that the URL type adds, so that a path can be appended.
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://s3.example.com", Some("https://s3.example.com"))]
    #[case("https://s3.example.com/", Some("https://s3.example.com"))]
    #[case("http://127.0.0.1:9000/base/", Some("http://127.0.0.1:9000/base"))]
    #[case("HTTPS://Example.COM", Some("https://example.com"))]
    #[case("s3.example.com", None)]
    #[case("s3.example.com:443", None)]
    #[case("ftp://example.com", None)]
    #[case("file:///etc/passwd", None)]
    #[case("https://", None)]
    #[case("https://user:secret@example.com", None)]
    #[case("https://example.com/?a=b", None)]
    #[case("https://example.com/#a", None)]
    fn only_web_addresses_are_taken(#[case] text: &str, #[case] expected: Option<&str>) {
        let endpoint = Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(endpoint.as_deref(), expected);
    }
}
