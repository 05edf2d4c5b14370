//! What /etc/profile says about the way to the services, and only hooks hear.
//!
//! AWS's units start their agent with what /etc/profile sets, so its own clients go by the proxies
//! and certificates of /etc/profile.d. Ours does not: the network of a service that runs as root is
//! not to depend on what login shells get. A host that was set up so is cut off when its agents are
//! swapped, hence the warnings at start and in `agent doctor`.

use std::ffi::OsString;
use std::fmt;

use super::HookBase;
use crate::config::Config;

const PROXIES: [&str; 2] = ["http_proxy", "https_proxy"];
const NO_PROXY: &str = "no_proxy";
const CERTIFICATES: [&str; 4] = [
    "AWS_CA_BUNDLE",
    "AWS_SSL_CA_BUNDLE",
    "AWS_SSL_CA_DIRECTORY",
    "SSL_CERT_FILE",
];

/// Variables for the way to the services that the profile sets and the agent itself does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileOnly {
    names: Vec<String>,
}

impl ProfileOnly {
    /// What to do about it.
    pub const REMEDY: &str = "if the agent needs them to reach AWS, set proxy_uri and no_proxy in its \
         configuration, or the variables in its unit (Environment= in a drop-in in \
         /etc/systemd/system/codedeploy-agent.service.d), and restart it";

    /// Compares the agent's `own` environment with what `profile` has made of it; nothing where the
    /// configuration decides.
    #[must_use]
    pub fn find(config: &Config, own: &[(OsString, OsString)], profile: &HookBase) -> Option<Self> {
        let mut names = Vec::new();
        let mut compare = |name: &str, upper: &str| {
            if spelled(own, name, upper).is_none() {
                names.extend(spelled(&profile.variables, name, upper).map(str::to_owned));
            }
        };
        let upper = str::to_ascii_uppercase;
        if config.proxy_uri.is_none() {
            for name in PROXIES {
                compare(name, &upper(name));
            }
        }
        let has_proxy = |name: &&str| spelled(&profile.variables, name, &upper(name)).is_some();
        let through_proxy = config.proxy_uri.is_some() || PROXIES.iter().any(has_proxy);
        if config.no_proxy.is_none() && through_proxy {
            compare(NO_PROXY, &upper(NO_PROXY));
        }
        for name in CERTIFICATES {
            compare(name, name);
        }
        (!names.is_empty()).then_some(Self { names })
    }
}

/// The spelling in which it is set; an empty variable is not.
fn spelled<'n>(
    variables: &[(OsString, OsString)],
    lower: &'n str,
    upper: &'n str,
) -> Option<&'n str> {
    [lower, upper].into_iter().find(|spelling| {
        variables
            .iter()
            .any(|(name, value)| name == spelling && !value.is_empty())
    })
}

/// Without values, which may hold passwords.
impl fmt::Display for ProfileOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/etc/profile sets {}: hooks get that, and the agent itself does not go by it, other \
             than AWS's agent",
            self.names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{ProxyUri, Purpose};

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        let owned = |(name, value): &(&str, &str)| (name.into(), value.into());
        pairs.iter().map(owned).collect()
    }

    #[rstest]
    #[case::nothing(&[], &[("PATH", "/bin"), ("AWS_REGION", "r")], &[])]
    #[case::proxies(&[], &[("https_proxy", "p"), ("HTTP_PROXY", "p"), ("no_proxy", "x")],
        &["HTTP_PROXY", "https_proxy", "no_proxy"])]
    #[case::in_another_spelling(&[("HTTPS_PROXY", "q")], &[("HTTPS_PROXY", "q"), ("https_proxy", "p")], &[])]
    #[case::emptied(&[("https_proxy", "")], &[("https_proxy", "")], &[])]
    #[case::no_proxy_alone_means_nothing(&[], &[("no_proxy", "x")], &[])]
    #[case::no_proxy_of_the_agents_proxy(&[("https_proxy", "q")], &[("https_proxy", "q"), ("no_proxy", "x")],
        &["no_proxy"])]
    #[case::certificates(&[("SSL_CERT_FILE", "/f")], &[("SSL_CERT_FILE", "/g"), ("AWS_CA_BUNDLE", "/b")],
        &["AWS_CA_BUNDLE"])]
    fn found(
        #[case] own: &[(&str, &str)],
        #[case] profile: &[(&str, &str)],
        #[case] expected: &[&str],
    ) {
        let config = Config::defaults(Purpose::Service);
        let profile = HookBase {
            variables: variables(profile),
            umask: 0o022,
        };
        let found = ProfileOnly::find(&config, &variables(own), &profile);
        assert_eq!(found.map_or(Vec::new(), |found| found.names), expected);
    }

    #[test]
    fn the_configuration_decides_about_proxies() {
        let mut config = Config::defaults(Purpose::Service);
        config.proxy_uri = ProxyUri::parse("http://p:1");
        let mut profile = HookBase {
            variables: variables(&[("https_proxy", "q"), ("no_proxy", "x")]),
            umask: 0o022,
        };
        let found = ProfileOnly::find(&config, &[], &profile).unwrap();
        assert_eq!(found.names, ["no_proxy"]);
        config.no_proxy = Some(Vec::new());
        assert_eq!(ProfileOnly::find(&config, &[], &profile), None);
        profile.variables = variables(&[("SSL_CERT_FILE", "/f")]);
        let found = ProfileOnly::find(&config, &[], &profile).unwrap();
        assert!(found.to_string().contains("SSL_CERT_FILE"), "{found}");
    }
}
