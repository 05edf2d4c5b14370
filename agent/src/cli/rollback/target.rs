//! Which revision is deployed again. Pure: from what is known of the past to a choice.

use std::collections::BTreeSet;

use super::target_error::TargetError;
use crate::cli::groups::KnownGroups;
use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::deployment_root::DeploymentRoot;
use crate::history::{DeploymentResult, History, Lookup, PastDeployment, Requester};

/// How many deployments are offered instead.
const OFFERED: usize = 5;

/// What the operator wants.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    pub(super) to: Option<&'a str>,
    pub(super) group: Option<&'a str>,
    pub(super) force: bool,
}

/// The deployment whose archive is deployed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target<'h> {
    pub(super) group: DeploymentGroupId,
    pub(super) past: &'h PastDeployment,
}

/// Chooses it.
///
/// # Errors
/// Why there is none, with what to do.
pub(super) fn choose<'h>(
    root: &DeploymentRoot,
    history: &'h History,
    wanted: &Wanted<'_>,
) -> Result<Target<'h>, TargetError> {
    let named = wanted
        .to
        .map(|id| find(history, id, wanted.group))
        .transpose()?;
    let group = group(history, wanted, named)?;
    // Newest first, as the history has them.
    let of_group: Vec<&PastDeployment> = history
        .deployments
        .iter()
        .filter(|past| past.group_id.as_ref() == Some(&group))
        .collect();
    let is_managed = of_group
        .iter()
        .any(|past| past.requester == Requester::Service);
    if is_managed && !wanted.force {
        return Err(TargetError::Managed { group });
    }
    if let Some(running) = of_group.iter().find(|past| is_at_work(past)) {
        return Err(TargetError::AtWork {
            id: running.id.clone(),
            group,
        });
    }
    let past = match named {
        Some(past) => past,
        None => {
            before_the_current_one(root, &group, &of_group).ok_or_else(|| TargetError::Nothing {
                group: group.clone(),
            })?
        }
    };
    if !succeeded(past) && !wanted.force {
        return Err(TargetError::NotSuccessful {
            id: past.id.clone(),
            result: past.result.word(),
            others: offered(&of_group),
        });
    }
    if !has_archive(past) {
        return Err(TargetError::ArchiveGone {
            id: past.id.clone(),
            others: offered(&of_group),
        });
    }
    Ok(Target { group, past })
}

/// What `id` names in the group, else anywhere.
fn find<'h>(
    history: &'h History,
    id: &str,
    group: Option<&str>,
) -> Result<&'h PastDeployment, TargetError> {
    let of_group = match group {
        None => Lookup::None,
        Some(text) => {
            let groups = KnownGroups::of(history).all(text)?;
            history.find_among(id, |past| {
                past.group_id.as_ref().is_some_and(|id| groups.contains(id))
            })
        }
    };
    let found = match of_group {
        Lookup::None => history.find(id),
        found => found,
    };
    match found {
        Lookup::One(past) => Ok(past),
        Lookup::None => {
            let local = |past: &&PastDeployment| past.requester == Requester::Local;
            let local: Vec<_> = history.deployments.iter().filter(local).collect();
            Err(TargetError::UnknownId {
                id: id.to_owned(),
                others: offered(&local),
            })
        }
        Lookup::Several(several) => Err(TargetError::AmbiguousId {
            id: id.to_owned(),
            count: several.len(),
            newest: several
                .iter()
                .take(OFFERED)
                .map(|past| past.id.clone())
                .collect(),
        }),
    }
}

fn group(
    history: &History,
    wanted: &Wanted<'_>,
    named: Option<&PastDeployment>,
) -> Result<DeploymentGroupId, TargetError> {
    let of_named = named.and_then(|past| Some((past, past.group_id.clone()?)));
    match (wanted.group, of_named) {
        (Some(text), Some((past, group))) => {
            if KnownGroups::of(history).all(text)?.contains(&group) {
                Ok(group)
            } else {
                Err(TargetError::OtherGroup {
                    id: past.id.clone(),
                    group,
                    wanted: text.to_owned(),
                })
            }
        }
        (Some(text), None) => Ok(KnownGroups::of(history).one(text)?),
        (None, Some((_, group))) => Ok(group),
        (None, None) => only_local_group(history),
    }
}

fn only_local_group(history: &History) -> Result<DeploymentGroupId, TargetError> {
    let groups_of = |requester| {
        let deployments = history.deployments.iter();
        let those = deployments.filter(|past| past.requester == requester);
        let groups: BTreeSet<_> = those.filter_map(|past| past.group_id.clone()).collect();
        groups
    };
    let managed = groups_of(Requester::Service);
    let local: Vec<_> = groups_of(Requester::Local)
        .difference(&managed)
        .cloned()
        .collect();
    match local.as_slice() {
        [group] => Ok(group.clone()),
        [] => Err(TargetError::NoLocalGroup {
            managed: managed.into_iter().collect(),
        }),
        _ => Err(TargetError::SeveralLocalGroups { groups: local }),
    }
}

