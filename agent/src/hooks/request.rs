//! What the runner is asked to do with one script.

use std::path::{Path, PathBuf};

use hooks_runner::{DeploymentsLog, OutputsLeftOpen, Request, RunasVia};

use super::deployment_variables;
use crate::appspec::Script;
use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentDirectory;
use crate::diagnostics::LOG_CHARACTERS;
use crate::lifecycle::LifecycleEvent;

/// What the configuration says about hooks.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// `runas_via`.
    pub runas_via: RunasVia,
    /// The umask of scripts: 0022, or what /etc/profile sets.
    pub umask: u32,
    /// `outputs_left_open`.
    pub outputs_left_open: OutputsLeftOpen,
    /// The log of all deployments, when `enable_deployments_log`.
    pub deployments_log: Option<PathBuf>,
    /// `restrict_agent_dir_permissions`: logs are 0750/0640.
    pub restrict_log_permissions: bool,
}

/// The request for the script with number `index` of an event.
///
/// `archive` is the archive that the script comes from; its output goes to *this* deployment's
/// log, `directory`, also when the script is another revision's.
#[must_use]
pub fn request(
    settings: &HookSettings,
    spec: &DeploymentSpec,
    directory: &DeploymentDirectory,
    archive: &Path,
    event: &LifecycleEvent,
    index: usize,
    script: &Script,
) -> Request {
    let mut preamble = Vec::new();
    if index == 0 {
        preamble.push(format!("LifecycleEvent - {event}"));
    }
    preamble.push(format!("Script - {}", script.location));
    Request {
        script: archive.join(&script.path),
        location: script.location.clone(),
        preamble,
        runas: script.runas.clone(),
        sudo: script.sudo,
        runas_via: settings.runas_via,
        keep_under_sudo: deployment_variables(spec, event)
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect(),
        umask: settings.umask,
        timeout_seconds: script.timeout.as_secs(),
        outputs_left_open: settings.outputs_left_open,
        scripts_log: directory.scripts_log(),
        deployments_log: settings.deployments_log.clone().map(|path| DeploymentsLog {
            path,
            deployment_id: spec.deployment_id.to_string(),
        }),
        tail_characters: LOG_CHARACTERS,
        restrict_log_permissions: settings.restrict_log_permissions,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deployment::{
        DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentType, FileExistsBehavior,
        Revision,
    };
    use crate::deployment_root::DeploymentRoot;

    pub(in crate::hooks) fn spec() -> DeploymentSpec {
        DeploymentSpec {
            deployment_id: DeploymentId::new("d-1").unwrap(),
            deployment_group_id: DeploymentGroupId::new("g-1").unwrap(),
            deployment_group_name: "Group".into(),
            application_name: "App".into(),
            creator: DeploymentCreator::Other,
            deployment_type: DeploymentType::InPlace,
            appspec_filename: "appspec.yml".into(),
            file_exists_behavior: FileExistsBehavior::Disallow,
            all_possible_lifecycle_events: None,
            revision: Revision::LocalDirectory {
                location: "/src".into(),
            },
            reuse_archive_from: None,
        }
    }

    #[test]
    fn the_script_comes_from_the_archive_and_logs_into_this_deployment() {
        let spec = spec();
        let directory =
            DeploymentRoot::new("/root").deployment(&spec.deployment_group_id, &spec.deployment_id);
        let script = Script {
            location: "scripts/a b.sh".into(),
            path: "scripts/a b.sh".into(),
            timeout: Duration::from_secs(7),
            runas: Some("ubuntu".into()),
            sudo: true,
        };
        let settings = HookSettings {
            runas_via: RunasVia::Native,
            umask: 0o022,
            outputs_left_open: OutputsLeftOpen::Wait,
            deployments_log: Some("/root/deployment-logs/x.log".into()),
            restrict_log_permissions: false,
        };
        let archive = Path::new("/root/g-1/d-0/deployment-archive");
        let event = LifecycleEvent::ApplicationStop;
        let first = request(&settings, &spec, &directory, archive, &event, 0, &script);
        assert_eq!(first.script, archive.join("scripts/a b.sh"));
        assert_eq!(
            first.scripts_log,
            Path::new("/root/g-1/d-1/logs/scripts.log")
        );
        assert_eq!(
            first.preamble,
            [
                "LifecycleEvent - ApplicationStop",
                "Script - scripts/a b.sh"
            ]
        );
        assert_eq!(first.timeout_seconds, 7);
        assert!(first.keep_under_sudo.contains(&"DEPLOYMENT_ID".to_owned()));
        let second = request(&settings, &spec, &directory, archive, &event, 1, &script);
        assert_eq!(second.preamble, ["Script - scripts/a b.sh"]);
    }
}
