//! The environment of a hook script (contract: hooks).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::deployment::{DeploymentSpec, Revision};
use crate::lifecycle::LifecycleEvent;

/// Variables of the service manager and of credentials: never a hook's business.
const WITHHELD: [&str; 12] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "CREDENTIALS_DIRECTORY",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_FILE",
];

/// Families of such variables.
const WITHHELD_PREFIXES: [&str; 2] = ["WATCHDOG_", "LISTEN_"];

/// What the dynamic loader obeys (`strip_loader_env_in_hooks`).
const LOADER: [&str; 3] = ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"];

/// What remains of the inherited environment under `restrict_hook_env_to_allowlist`.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"];

/// How the agent's own environment reaches a hook.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentRules {
    /// `restrict_hook_env_to_allowlist`.
    pub only_allowlist: bool,
    /// `strip_loader_env_in_hooks`.
    pub strip_loader: bool,
    /// From the on-premises file, where there is one: region, host identifier, credentials file.
    pub on_premises: Vec<(&'static str, OsString)>,
}

/// The variables that describe the deployment; also what survives `sudo`.
#[must_use]
pub fn deployment_variables(
    spec: &DeploymentSpec,
    event: &LifecycleEvent,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("LIFECYCLE_EVENT", event.to_string()),
        ("DEPLOYMENT_ID", spec.deployment_id.to_string()),
        ("APPLICATION_NAME", spec.application_name.clone()),
        ("DEPLOYMENT_GROUP_NAME", spec.deployment_group_name.clone()),
        ("DEPLOYMENT_GROUP_ID", spec.deployment_group_id.to_string()),
    ];
    match &spec.revision {
        Revision::S3 {
            bucket,
            key,
            version,
            etag,
            ..
        } => {
            variables.push(("BUNDLE_BUCKET", bucket.clone()));
            variables.push(("BUNDLE_KEY", key.clone()));
            variables.extend(version.clone().map(|version| ("BUNDLE_VERSION", version)));
            variables.extend(etag.clone().map(|etag| ("BUNDLE_ETAG", etag)));
        }
        Revision::GitHub { commit, .. } => variables.push(("BUNDLE_COMMIT", commit.clone())),
        Revision::LocalFile { .. } | Revision::LocalDirectory { .. } => {}
    }
    variables
}

/// The whole environment: the `inherited` one less what is withheld, then the on-premises
/// host's variables, then the deployment's.
#[must_use]
pub fn hook_environment(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    rules: &EnvironmentRules,
    spec: &DeploymentSpec,
    event: &LifecycleEvent,
) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<_, _> = inherited
        .into_iter()
        .filter(|(name, _)| passes(name, rules))
        .collect();
    if !rules.only_allowlist {
        environment.extend(
            rules
                .on_premises
                .iter()
                .map(|(name, value)| ((*name).into(), value.clone())),
        );
    }
    environment.extend(
        deployment_variables(spec, event)
            .into_iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    environment
}

