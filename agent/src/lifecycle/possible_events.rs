//! `AllPossibleLifecycleEvents` against the hooks of an AppSpec (contract: appspec; checked at
//! Install).

use super::LifecycleEvent;
use crate::appspec::AppSpec;

/// Events of the service's own, which it may list: nothing of them runs on a host.
const OF_THE_SERVICE: [&str; 2] = ["BlockTraffic", "AllowTraffic"];

/// The AppSpec and the deployment disagree about the events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct ImpossibleEvents {
    /// Hooks in the AppSpec for events that this deployment never runs.
    pub unknown_hooks: Vec<String>,
    /// Custom events that the deployment runs and the AppSpec has no scripts for.
    pub missing_hooks: Vec<String>,
}

impl ImpossibleEvents {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.unknown_hooks.is_empty() {
            parts.push(format!(
                "the AppSpec has hooks for {}, which this deployment never runs: check the \
                 spelling, or name it with --events",
                self.unknown_hooks.join(", ")
            ));
        }
        if !self.missing_hooks.is_empty() {
            parts.push(format!(
                "the deployment runs {}, for which the AppSpec has no hooks: add scripts for it \
                 or leave the event out",
                self.missing_hooks.join(", ")
            ));
        }
        parts.join("; ")
    }
}

/// Checks that every hook may run, and that every custom event has a hook. Without a list of
/// possible events there is nothing to check.
///
/// # Errors
/// When either does not hold; all offenders are named.
pub fn check_possible_events(
    appspec: &AppSpec,
    possible: Option<&[String]>,
) -> Result<(), ImpossibleEvents> {
    let Some(possible) = possible else {
        return Ok(());
    };
    let unknown_hooks: Vec<String> = appspec
        .hooks
        .iter()
        .map(|hooks| &hooks.event)
        .filter(|event| !possible.contains(event))
        .cloned()
        .collect();
    let missing_hooks: Vec<String> = possible
        .iter()
        .filter(|event| !OF_THE_SERVICE.contains(&event.as_str()))
        .filter(|event| {
            matches!(
                LifecycleEvent::from(event.as_str()),
                LifecycleEvent::Custom(_)
            ) && appspec.scripts(event).is_empty()
        })
        .cloned()
        .collect();
    if unknown_hooks.is_empty() && missing_hooks.is_empty() {
        Ok(())
    } else {
        Err(ImpossibleEvents {
            unknown_hooks,
            missing_hooks,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::appspec::{EventHooks, Script};

    fn appspec(events: &[&str]) -> AppSpec {
        let script = Script {
            location: "s".into(),
            path: PathBuf::from("s"),
            timeout: Duration::from_secs(1),
            runas: None,
            sudo: false,
        };
        let hooks = events
            .iter()
            .map(|event| EventHooks {
                event: (*event).to_owned(),
                scripts: vec![script.clone()],
            })
            .collect();
        AppSpec {
            file_exists_behavior: None,
            files: vec![],
            hooks,
            permissions: vec![],
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn without_a_list_every_hook_is_fine() {
        assert_eq!(check_possible_events(&appspec(&["Anything"]), None), Ok(()));
    }

    #[test]
    fn a_hook_that_is_not_listed_is_an_error() {
        let error = check_possible_events(
            &appspec(&["BeforeInstall", "AfterInstal"]),
            Some(&names(&["BeforeInstall", "AfterInstall"])),
        );
        assert_eq!(error.unwrap_err().unknown_hooks, names(&["AfterInstal"]));
    }

    #[test]
    fn every_event_of_a_deployment_behind_a_load_balancer_may_be_listed() {
        let mut listed: Vec<String> = LifecycleEvent::STANDARD
            .iter()
            .map(ToString::to_string)
            .collect();
        listed.extend(names(&["BlockTraffic", "AllowTraffic"]));
        let appspec = appspec(&["BeforeInstall"]);
        assert_eq!(check_possible_events(&appspec, Some(&listed)), Ok(()));
    }

    #[test]
    fn a_listed_event_that_is_neither_standard_nor_in_the_appspec_is_an_error() {
        let listed = names(&["BeforeInstall", "Mine"]);
        let error = check_possible_events(&appspec(&["BeforeInstall"]), Some(&listed));
        assert_eq!(error.unwrap_err().missing_hooks, names(&["Mine"]));
        assert_eq!(
            check_possible_events(&appspec(&["Mine"]), Some(&listed)),
            Ok(())
        );
    }
}
