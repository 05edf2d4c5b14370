//! The HTTP proxy and what goes through it.

use std::fmt;

use reqwest::Url;

/// `proxy_uri`. May carry a user and a password; neither `Debug` nor `Display` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUri(Url);

impl ProxyUri {
    /// Checks `text`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        (web && bare).then_some(Self(url))
    }

    /// The whole URL, credentials included: for the HTTP client only, never for a message.
    #[must_use]
    pub fn expose_url(&self) -> &Url {
        &self.0
    }

    /// The URL without credentials.
    #[must_use]
    pub fn without_credentials(&self) -> Url {
        let mut url = self.0.clone();
        // These fail only for URLs without a host, which `parse` refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }

    /// User and password, percent-decoded, when the URL has a user. For the HTTP client only.
    #[must_use]
    pub fn expose_credentials(&self) -> Option<(String, String)> {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return None;
        }
        Some((
            percent_decode(self.0.username()),
            percent_decode(self.0.password().unwrap_or_default()),
        ))
    }
}

impl fmt::Display for ProxyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.without_credentials();
        let rest = url.as_str().trim_end_matches('/');
        match (self.expose_credentials(), rest.split_once("://")) {
            (Some(_), Some((scheme, host))) => write!(f, "{scheme}://(hidden)@{host}"),
            _ => f.write_str(rest),
        }
    }
}

impl fmt::Debug for ProxyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUri({self})")
    }
}

/// `%41` becomes `A`; a `%` that starts no such triple stays. Bytes that are not UTF-8 become
/// replacement characters.
fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.split_at_checked(2);
        let byte = digits.filter(|_| first == b'%').and_then(|(digits, rest)| {
            let digits = std::str::from_utf8(digits).ok()?;
            let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
            let byte = u8::from_str_radix(digits, 16).ok()?;
            hexadecimal.then_some((byte, rest))
        });
        let (byte, next) = byte.unwrap_or((first, after));
        decoded.push(byte);
        rest = next;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `proxy_for`: which connections use the proxy. The instance metadata service never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyFor {
    /// The command service.
    pub control: bool,
    /// S3.
    pub s3: bool,
    /// GitHub.
    pub github: bool,
}

impl ProxyFor {
    /// What holds without the setting.
    pub const ALL: Self = Self {
        control: true,
        s3: true,
        github: true,
    };

    /// The set of these words, or none when one is unknown.
    pub(super) fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut set = Self {
            control: false,
            s3: false,
            github: false,
        };
        for word in words {
            match word.strip_prefix(':').unwrap_or(word) {
                "control" => set.control = true,
                "s3" => set.s3 = true,
                "github" => set.github = true,
                _ => return None,
            }
        }
        Some(set)
    }
}

impl fmt::Display for ProxyFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.control, "control"),
            (self.s3, "s3"),
            (self.github, "github"),
        ];
        let words: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
        write!(f, "[{}]", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn credentials_are_for_the_client_and_for_nobody_else() {
        let proxy = ProxyUri::parse("http://us%40er:pa%3Ass@proxy.example.com:3128").unwrap();
        assert_eq!(
            proxy.expose_credentials(),
            Some(("us@er".to_owned(), "pa:ss".to_owned()))
        );
        assert_eq!(
            proxy.without_credentials().as_str(),
            "http://proxy.example.com:3128/"
        );
        assert_eq!(
            proxy.expose_url().as_str(),
            "http://us%40er:pa%3Ass@proxy.example.com:3128/"
        );
        for shown in [format!("{proxy}"), format!("{proxy:?}")] {
            assert!(
                shown.contains("http://(hidden)@proxy.example.com:3128"),
                "{shown}"
            );
            assert!(!shown.contains("us") && !shown.contains("ss"), "{shown}");
        }
    }

    #[rstest]
    #[case("http://proxy:3128", Some("http://proxy:3128"))]
    #[case("https://proxy/", Some("https://proxy"))]
    #[case("http://user@proxy", Some("http://(hidden)@proxy"))]
    #[case("http://:pass@proxy", Some("http://(hidden)@proxy"))]
    #[case("proxy:3128", None)]
    #[case("proxy.example.com", None)]
    #[case("socks5://proxy:1080", None)]
    #[case("http://proxy/path", None)]
    #[case("http://", None)]
    fn only_web_proxies_are_taken(#[case] text: &str, #[case] expected: Option<&str>) {
        let proxy = ProxyUri::parse(text).map(|proxy| proxy.to_string());
        assert_eq!(proxy.as_deref(), expected);
    }

    #[rstest]
    #[case("plain", "plain")]
    #[case("%41%62", "Ab")]
    #[case("100%", "100%")]
    #[case("%4", "%4")]
    #[case("%+1", "%+1")]
    #[case("%zz%20", "%zz ")]
    #[case("é%C3%A9", "éé")]
    fn percent_decoding(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(percent_decode(text), expected);
    }
}
