//! Where the command service is. Pure.

use reqwest::Url;

use crate::config::Endpoint;
use crate::identity::Region;

/// The domains of the partitions that the agent knows.
const STANDARD: &str = "amazonaws.com";
const CHINA: &str = "amazonaws.com.cn";
const EUROPEAN_SOVEREIGN: &str = "amazonaws.eu";

/// What decides the address (contract: protocol, command service).
#[derive(Debug, Clone, Copy)]
pub struct EndpointQuestion<'a> {
    /// `deploy_control_endpoint`: beats everything else.
    pub configured: Option<&'a Endpoint>,
    /// The host's region.
    pub region: &'a Region,
    /// The metadata service's `services/domain`, where it answers.
    pub domain: Option<&'a str>,
    /// On premises anything may answer for the metadata service, so there the domain must be one
    /// of AWS's three.
    pub on_premises: bool,
    /// `enable_auth_policy`.
    pub secure: bool,
    /// `use_fips_mode`; that the region has such an endpoint is checked with the configuration.
    pub fips: bool,
}

/// A domain that credentials are not sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not a domain name.
    #[error(
        "the metadata service gives {domain:?} as the services' domain, which is not a domain \
         name; set deploy_control_endpoint if that service is not AWS's"
    )]
    NotADomain {
        /// What the metadata service said, cut.
        domain: String,
    },
    /// It is not one of AWS's, and the host is not in EC2.
    #[error(
        "the metadata service gives {domain:?} as the services' domain; on premises only \
         amazonaws.com, amazonaws.com.cn and amazonaws.eu are taken; set deploy_control_endpoint \
         if the service is elsewhere"
    )]
    UnknownDomain {
        /// What the metadata service said.
        domain: String,
    },
    /// The parts make no URL.
    #[error("the command service's address {address:?} is not a URL")]
    Url {
        /// The address.
        address: String,
    },
}

/// The address that calls are posted to.
///
/// # Errors
/// When the domain is not one that may become part of a host name.
pub fn endpoint(question: &EndpointQuestion<'_>) -> Result<Url, EndpointError> {
    if let Some(configured) = question.configured {
        return Ok(configured.url().clone());
    }
    let region = question.region.as_str();
    let domain = match question.domain {
        Some(domain) => checked(domain, question.on_premises)?,
        None if region.starts_with("cn-") => CHINA,
        None if region == "eusc-de-east-1" => EUROPEAN_SOVEREIGN,
        None => STANDARD,
    };
    let secure = if question.secure { "-secure" } else { "" };
    let fips = if question.fips { "-fips" } else { "" };
    let address = format!("https://codedeploy-commands{secure}{fips}.{region}.{domain}/");
    Url::parse(&address).map_err(|_| EndpointError::Url { address })
}

