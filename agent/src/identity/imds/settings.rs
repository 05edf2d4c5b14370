//! Where the instance metadata service is, and whether it may be asked.

use reqwest::Url;

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";

/// How to reach the instance metadata service, as the AWS SDKs read it from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImdsSettings {
    pub(super) endpoint: Url,
    pub(super) disabled: bool,
    pub(super) v1_allowed: bool,
}

/// A variable of the environment that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImdsSettingsError {
    /// The endpoint is no URL of the kind that the service has.
    #[error(
        "{ENDPOINT} is {value:?}, which is no address of instance metadata; set it to an http URL \
         without credentials and query such as {IPV4}, or unset it"
    )]
    Endpoint {
        /// The value.
        value: String,
    },
    /// The mode is neither of the two.
    #[error("{MODE} is {value:?}; allowed: IPv4, IPv6, or unset it")]
    Mode {
        /// The value.
        value: String,
    },
}

impl ImdsSettings {
    /// Reads the settings from the environment that `variable` looks up in. Empty counts as unset.
    /// `disable_v1` is the configuration's `disable_imds_v1`.
    ///
    /// # Errors
    /// When the endpoint or its mode cannot be understood.
    pub fn new(
        variable: impl Fn(&str) -> Option<String>,
        disable_v1: bool,
    ) -> Result<Self, ImdsSettingsError> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let endpoint = match (variable(ENDPOINT), variable(MODE)) {
            (Some(value), _) => endpoint(value)?,
            (None, None) => endpoint(IPV4.to_owned())?,
            (None, Some(mode)) if mode.eq_ignore_ascii_case("ipv4") => endpoint(IPV4.to_owned())?,
            (None, Some(mode)) if mode.eq_ignore_ascii_case("ipv6") => endpoint(IPV6.to_owned())?,
            (None, Some(value)) => return Err(ImdsSettingsError::Mode { value }),
        };
        Ok(Self {
            endpoint,
            disabled: variable(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")),
            v1_allowed: !disable_v1,
        })
    }
}

/// Only plain http: the service has no certificate, and a host name would not be its own.
fn endpoint(value: String) -> Result<Url, ImdsSettingsError> {
    match Url::parse(&value) {
        Ok(mut url)
            if url.scheme() == "http"
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            // Paths are appended to it.
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            Ok(url)
        }
        _ => Err(ImdsSettingsError::Endpoint { value }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<ImdsSettings, ImdsSettingsError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ImdsSettings::new(find, false)
    }

    #[rstest]
    #[case::nothing(&[], "http://169.254.169.254/")]
    #[case::empty(&[(ENDPOINT, ""), (MODE, "")], "http://169.254.169.254/")]
    #[case::ipv4(&[(MODE, "IPv4")], "http://169.254.169.254/")]
    #[case::ipv6(&[(MODE, "IPv6")], "http://[fd00:ec2::254]/")]
    #[case::ipv6_lower(&[(MODE, "ipv6")], "http://[fd00:ec2::254]/")]
    #[case::endpoint(&[(ENDPOINT, "http://127.0.0.1:1338")], "http://127.0.0.1:1338/")]
    #[case::path(&[(ENDPOINT, "http://[::1]:1338/base")], "http://[::1]:1338/base/")]
    #[case::endpoint_before_mode(
        &[(ENDPOINT, "http://127.0.0.1:1338/"), (MODE, "IPv6")],
        "http://127.0.0.1:1338/"
    )]
    fn the_endpoint_is_read_as_the_sdks_do(
        #[case] variables: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let settings = settings(variables).unwrap();
        assert_eq!(settings.endpoint.as_str(), expected);
        assert!(!settings.disabled);
    }

    #[rstest]
    fn other_endpoints_are_refused(
        #[values(
            "169.254.169.254",
            "https://169.254.169.254",
            "file:///etc/passwd",
            "http://user:pw@127.0.0.1",
            "http://127.0.0.1/?a=b",
            "http://127.0.0.1/#a",
            "http://"
        )]
        value: &str,
    ) {
        let error = settings(&[(ENDPOINT, value)]).unwrap_err();
        assert_eq!(
            error,
            ImdsSettingsError::Endpoint {
                value: value.to_owned()
            }
        );
        assert!(error.to_string().contains(ENDPOINT));
    }

    #[test]
    fn other_modes_are_refused() {
        let error = settings(&[(MODE, "dual")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is \"dual\"; allowed: IPv4, IPv6, or unset it"
        );
    }

    #[rstest]
    #[case("true", true)]
    #[case("TRUE", true)]
    #[case("false", false)]
    #[case("1", false)]
    #[case("", false)]
    fn only_true_disables(#[case] value: &str, #[case] expected: bool) {
        assert_eq!(settings(&[(DISABLED, value)]).unwrap().disabled, expected);
    }

    #[rstest]
    #[case(true, false)]
    #[case(false, true)]
    fn disable_imds_v1(#[case] disable: bool, #[case] allowed: bool) {
        let settings = ImdsSettings::new(|_| None, disable).unwrap();
        assert_eq!(settings.v1_allowed, allowed);
    }
}
