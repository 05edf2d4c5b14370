//! What the environment says about who the host is.

use super::super::{InvalidRegion, Region};

const REGION: &str = "AWS_REGION";
const HOST_IDENTIFIER: &str = "AWS_HOST_IDENTIFIER";

/// `AWS_REGION` and `AWS_HOST_IDENTIFIER`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostEnvironment {
    pub(super) region: Option<Region>,
    pub(super) host_identifier: Option<String>,
}

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostEnvironmentError {
    /// The region is none.
    #[error("{REGION} is wrong; correct or unset it")]
    Region(#[source] InvalidRegion),
    /// The host identifier cannot be one.
    #[error(
        "{HOST_IDENTIFIER} is {value:?}, which is not one word of printable characters; set it to \
         the host's ARN or unset it"
    )]
    HostIdentifier {
        /// The value, cut short.
        value: String,
    },
}

impl HostEnvironment {
    /// Reads the environment that `variable` looks up in. Empty counts as unset.
    ///
    /// # Errors
    /// When a value cannot be what it should be.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, HostEnvironmentError> {
        let variable = |name| variable(name).filter(|value: &String| !value.is_empty());
        let region = variable(REGION)
            .map(|value| Region::new(&value))
            .transpose();
        let host_identifier = variable(HOST_IDENTIFIER).map(host_identifier).transpose()?;
        Ok(Self {
            region: region.map_err(HostEnvironmentError::Region)?,
            host_identifier,
        })
    }
}

/// AWS's agents take any text here, so not only ARNs are taken; but it is logged and sent.
fn host_identifier(value: String) -> Result<String, HostEnvironmentError> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if value.len() > 1024 || value.contains(odd) {
        let value = value.chars().take(80).collect();
        return Err(HostEnvironmentError::HostIdentifier { value });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::error::chain;

    fn environment(
        region: &str,
        host_identifier: &str,
    ) -> Result<HostEnvironment, HostEnvironmentError> {
        HostEnvironment::new(|name| match name {
            REGION => Some(region.to_owned()),
            HOST_IDENTIFIER => Some(host_identifier.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn both_are_read() {
        let environment = environment("eu-west-1", "arn:aws:iam::123456789012:user/web").unwrap();
        assert_eq!(environment.region.unwrap().as_str(), "eu-west-1");
        assert_eq!(
            environment.host_identifier.as_deref(),
            Some("arn:aws:iam::123456789012:user/web")
        );
    }

    #[test]
    fn empty_is_unset() {
        assert_eq!(environment("", "").unwrap(), HostEnvironment::default());
        assert_eq!(
            HostEnvironment::new(|_| None).unwrap(),
            HostEnvironment::default()
        );
    }

    #[test]
    fn a_wrong_region_is_named() {
        let error = environment("Ireland", "").unwrap_err();
        assert_eq!(
            chain(&error),
            "AWS_REGION is wrong; correct or unset it: \"Ireland\" is not a region; one looks like \
             eu-west-1"
        );
    }

    #[rstest]
    #[case("a b")]
    #[case("a\n")]
    #[case("\u{1b}[2J")]
    fn a_wrong_host_identifier_is_named(#[case] value: &str) {
        let error = environment("", value).unwrap_err();
        assert!(
            error.to_string().starts_with("AWS_HOST_IDENTIFIER is "),
            "{error}"
        );
        assert!(!error.to_string().contains(char::is_control));
    }
}