fn checked(domain: &str, on_premises: bool) -> Result<&str, EndpointError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last_is_a_name = domain
        .rsplit_once('.')
        .is_some_and(|(_, last)| last.bytes().all(|b| b.is_ascii_lowercase()));
    if domain.len() > 150 || !last_is_a_name || !domain.split('.').all(label) {
        return Err(EndpointError::NotADomain {
            domain: domain.chars().take(80).collect(),
        });
    }
    if on_premises && ![STANDARD, CHINA, EUROPEAN_SOVEREIGN].contains(&domain) {
        return Err(EndpointError::UnknownDomain {
            domain: domain.to_owned(),
        });
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn asked(
        region: &str,
        domain: Option<&str>,
        on_premises: bool,
        secure: bool,
        fips: bool,
    ) -> Result<String, EndpointError> {
        endpoint(&EndpointQuestion {
            configured: None,
            region: &Region::new(region).unwrap(),
            domain,
            on_premises,
            secure,
            fips,
        })
        .map(String::from)
    }

    #[rstest]
    #[case::plain(
        "eu-west-1",
        false,
        false,
        "codedeploy-commands.eu-west-1.amazonaws.com"
    )]
    #[case::secure(
        "eu-west-1",
        true,
        false,
        "codedeploy-commands-secure.eu-west-1.amazonaws.com"
    )]
    #[case::fips(
        "us-east-1",
        false,
        true,
        "codedeploy-commands-fips.us-east-1.amazonaws.com"
    )]
    #[case::both(
        "us-east-1",
        true,
        true,
        "codedeploy-commands-secure-fips.us-east-1.amazonaws.com"
    )]
    #[case::cn(
        "cn-north-1",
        false,
        false,
        "codedeploy-commands.cn-north-1.amazonaws.com.cn"
    )]
    #[case::cn_secure(
        "cn-northwest-1",
        true,
        false,
        "codedeploy-commands-secure.cn-northwest-1.amazonaws.com.cn"
    )]
    #[case::eusc(
        "eusc-de-east-1",
        false,
        false,
        "codedeploy-commands.eusc-de-east-1.amazonaws.eu"
    )]
    #[case::gov(
        "us-gov-west-1",
        false,
        true,
        "codedeploy-commands-fips.us-gov-west-1.amazonaws.com"
    )]
    fn derived(
        #[case] region: &str,
        #[case] secure: bool,
        #[case] fips: bool,
        #[case] expected: &str,
    ) {
        let url = asked(region, None, false, secure, fips).unwrap();
        assert_eq!(url, format!("https://{expected}/"));
    }

    #[rstest]
    #[case::ec2("us-iso-east-1", "c2s.ic.gov", false)]
    #[case::ec2_standard("eu-west-1", "amazonaws.com", false)]
    #[case::on_premises("eu-west-1", "amazonaws.com", true)]
    #[case::on_premises_cn("cn-north-1", "amazonaws.com.cn", true)]
    #[case::on_premises_eusc("eusc-de-east-1", "amazonaws.eu", true)]
    fn domain_from_the_metadata_service(
        #[case] region: &str,
        #[case] domain: &str,
        #[case] on_premises: bool,
    ) {
        let url = asked(region, Some(domain), on_premises, false, false).unwrap();
        assert_eq!(
            url,
            format!("https://codedeploy-commands.{region}.{domain}/")
        );
    }

    #[rstest]
    fn nothing_else_gets_into_the_host_name(
        #[values(
            "",
            "com",
            ".com",
            "evil.example/amazonaws.com",
            "evil.example#.com",
            "evil.example?.com",
            "a@evil.example",
            "evil.example:443",
            "amazonaws.com\n",
            " amazonaws.com",
            "amazonaws..com",
            "amazonaws.com.",
            "-a.com",
            "a_b.com",
            "AMAZONAWS.COM",
            "127.0.0.1",
            "ex\u{e4}mple.com"
        )]
        domain: &str,
        #[values(true, false)] on_premises: bool,
    ) {
        let error = asked("eu-west-1", Some(domain), on_premises, false, false).unwrap_err();
        assert!(matches!(error, EndpointError::NotADomain { .. }), "{error}");
    }

    #[test]
    fn on_premises_only_the_three_domains() {
        for domain in ["evil.example", "c2s.ic.gov", "amazonaws.com.evil.example"] {
            let error = asked("eu-west-1", Some(domain), true, false, false).unwrap_err();
            assert!(
                matches!(error, EndpointError::UnknownDomain { .. }),
                "{error}"
            );
        }
    }

    #[rstest]
    #[case("http://127.0.0.1:9000")]
    #[case("https://vpce-1.codedeploy.example/base")]
    fn deploy_control_endpoint(#[case] text: &str) {
        let configured = Endpoint::parse(text).unwrap();
        let url = endpoint(&EndpointQuestion {
            configured: Some(&configured),
            region: &Region::new("eu-west-1").unwrap(),
            domain: Some("not a domain"),
            on_premises: true,
            secure: true,
            fips: true,
        })
        .unwrap();
        assert_eq!(url, *configured.url());
    }
}
