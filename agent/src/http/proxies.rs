//! Which proxy leads to which host.

use std::ffi::OsString;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::ProxyUri;

/// The proxies of one client, and the hosts that are reached without.
///
/// `Debug` hides the passwords, because [`ProxyUri`] does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<ProxyUri>,
    https: Option<ProxyUri>,
    no_proxy: String,
}

/// A proxy that cannot be used. Holds no value, because a value may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// An environment variable is no address of a proxy.
    #[error(
        "the environment variable {variable} is not a proxy's address; it looks like \
         http://[user:password@]host:port"
    )]
    Variable {
        /// The variable, spelled as it was found.
        variable: String,
    },
    /// The HTTP library does not take the address; going on would silently mean no proxy.
    #[error(
        "the proxy {proxy} cannot be used; write it as http://[user:password@]host:port, with \
         special characters of user and password percent-encoded"
    )]
    Unusable {
        /// The proxy, without its credentials.
        proxy: String,
    },
}

impl Proxies {
    /// No proxy for anything: also what `proxy_for` means for a service that it does not name.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The configured proxy for everything; without one, the environment's `http_proxy` for
    /// `http` and `https_proxy` for `https` addresses. The configured `no_proxy`, else the
    /// environment's. Each variable in lower case, else in upper case; an empty one is unset.
    ///
    /// # Errors
    /// When a variable that counts is no proxy's address.
    pub fn resolve(
        proxy_uri: Option<&ProxyUri>,
        no_proxy: Option<&[String]>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ProxyError> {
        let (http, https) = match proxy_uri {
            Some(proxy) => (Some(proxy.clone()), Some(proxy.clone())),
            None => (
                from_environment("http_proxy", &environment)?,
                from_environment("https_proxy", &environment)?,
            ),
        };
        let no_proxy = match no_proxy {
            Some(hosts) => normalise(&hosts.join(",")),
            None => variable("no_proxy", &environment)
                .map(|(_, value)| normalise(&value.to_string_lossy()))
                .unwrap_or_default(),
        };
        for proxy in [&http, &https].into_iter().flatten() {
            let is_taken = Matcher::builder()
                .all(proxy.expose_url().as_str())
                .build()
                .intercept(&http::Uri::from_static("http://host.invalid/"))
                .is_some();
            if !is_taken {
                return Err(ProxyError::Unusable {
                    proxy: proxy.to_string(),
                });
            }
        }
        Ok(Self {
            http,
            https,
            no_proxy,
        })
    }

    /// The proxy for addresses of this scheme, unless [`Self::no_proxy`] excludes their host.
    #[must_use]
    pub fn for_scheme(&self, scheme: &str) -> Option<&ProxyUri> {
        match scheme {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }
    }

    /// Hosts that are reached directly, separated by commas: names (with all below them), IP
    /// addresses, networks such as `10.0.0.0/8`, or `*`.
    #[must_use]
    pub fn no_proxy(&self) -> &str {
        &self.no_proxy
    }

    /// The proxy that leads to this address; none: directly.
    #[must_use]
    pub fn for_url(&self, url: &Url) -> Option<&ProxyUri> {
        let proxy = self.for_scheme(url.scheme())?;
        let uri: http::Uri = url.as_str().parse().ok()?;
        Matcher::builder()
            .all(proxy.expose_url().as_str())
            .no(self.no_proxy.as_str())
            .build()
            .intercept(&uri)
            .map(|_| proxy)
    }
}

/// The variable's name as it was found, and its value.
fn variable(
    name: &str,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Option<(String, OsString)> {
    [name.to_owned(), name.to_ascii_uppercase()]
        .into_iter()
        .find_map(|name| {
            let value = environment(&name).filter(|value| !value.is_empty())?;
            Some((name, value))
        })
}

fn from_environment(
    name: &str,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<ProxyUri>, ProxyError> {
    let Some((variable, value)) = variable(name, environment) else {
        return Ok(None);
    };
    let parsed = value.to_str().and_then(|text| match text.contains("://") {
        true => ProxyUri::parse(text),
        // As every other program takes it.
        false => ProxyUri::parse(&format!("http://{text}")),
    });
    match parsed {
        Some(proxy) => Ok(Some(proxy)),
        None => Err(ProxyError::Variable { variable }),
    }
}

/// Lower case, commas between, and `*.example.com` as `.example.com`, which the matching of the
/// HTTP libraries knows.
fn normalise(hosts: &str) -> String {
    let hosts: Vec<String> = hosts
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|host| !host.is_empty())
        .map(|host| match host.strip_prefix('*') {
            Some(domain) if domain.starts_with('.') => domain.to_ascii_lowercase(),
            _ => host.to_ascii_lowercase(),
        })
        .collect();
    hosts.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rstest::rstest;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let variables: HashMap<String, OsString> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        move |name| variables.get(name).cloned()
    }

    fn chosen(proxies: &Proxies, url: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        proxies.for_url(&url).map(|p| p.expose_url().to_string())
    }

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::lower(&[("https_proxy", "http://p:1")], Some("http://p:1/"))]
    #[case::upper(&[("HTTPS_PROXY", "http://p:1")], Some("http://p:1/"))]
    #[case::lower_first(&[("HTTPS_PROXY", "http://q:1"), ("https_proxy", "http://p:1")], Some("http://p:1/"))]
    #[case::empty_is_unset(&[("https_proxy", ""), ("HTTPS_PROXY", "http://p:1")], Some("http://p:1/"))]
    #[case::without_scheme(&[("https_proxy", "p:3128")], Some("http://p:3128/"))]
    #[case::other_scheme(&[("http_proxy", "http://p:1")], None)]
    #[case::all_proxy_is_not_in_the_contract(&[("ALL_PROXY", "http://p:1")], None)]
    #[case::excluded(&[("https_proxy", "http://p:1"), ("no_proxy", "example.com")], None)]
    #[case::excluded_upper(&[("https_proxy", "http://p:1"), ("NO_PROXY", "a.b, .EXAMPLE.com")], None)]
    #[case::excluded_wildcard(&[("https_proxy", "http://p:1"), ("no_proxy", "*.example.com")], None)]
    #[case::excluded_all(&[("https_proxy", "http://p:1"), ("no_proxy", "*")], None)]
    #[case::not_excluded(&[("https_proxy", "http://p:1"), ("no_proxy", "ample.com,10.0.0.0/8")], Some("http://p:1/"))]
    fn environment_proxy(#[case] variables: &[(&str, &str)], #[case] expected: Option<&str>) {
        let proxies = Proxies::resolve(None, None, environment(variables)).unwrap();
        let found = chosen(&proxies, "https://host.example.com/");
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn proxy_uri_beats_the_environment_for_both_schemes() {
        let configured = ProxyUri::parse("http://u:pw@mine:8080").unwrap();
        let environment = environment(&[("https_proxy", "http://p:1"), ("no_proxy", "a.example")]);
        let proxies = Proxies::resolve(Some(&configured), None, &environment).unwrap();
        for url in ["https://b.example/", "http://b.example/"] {
            let expected = Some("http://u:pw@mine:8080/".to_owned());
            assert_eq!(chosen(&proxies, url), expected);
        }
        assert_eq!(chosen(&proxies, "https://a.example/"), None);
        let none: &[String] = &[];
        let proxies = Proxies::resolve(Some(&configured), Some(none), &environment).unwrap();
        assert!(chosen(&proxies, "https://a.example/").is_some());
        let hosts = ["127.0.0.0/8".to_owned(), "::1".to_owned()];
        let proxies = Proxies::resolve(Some(&configured), Some(&hosts), &environment).unwrap();
        assert_eq!(chosen(&proxies, "https://127.0.0.1:81/"), None);
        assert_eq!(chosen(&proxies, "https://[::1]/"), None);
        assert!(!format!("{proxies:?}").contains("pw"), "{proxies:?}");
    }

    #[rstest]
    #[case("socks5://u:pw@p:1")]
    #[case("http://u:pw@p:1/path")]
    #[case("http://u:pw@")]
    #[case("u:pw@p:99999")]
    fn a_wrong_variable_is_named_and_its_value_is_not(#[case] value: &str) {
        let error =
            Proxies::resolve(None, None, environment(&[("HTTP_PROXY", value)])).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("HTTP_PROXY"), "{shown}");
        assert!(!shown.contains("pw"), "{shown}");
    }

    #[test]
    fn a_password_with_odd_characters_is_taken() {
        for text in ["http://u:p%40%2F%25w@p:1", "http://u:p w\"<>|^`{}@p:1"] {
            let configured = ProxyUri::parse(text).unwrap();
            let proxies = Proxies::resolve(Some(&configured), None, |_| None).unwrap();
            assert!(chosen(&proxies, "https://a.example/").is_some(), "{text}");
        }
    }
}