fn passes(name: &OsStr, rules: &EnvironmentRules) -> bool {
    let listed = |names: &[&str]| names.iter().any(|listed| name == *listed);
    let withheld = listed(&WITHHELD)
        || WITHHELD_PREFIXES
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
    let stripped = rules.strip_loader && listed(&LOADER);
    let unlisted = rules.only_allowlist && !listed(&ALLOWED);
    !(withheld || stripped || unlisted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{BundleType, GitHubToken};
    use crate::hooks::request::tests::spec;

    fn inherited(names: &[&str]) -> Vec<(OsString, OsString)> {
        names
            .iter()
            .map(|name| (name.into(), "value".into()))
            .collect()
    }

    fn names(environment: &BTreeMap<OsString, OsString>) -> Vec<&str> {
        environment
            .keys()
            .map(|name| name.to_str().unwrap())
            .collect()
    }

    #[test]
    fn service_manager_and_credential_variables_are_withheld_and_the_rest_passes() {
        let given = [
            "PATH",
            "JAVA_HOME",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "JOURNAL_STREAM",
            "INVOCATION_ID",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_FDNAMES",
            "CREDENTIALS_DIRECTORY",
            "AWS_ACCESS_KEY",
            "AWS_SECRET_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CREDENTIAL_FILE",
            "AWS_PROFILE",
        ];
        let environment = hook_environment(
            inherited(&given),
            &EnvironmentRules::default(),
            &spec(),
            &LifecycleEvent::AfterInstall,
        );
        assert_eq!(
            names(&environment),
            [
                "APPLICATION_NAME",
                "AWS_PROFILE",
                "DEPLOYMENT_GROUP_ID",
                "DEPLOYMENT_GROUP_NAME",
                "DEPLOYMENT_ID",
                "JAVA_HOME",
                "LIFECYCLE_EVENT",
                "PATH",
            ]
        );
        assert_eq!(environment[OsStr::new("LIFECYCLE_EVENT")], "AfterInstall");
    }

    #[test]
    fn an_s3_revision_brings_each_bundle_variable_that_the_specification_has() {
        let mut spec = spec();
        spec.revision = Revision::S3 {
            bucket: "b".into(),
            key: "k".into(),
            bundle_type: BundleType::Zip,
            version: None,
            etag: Some("e".into()),
        };
        let variables = deployment_variables(&spec, &LifecycleEvent::Install);
        let bundle: Vec<_> = variables
            .iter()
            .filter(|(name, _)| name.starts_with("BUNDLE"))
            .collect();
        assert_eq!(
            bundle,
            [
                &("BUNDLE_BUCKET", "b".to_owned()),
                &("BUNDLE_KEY", "k".to_owned()),
                &("BUNDLE_ETAG", "e".to_owned())
            ]
        );
    }

    #[test]
    fn a_github_revision_brings_the_commit_and_never_the_token() {
        let mut spec = spec();
        spec.revision = Revision::GitHub {
            account: "a".into(),
            repository: "r".into(),
            commit: "abc".into(),
            bundle_type: BundleType::Tar,
            token: GitHubToken::new("secret".into()),
        };
        let variables = deployment_variables(&spec, &LifecycleEvent::Install);
        assert!(variables.contains(&("BUNDLE_COMMIT", "abc".to_owned())));
        assert!(variables.iter().all(|(_, value)| value != "secret"));
    }

    #[test]
    fn the_allowlist_leaves_deployment_variables_and_six_others() {
        let rules = EnvironmentRules {
            only_allowlist: true,
            on_premises: vec![("AWS_REGION", "eu-west-1".into())],
            ..EnvironmentRules::default()
        };
        let given = [
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "JAVA_HOME",
            "LC_ALL",
        ];
        let environment = hook_environment(
            inherited(&given),
            &rules,
            &spec(),
            &LifecycleEvent::AfterInstall,
        );
        assert_eq!(environment.len(), 6 + 5);
        assert!(!environment.contains_key(OsStr::new("JAVA_HOME")));
        assert!(!environment.contains_key(OsStr::new("AWS_REGION")));
    }

    #[test]
    fn loader_variables_go_only_when_asked() {
        let given = inherited(&["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"]);
        let event = LifecycleEvent::AfterInstall;
        let count = |strip_loader| {
            let rules = EnvironmentRules {
                strip_loader,
                ..EnvironmentRules::default()
            };
            hook_environment(given.clone(), &rules, &spec(), &event).len()
        };
        assert_eq!(count(false), count(true) + 3);
    }

    #[test]
    fn an_on_premises_host_tells_its_region_and_identifier() {
        let rules = EnvironmentRules {
            on_premises: vec![("AWS_REGION", "eu-west-1".into())],
            ..EnvironmentRules::default()
        };
        let environment = hook_environment(
            inherited(&["AWS_REGION"]),
            &rules,
            &spec(),
            &LifecycleEvent::AfterInstall,
        );
        assert_eq!(environment[OsStr::new("AWS_REGION")], "eu-west-1");
    }
}
