//! What deployment groups are called in listings: so that no two are called the same.

use std::collections::{BTreeMap, BTreeSet};

use super::terminal::one_line;
use crate::deployment::DeploymentGroupId;
use crate::history::{History, PastDeployment, Requester};

/// The names that are of one group only.
///
/// A local deployment says its group's name for scripts only, most often `LocalFleet`: its group is
/// the one with the id.
#[derive(Debug)]
pub(super) struct GroupLabels<'h>(BTreeMap<&'h DeploymentGroupId, &'h str>);

impl<'h> GroupLabels<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        let mut names = BTreeMap::new();
        // Newest first, as the history has them: a group may have been given another name.
        for past in &history.deployments {
            if past.requester == Requester::Service
                && let (Some(id), Some(name)) = (&past.group_id, name(past))
            {
                names.entry(id).or_insert(name);
            }
        }
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names.values() {
            *groups.entry(name).or_default() += 1;
        }
        let deployments = history.deployments.iter();
        let ids: BTreeSet<&str> = deployments
            .filter_map(|past| past.group_id.as_ref())
            .map(DeploymentGroupId::as_str)
            .collect();
        names.retain(|id, name| {
            let is_of_another = *name != id.as_str() && ids.contains(name);
            groups.get(name) == Some(&1) && !is_of_another
        });
        Self(names)
    }

    /// The group of a deployment of that history.
    pub(super) fn label(&self, past: &PastDeployment) -> String {
        let label = match &past.group_id {
            Some(id) => self.0.get(id).copied().unwrap_or(id.as_str()),
            None => name(past).unwrap_or("-"),
        };
        one_line(label)
    }
}

fn name(past: &PastDeployment) -> Option<&str> {
    past.group_name.as_deref().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::deployment::DeploymentId;
    use crate::history::DeploymentResult;

    fn past(requester: Requester, group: Option<&str>, name: &str) -> PastDeployment {
        PastDeployment {
            id: DeploymentId::new("d-1").unwrap(),
            group_id: group.map(|id| DeploymentGroupId::new(id).unwrap()),
            group_name: (!name.is_empty()).then(|| name.to_owned()),
            application: None,
            revision: None,
            requester,
            began: SystemTime::UNIX_EPOCH,
            ended: None,
            result: DeploymentResult::Succeeded,
            held: None,
            is_most_recent: false,
            is_last_successful: false,
            events: Vec::new(),
        }
    }

    #[test]
    fn no_two_groups_are_called_the_same() {
        use Requester::{Local, Service};
        let cases = [
            (past(Service, Some("id-1"), "New\u{1b}name"), "New name"),
            (past(Service, Some("id-1"), "Web"), "New name"),
            // Of two applications.
            (past(Service, Some("id-2"), "Fleet"), "id-2"),
            (past(Service, Some("id-3"), "Fleet"), "id-3"),
            (past(Local, Some("a"), "LocalFleet"), "a"),
            (past(Local, Some("b"), "LocalFleet"), "b"),
            // By hand in a group of the service.
            (past(Local, Some("id-1"), "LocalFleet"), "New name"),
            // The name is the id of another one.
            (past(Service, Some("id-4"), "b"), "id-4"),
            (past(Service, Some("same"), "same"), "same"),
            (past(Service, Some("id-5"), ""), "id-5"),
            (past(Service, None, "Lost"), "Lost"),
            (past(Service, None, ""), "-"),
        ];
        let (deployments, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        let history = History {
            deployments,
            ..History::default()
        };
        let labels = GroupLabels::of(&history);
        let found: Vec<_> = history
            .deployments
            .iter()
            .map(|past| labels.label(past))
            .collect();
        assert_eq!(found, expected);
    }
}
