//! There are credentials to sign with.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;

use super::finding::Finding;
use super::identity::Identity;
use super::time_limit::SEVERAL;
use crate::bundle::SourceSettings;
use crate::error::chain;
use crate::http::TrustRoots;
use crate::identity::{ChainSettings, HostCredentials};

/// The finding, and the credentials when there are some.
pub(super) async fn check(
    identity: &Identity,
    sources: &SourceSettings,
    trust: &TrustRoots,
    text: impl Fn(&str) -> Option<String>,
) -> (Finding, Option<HostCredentials>) {
    let credentials = match &identity.on_premises {
        Some(on_premises) => HostCredentials::on_premises(&on_premises.credentials),
        None => match sources.https_client(trust) {
            Ok(client) => HostCredentials::chain(ChainSettings::new(
                text,
                identity.host.region.clone(),
                sources.use_fips,
                client,
                identity.imds.clone(),
            )),
            Err(error) => {
                let remedy = "correct the settings of proxy and certificates";
                return (Finding::failed(chain(&error), remedy), None);
            }
        },
    };
    let remedy = match identity.on_premises {
        Some(_) => {
            "see that whatever renews the credentials file has written it, whole and readable for \
             the agent"
        }
        None => {
            "attach an instance profile to the instance; off EC2 give the host an identity with \
             agent register"
        }
    };
    let found = match tokio::time::timeout(SEVERAL, credentials.provide_credentials()).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return (Finding::failed(chain(&error), remedy), None),
        Err(_) => {
            let detail = format!("none came within {} s", SEVERAL.as_secs());
            return (Finding::failed(detail, remedy), None);
        }
    };
    let from = credentials
        .source()
        .map_or_else(String::new, |source| format!("from {source}"));
    let left = found
        .expiry()
        .map(|end| end.duration_since(SystemTime::now()));
    let finding = match left {
        Some(Err(_)) => Finding::failed(format!("{from}; they have expired"), remedy),
        _ => Finding::ok(from),
    };
    (finding, Some(credentials))
}