/// The last one that succeeded before the newest. After a rollback that did not succeed: the one
/// that it went back to, so that it can be called again.
fn before_the_current_one<'h>(
    root: &DeploymentRoot,
    group: &DeploymentGroupId,
    newest_first: &[&'h PastDeployment],
) -> Option<&'h PastDeployment> {
    let (newest, before) = newest_first.split_first()?;
    let is_origin = |past: &&&PastDeployment| {
        let archive = root.deployment(group, &past.id).archive();
        newest.revision.as_deref() == Some(&*archive.to_string_lossy())
    };
    let origin = before.iter().find(is_origin);
    match origin {
        Some(origin) if !succeeded(newest) => Some(origin),
        _ => before.iter().find(|past| succeeded(past)).copied(),
    }
}

/// Between two commands of the service nothing of the deployment runs on this host.
fn is_at_work(past: &PastDeployment) -> bool {
    match &past.result {
        DeploymentResult::Running { event } => {
            event.is_some() || past.requester == Requester::Local
        }
        _ => false,
    }
}

fn succeeded(past: &PastDeployment) -> bool {
    past.result == DeploymentResult::Succeeded
}

fn has_archive(past: &PastDeployment) -> bool {
    past.held.as_ref().is_some_and(|held| held.has_archive)
}

