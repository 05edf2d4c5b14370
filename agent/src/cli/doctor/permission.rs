//! The service accepts this host's credentials.
//!
//! Polling itself cannot be tried: it would take a command away from the agent that runs. Instead
//! two other calls are made about what cannot exist, and what they are refused for tells: for the
//! thing that does not exist, then everything before was right; or for who is asking.

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;

use super::finding::Finding;
use super::identity::Identity;
use super::time_limit::NETWORK;
use super::way::Way;
use crate::config::Config;
use crate::control_plane::{
    Client, ControlPlane as _, Error, ServiceError, ServiceErrorKind, Settings,
};
use crate::error::chain;
use crate::http::TrustRoots;
use crate::identity::HostCredentials;

/// Shaped as the service wants it, of a deployment that no service makes.
const NO_EXECUTION: &str = "agent-doctor/does-not-exist/d-0/0";
const NO_COMMAND: &str = "agent-doctor-does-not-exist";

/// The longest for both calls, answers that drip included.
const BOTH: Duration = Duration::from_secs(12);

const NETWORK_REMEDY: &str =
    "check the network between this host and the service, and http_read_timeout";

/// Makes the two calls.
pub(super) async fn check(
    config: &Config,
    way: &Way,
    identity: &Identity,
    trust: &TrustRoots,
    credentials: HostCredentials,
) -> Finding {
    let settings = Settings {
        url: way.url.clone(),
        region: identity.host.region.clone(),
        secure: config.enable_auth_policy,
        compatible_version: config.compatible_version.clone(),
        read_timeout: NETWORK.min(config.http_read_timeout),
        proxies: way.proxies.clone(),
        // The log is the daemon's.
        wire_log: None,
    };
    let client = match Client::new(settings, trust, SharedCredentialsProvider::new(credentials)) {
        Ok(client) => client,
        Err(error) => return Finding::failed(chain(&error), "correct the setting that it names"),
    };
    let calls = call(&client, &identity.host.host_identifier);
    match tokio::time::timeout(BOTH, calls).await {
        Ok(None) => Finding::ok(
            "the service accepts the credentials for GetDeploymentSpecification and \
             PutHostCommandAcknowledgement (polling is not tried: it would take a command away)",
        ),
        Ok(Some(finding)) => finding,
        Err(_) => Finding::failed(
            format!("the answers were not whole within {} s", BOTH.as_secs()),
            NETWORK_REMEDY,
        ),
    }
}

/// What is wrong.
async fn call(client: &Client, host: &str) -> Option<Finding> {
    let specification = client.get_deployment_specification(NO_EXECUTION, host);
    if let Some(finding) = refusal(specification.await.err()) {
        return Some(finding);
    }
    let acknowledgement = client.put_host_command_acknowledgement(NO_COMMAND, true);
    refusal(acknowledgement.await.err())
}

/// What is wrong; nothing when the call was refused only for what does not exist.
fn refusal(error: Option<Error>) -> Option<Finding> {
    let error = error?;
    let Some(service) = error.service() else {
        let remedy = match &error {
            Error::Redirect { .. } | Error::ContentType { .. } => {
                "check deploy_control_endpoint, and whether a proxy or a portal is in the way"
            }
            Error::Malformed { .. } | Error::TooLong { .. } | Error::NameTooLong { .. } => {
                "check deploy_control_endpoint: what answers is not the command service"
            }
            _ => NETWORK_REMEDY,
        };
        return Some(Finding::failed(chain(&error), remedy));
    };
    match service.kind() {
        ServiceErrorKind::Refused => None,
        ServiceErrorKind::Throttling => Some(Finding::warning(
            format!("{}; the service is throttling", said(service)),
            "run agent doctor again later",
        )),
        ServiceErrorKind::Server => Some(Finding::failed(
            format!("{}; the service has trouble of its own", said(service)),
            "try again later, and look at AWS's health dashboard",
        )),
        ServiceErrorKind::ExpiredCredentials
        | ServiceErrorKind::UnknownCredentials
        | ServiceErrorKind::AccessDenied
        | ServiceErrorKind::Signature
        | ServiceErrorKind::Other => {
            let remedy = service.remedy().unwrap_or_else(|| {
                "check deploy_control_endpoint and the network: what answers may not be the command \
                 service, or the answer was cut off"
                    .into()
            });
            Some(Finding::failed(said(service), remedy))
        }
    }
}

/// The service's answer, without what to do about it.
fn said(error: &ServiceError) -> String {
    let mut text = format!(
        "{} was answered with HTTP {}",
        error.operation, error.status
    );
    if let Some(code) = &error.code {
        text = format!("{text} {code}");
    }
    if !error.message.is_empty() {
        text = format!("{text} ({})", error.message);
    }
    if let Some(id) = &error.request_id {
        text = format!("{text}, request id {id}");
    }
    text
}
