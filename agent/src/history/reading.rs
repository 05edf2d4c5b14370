//! All sources read and merged.

use std::time::SystemTime;

use super::deployment::{DeploymentResult, Held, PastDeployment, Requester};
use super::directories::{self, Found};
use super::error::HistoryError;
use super::{local, service};
use crate::deployment_root::DeploymentRoot;
use crate::error::chain;
use crate::journal::{JournalError, PastCommand, read_history};

/// What a host has deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The deployments, newest first: by when they began, and by their ids among those that began
    /// at once.
    pub deployments: Vec<PastDeployment>,
    /// The service's commands of which no deployment is known, because their specification could
    /// not be had; oldest first.
    pub unassigned: Vec<PastCommand>,
    /// What could not be used of what is there, a sentence each.
    pub complaints: Vec<String>,
}

impl History {
    /// What has been deployed below `root`: nothing, when it is not there.
    ///
    /// # Errors
    /// When this user may not look, or a directory cannot be read.
    pub fn read(root: &DeploymentRoot) -> Result<Self, HistoryError> {
        Self::read_at(root, SystemTime::now())
    }

    pub(super) fn read_at(root: &DeploymentRoot, now: SystemTime) -> Result<Self, HistoryError> {
        // The directories last: what begins meanwhile has its directory before its record.
        let local = local::read(root)?;
        let mut complaints = local.complaints;
        let commands = match read_history(&root.commands_journal()) {
            Ok(commands) => commands,
            Err(JournalError::Denied { path }) => return Err(HistoryError::Denied { path }),
            Err(error) => {
                complaints.push(chain(&error));
                Vec::new()
            }
        };
        let (mut deployments, unassigned) = service::deployments(commands, now);
        deployments.extend(local.deployments);
        let mut directories = directories::scan(root)?;
        for found in directories.deployments {
            attach(&mut deployments, found);
        }
        let known = deployments.iter().filter_map(|past| past.group_id.clone());
        directories.groups.extend(known);
        for group in directories.groups {
            let pointers = directories::pointers(root, &group, &mut complaints);
            for past in &mut deployments {
                if past.group_id.as_ref() == Some(&group) {
                    past.is_most_recent = pointers.most_recent.as_ref() == Some(&past.id);
                    past.is_last_successful = pointers.last_successful.as_ref() == Some(&past.id);
                }
            }
        }
        let mut history = Self {
            deployments,
            unassigned,
            complaints,
        };
        history.sort();
        Ok(history)
    }

    /// This history and that of another root directory.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.deployments.extend(other.deployments);
        self.unassigned.extend(other.unassigned);
        self.complaints.extend(other.complaints);
        self.sort();
        self
    }

    fn sort(&mut self) {
        self.deployments
            .sort_by(|one, other| (other.began, &other.id).cmp(&(one.began, &one.id)));
        self.unassigned.sort_by_key(|command| command.began);
    }
}

/// Adds what is known from a directory to the deployment that it is, or as a deployment.
fn attach(deployments: &mut Vec<PastDeployment>, found: Found) {
    let held = Some(Held {
        directory: found.path,
        has_archive: found.has_archive,
    });
    let is_it = |past: &&mut PastDeployment| {
        past.id == found.id
            && past
                .group_id
                .as_ref()
                .is_none_or(|group| *group == found.group)
    };
    match deployments.iter_mut().find(is_it) {
        Some(past) => {
            past.group_id = Some(found.group);
            past.held = held;
        }
        None => deployments.push(PastDeployment {
            requester: Requester::of_id(&found.id),
            id: found.id,
            group_id: Some(found.group),
            group_name: None,
            application: None,
            revision: None,
            began: found.changed,
            ended: None,
            result: DeploymentResult::Unknown,
            held,
            is_most_recent: false,
            is_last_successful: false,
            events: Vec::new(),
        }),
    }
}