/// What could be gone back to, newest first.
fn offered(newest_first: &[&PastDeployment]) -> Vec<DeploymentId> {
    let can_be = newest_first
        .iter()
        .filter(|past| succeeded(past) && has_archive(past));
    can_be.take(OFFERED).map(|past| past.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use rstest::rstest;

    use super::*;
    use crate::history::Held;

    const SUCCEEDED: DeploymentResult = DeploymentResult::Succeeded;
    const KILLED: DeploymentResult = DeploymentResult::Killed { event: None };

    fn root() -> DeploymentRoot {
        DeploymentRoot::new("/root")
    }

    fn past(id: &str, group: &str, result: DeploymentResult) -> PastDeployment {
        let local = id.ends_with("-local");
        PastDeployment {
            id: DeploymentId::new(id).unwrap(),
            group_id: Some(DeploymentGroupId::new(group).unwrap()),
            group_name: Some(format!("name of {group}")),
            application: None,
            revision: Some("/bundle".to_owned()),
            requester: if local {
                Requester::Local
            } else {
                Requester::Service
            },
            began: SystemTime::UNIX_EPOCH,
            ended: None,
            result,
            held: Some(Held {
                directory: format!("/root/{group}/{id}").into(),
                has_archive: true,
            }),
            is_most_recent: false,
            is_last_successful: false,
            events: Vec::new(),
        }
    }

    /// From the oldest to the newest.
    fn history(deployments: Vec<PastDeployment>) -> History {
        let mut history = History::default();
        for (number, mut past) in deployments.into_iter().enumerate() {
            past.began += Duration::from_secs(number as u64);
            history.deployments.insert(0, past);
        }
        history
    }

    fn chosen(history: &History, wanted: Wanted<'_>) -> Result<String, String> {
        choose(&root(), history, &wanted)
            .map(|target| target.past.id.to_string())
            .map_err(|error| error.to_string())
    }

    #[rstest]
    #[case::the_one_before(&[("d-1", SUCCEEDED), ("d-2", SUCCEEDED), ("d-3", SUCCEEDED)], "d-2")]
    #[case::over_failures(&[("d-1", SUCCEEDED), ("d-2", KILLED), ("d-3", SUCCEEDED)], "d-1")]
    #[case::of_a_failure(&[("d-1", SUCCEEDED), ("d-2", SUCCEEDED), ("d-3", KILLED)], "d-2")]
    #[case::of_a_cancelled(&[("d-1", SUCCEEDED), ("d-2", DeploymentResult::Cancelled)], "d-1")]
    #[case::of_the_unknown(&[("d-1", SUCCEEDED), ("d-2", DeploymentResult::Unknown)], "d-1")]
    fn without_a_wish(#[case] deployments: &[(&str, DeploymentResult)], #[case] expected: &str) {
        let made = deployments
            .iter()
            .map(|(id, result)| past(&format!("{id}-local"), "g", result.clone()));
        let history = history(made.collect());
        assert_eq!(
            chosen(&history, Wanted::default()),
            Ok(format!("{expected}-local"))
        );
    }

    #[rstest]
    #[case::killed(KILLED, "d-1-local")]
    #[case::succeeded(SUCCEEDED, "d-2-local")]
    fn a_rollback_that_did_not_succeed_is_gone_on_with(
        #[case] result: DeploymentResult,
        #[case] expected: &str,
    ) {
        let mut rollback = past("d-3-local", "g", result);
        rollback.revision = Some("/root/g/d-1-local/deployment-archive".to_owned());
        let history = history(vec![
            past("d-1-local", "g", SUCCEEDED),
            past("d-2-local", "g", SUCCEEDED),
            rollback,
        ]);
        assert_eq!(chosen(&history, Wanted::default()), Ok(expected.to_owned()));
    }

    #[test]
    fn what_cannot_be_gone_back_to_is_said_with_what_can() {
        let mut gone = past("d-2-local", "g", SUCCEEDED);
        gone.held = None;
        let all = history(vec![
            past("d-1-local", "g", SUCCEEDED),
            gone,
            past("d-3-local", "g", KILLED),
        ]);
        let says = |wanted: Wanted<'_>, what: &[&str]| {
            let error = chosen(&all, wanted).unwrap_err();
            for what in what {
                assert!(error.contains(what), "{error}");
            }
        };
        says(
            Wanted::default(),
            &["d-2-local", "no longer", "--to: d-1-local", "run-bundle"],
        );
        let to = |id| Wanted {
            to: Some(id),
            ..Wanted::default()
        };
        says(to("d-3"), &["\"killed\"", "--to: d-1-local", "--force"]);
        says(to("d-9"), &["no deployment", "d-1-local"]);
        says(to("d-"), &["3 deployments", "d-3-local, d-2-local"]);
        let forced = Wanted {
            force: true,
            ..to("d-3")
        };
        assert_eq!(chosen(&all, forced), Ok("d-3-local".to_owned()));
        let one = history(vec![past("d-1-local", "g", SUCCEEDED)]);
        let error = chosen(&one, Wanted::default()).unwrap_err();
        assert!(error.contains("nothing to go back to"), "{error}");
    }

    #[test]
    fn groups_of_the_service_want_force_and_several_want_a_name() {
        let all = history(vec![
            past("d-1-local", "one", SUCCEEDED),
            past("d-2-local", "one", SUCCEEDED),
            past("d-A", "service", SUCCEEDED),
            past("d-B", "service", SUCCEEDED),
        ]);
        assert_eq!(chosen(&all, Wanted::default()), Ok("d-1-local".to_owned()));
        let service = Wanted {
            group: Some("name of service"),
            ..Wanted::default()
        };
        let error = chosen(&all, service).unwrap_err();
        assert!(error.contains("manages the group service"), "{error}");
        let forced = Wanted {
            force: true,
            ..service
        };
        assert_eq!(chosen(&all, forced), Ok("d-A".to_owned()));
        let mut more = all.clone();
        more.deployments
            .insert(0, past("d-3-local", "two", SUCCEEDED));
        let error = chosen(&more, Wanted::default()).unwrap_err();
        assert!(error.contains("one, two"), "{error}");
        let other = Wanted {
            to: Some("d-3"),
            group: Some("one"),
            force: false,
        };
        let error = chosen(&more, other).unwrap_err();
        assert!(error.contains("belongs to the group two"), "{error}");
        // The beginning of ids of several groups, and of one in this.
        let in_two = Wanted {
            to: Some("d-"),
            group: Some("two"),
            force: false,
        };
        assert_eq!(chosen(&more, in_two), Ok("d-3-local".to_owned()));
        let none = history(vec![past("d-A", "service", SUCCEEDED)]);
        let error = chosen(&none, Wanted::default()).unwrap_err();
        assert!(error.contains("the service manages service"), "{error}");
    }

    #[test]
    fn of_many_ids_with_one_beginning_a_few_are_shown() {
        let many = (1..=8).map(|number| past(&format!("d-{number}-local"), "g", SUCCEEDED));
        let wanted = Wanted {
            to: Some("d-"),
            ..Wanted::default()
        };
        assert_eq!(
            chosen(&history(many.collect()), wanted).unwrap_err(),
            "8 deployments have an id that begins with \"d-\"; write more of it: d-8-local, \
             d-7-local, d-6-local, d-5-local, d-4-local, ..."
        );
    }

    #[test]
    fn a_deployment_at_work_is_waited_for() {
        let all = history(vec![
            past("d-1-local", "g", SUCCEEDED),
            past("d-2-local", "g", DeploymentResult::Running { event: None }),
        ]);
        let error = chosen(&all, Wanted::default()).unwrap_err();
        assert!(
            error.contains("d-2-local of the group g is at work"),
            "{error}"
        );
    }
}
