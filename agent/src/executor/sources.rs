//! Where bundles come from, according to the configuration and the environment.

use std::ffi::OsString;

use crate::bundle::{Credentials, SourceSettings};
use crate::config::Config;
use crate::http::{Proxies, ProxyError, TrustPaths};
use crate::identity::OnPremises;

/// How bundles are reached from this host. The region comes from the on-premises file, then from the
/// environment, then from where the SDK finds one.
///
/// # Errors
/// When a proxy that counts cannot be used.
pub fn source_settings(
    config: &Config,
    on_premises: Option<&OnPremises>,
    credentials: Credentials,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<SourceSettings, ProxyError> {
    let text = |name: &str| {
        variable(name)
            .and_then(|value| value.into_string().ok())
            .filter(|value| !value.is_empty())
    };
    let proxies = |is_for: bool| match is_for {
        true => Proxies::resolve(
            config.proxy_uri.as_ref(),
            config.no_proxy.as_deref(),
            &variable,
        ),
        false => Ok(Proxies::none()),
    };
    Ok(SourceSettings {
        region: on_premises
            .map(|host| host.region.as_str().to_owned())
            .or_else(|| text("AWS_REGION"))
            .or_else(|| text("AWS_DEFAULT_REGION")),
        s3_endpoint: config
            .s3_endpoint_override
            .as_ref()
            .map(ToString::to_string),
        use_fips: config.use_fips_mode,
        proxies_s3: proxies(config.proxy_for.s3)?,
        proxies_github: proxies(config.proxy_for.github)?,
        github_api: config.github_api_endpoint.as_ref().map(ToString::to_string),
        trust: TrustPaths::from_environment(&variable),
        credentials,
        ..SourceSettings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ProxyFor, ProxyUri, Purpose};

    fn settings(config: &Config) -> Result<SourceSettings, ProxyError> {
        source_settings(config, None, Credentials::OrdinaryChain, |name| {
            let value = match name {
                "https_proxy" => "http://environment:1",
                "AWS_CA_BUNDLE" => "/one.pem",
                "AWS_SSL_CA_DIRECTORY" => "/certificates",
                "AWS_DEFAULT_REGION" => "eu-west-1",
                _ => return None,
            };
            Some(value.into())
        })
    }

    fn https(proxies: &Proxies) -> Option<String> {
        proxies.for_scheme("https").map(ToString::to_string)
    }

    #[test]
    fn the_environment_counts() {
        let made = settings(&Config::defaults(Purpose::Service)).unwrap();
        assert_eq!(made.region.as_deref(), Some("eu-west-1"));
        let proxy = Some("http://environment:1".to_owned());
        assert_eq!(https(&made.proxies_s3), proxy);
        assert_eq!(https(&made.proxies_github), proxy);
        // Named here, read later: neither exists.
        let trust = TrustPaths {
            files: vec![("AWS_CA_BUNDLE", "/one.pem".into())],
            directory: Some("/certificates".into()),
        };
        assert_eq!(made.trust, trust);
    }

    #[rstest::rstest]
    #[case(true, false)]
    #[case(false, true)]
    fn proxy_for_chooses(#[case] s3: bool, #[case] github: bool) {
        let mut config = Config::defaults(Purpose::Service);
        config.proxy_uri = ProxyUri::parse("http://configured:2");
        config.proxy_for = ProxyFor {
            control: true,
            s3,
            github,
        };
        let made = settings(&config).unwrap();
        let proxy = Some("http://configured:2".to_owned());
        assert_eq!(https(&made.proxies_s3), proxy.clone().filter(|_| s3));
        assert_eq!(https(&made.proxies_github), proxy.filter(|_| github));
    }
}
