//! Who this host is for the service.

use nix::unistd::geteuid;

use super::configuration::has_the_agents_rights;
use super::finding::Finding;
use super::time_limit::SEVERAL;
use crate::config::Config;
use crate::error::chain;
use crate::identity::{
    HostEnvironment, HostIdentity, Imds, ImdsError, ImdsSettings, OnPremises, OnPremisesWarning,
};

/// Who the host is, and how that was found out.
pub(super) struct Identity {
    pub(super) on_premises: Option<OnPremises>,
    pub(super) host: HostIdentity,
    pub(super) imds: Imds,
}

/// The finding, and the identity when it is known.
pub(super) async fn check(
    config: &Config,
    text: impl Fn(&str) -> Option<String> + Copy,
) -> (Finding, Option<Identity>) {
    let file = config.on_premises_config_file.display();
    let failed = |detail: String, remedy: &str| (Finding::failed(detail, remedy), None);
    let on_premises = match OnPremises::read(&config.on_premises_config_file) {
        Ok((None, warnings)) if is_hidden(&warnings) => {
            let why = format!("{file} cannot be read as user id {}", geteuid());
            if !has_the_agents_rights(config) {
                return (Finding::not_permitted(why), None);
            }
            // The daemon would take the host for an EC2 instance.
            return failed(why, "give the file to the user that the agent runs as");
        }
        Ok((on_premises, _)) => on_premises,
        Err(error) => {
            let remedy = format!("correct {file}; the host is registered with the ARN in it");
            return failed(chain(&error), &remedy);
        }
    };
    of(config, on_premises, text).await
}

/// The same, with what the on-premises file says or would say.
pub(super) async fn of(
    config: &Config,
    on_premises: Option<OnPremises>,
    text: impl Fn(&str) -> Option<String> + Copy,
) -> (Finding, Option<Identity>) {
    let file = config.on_premises_config_file.display();
    let failed = |detail: String, remedy: &str| (Finding::failed(detail, remedy), None);
    let environment = match HostEnvironment::new(text) {
        Ok(environment) => environment,
        Err(error) => return failed(chain(&error), "correct the variable or unset it"),
    };
    let imds = ImdsSettings::new(text, config.disable_imds_v1)
        .map_err(|error| chain(&error))
        .and_then(|settings| Imds::new(settings).map_err(|error| chain(&error)));
    let imds = match imds {
        Ok(imds) => imds,
        Err(error) => return failed(error, "correct the variable or unset it"),
    };
    let resolve = HostIdentity::resolve(on_premises.as_ref(), &environment, &imds);
    let host = match tokio::time::timeout(SEVERAL, resolve).await {
        Ok(Ok(host)) => host,
        Ok(Err(ImdsError::Disabled)) => {
            let remedy = format!(
                "unset AWS_EC2_METADATA_DISABLED on an EC2 instance; elsewhere write {file} with agent register"
            );
            return failed("instance metadata is switched off".to_owned(), &remedy);
        }
        Ok(Err(error)) => {
            let remedy = format!(
                "on an EC2 instance switch instance metadata on and let no firewall be in its \
                 way; elsewhere write {file} with agent register"
            );
            return failed(chain(&error), &remedy);
        }
        Err(_) => {
            let detail = format!(
                "instance metadata did not answer within {} s",
                SEVERAL.as_secs()
            );
            let remedy =
                format!("check instance metadata; off EC2 write {file} with agent register");
            return failed(detail, &remedy);
        }
    };
    let finding = match config.check_fips_region(host.region.as_str()) {
        Ok(()) => Finding::ok(format!(
            "{} in {}, known by {}",
            host.host_identifier, host.region, host.source
        )),
        Err(error) => Finding::failed(chain(&error), "turn use_fips_mode off in this region"),
    };
    let identity = Identity {
        on_premises,
        host,
        imds,
    };
    (finding, Some(identity))
}

/// Whether it is only this user who cannot read the file.
fn is_hidden(warnings: &[OnPremisesWarning]) -> bool {
    warnings.iter().any(|warning| {
        matches!(warning, OnPremisesWarning::Unreadable(error)
            if error.kind() == std::io::ErrorKind::PermissionDenied)
    })
}
