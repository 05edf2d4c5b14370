//! The domain of the services of a partition. It becomes the end of host names.

use std::fmt;

use super::super::Region;

/// A domain such as `amazonaws.com`: lower-case labels joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDomain(String);

/// A text that is no domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a domain of services; one looks like amazonaws.com")]
pub struct InvalidDomain {
    value: String,
}

/// What the domain may be where instance metadata cannot be trusted (contract: protocol).
const KNOWN: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];

impl ServiceDomain {
    /// Checks `text`: two to six labels of lower-case letters, digits and inner hyphens. Not a list,
    /// because isolated partitions have domains of their own.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn new(text: &str) -> Result<Self, InvalidDomain> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // An IP address has the form of a domain, but for its last label.
        let named = |text: &str| {
            let last = text.rsplit('.').next().unwrap_or_default();
            last.len() >= 2 && last.bytes().all(|b| b.is_ascii_lowercase())
        };
        let looks_like_one = text.len() <= 128
            && (2..=6).contains(&text.split('.').count())
            && text.split('.').all(label)
            && named(text);
        if looks_like_one {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDomain {
                value: text.chars().take(80).collect(),
            })
        }
    }

    /// The domain where instance metadata names none (contract: protocol, endpoint).
    #[must_use]
    pub fn of_region(region: &Region) -> Self {
        let region = region.as_str();
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else if region == "eusc-de-east-1" {
            "amazonaws.eu"
        } else {
            "amazonaws.com"
        };
        Self(domain.to_owned())
    }

    /// Whether it is one of AWS's three public domains: off EC2 nothing else is believed.
    #[must_use]
    pub fn is_known(&self) -> bool {
        KNOWN.contains(&self.as_str())
    }

    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("amazonaws.com", true)]
    #[case("amazonaws.com.cn", true)]
    #[case("amazonaws.eu", true)]
    #[case("c2s.ic.gov", false)]
    #[case("sc2s.sgov.gov", false)]
    #[case("csp.hci.ic.gov", false)]
    #[case("cloud.adc-e.uk", false)]
    fn domains_are_taken(#[case] text: &str, #[case] known: bool) {
        let domain = ServiceDomain::new(text).unwrap();
        assert_eq!(domain.as_str(), text);
        assert_eq!(domain.is_known(), known);
    }

    #[rstest]
    fn nothing_else_is(
        #[values(
            "",
            "com",
            "127.0.0.1",
            ".amazonaws.com",
            "amazonaws.com.",
            "amazonaws..com",
            "Amazonaws.com",
            "amazonaws.com/",
            "amazonaws.com:80",
            "user@evil.example",
            "-a.example",
            "a-.example",
            "amazonaws.com\n",
            "<html>.com",
            "a.b.c.d.e.f.example"
        )]
        text: &str,
    ) {
        let error = ServiceDomain::new(text).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{text:?} is not a domain")),
            "{error}"
        );
    }

    #[rstest]
    #[case("eu-west-1", "amazonaws.com")]
    #[case("us-gov-west-1", "amazonaws.com")]
    #[case("cn-north-1", "amazonaws.com.cn")]
    #[case("cn-northwest-1", "amazonaws.com.cn")]
    #[case("eusc-de-east-1", "amazonaws.eu")]
    fn domain_by_region(#[case] region: &str, #[case] expected: &str) {
        let domain = ServiceDomain::of_region(&Region::new(region).unwrap());
        assert_eq!(domain.as_str(), expected);
        assert!(domain.is_known());
    }
}
