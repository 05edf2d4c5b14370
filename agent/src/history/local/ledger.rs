//! What the records come to.

use super::record::{LocalEnding, Record};
use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::deployment_root::DeploymentRoot;
use crate::files::Lock;
use crate::history::deployment::{DeploymentResult, PastDeployment, PastEvent, Requester};
use crate::journal::milliseconds::time;

/// Local deployments, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    deployments: Vec<Local>,
}

/// A deployment as far as its intact records tell.
#[derive(Debug)]
struct Local {
    id: DeploymentId,
    group: Option<DeploymentGroupId>,
    group_name: Option<String>,
    application: Option<String>,
    revision: Option<String>,
    began: u64,
    events: Vec<PastEvent>,
    ended: Option<(u64, LocalEnding)>,
}

impl Ledger {
    pub(super) fn apply(&mut self, record: Record) {
        let at = match &record {
            Record::Began { at, .. } | Record::EventBegan { at, .. } | Record::Ended { at, .. } => {
                *at
            }
            Record::EventEnded { began, .. } => *began,
        };
        let local = self.of(record.deployment(), at);
        match record {
            Record::Began {
                group,
                group_name,
                application,
                revision,
                ..
            } => {
                local.group = Some(group);
                local.group_name = Some(group_name);
                local.application = Some(application);
                local.revision = Some(revision);
            }
            Record::EventBegan { at, event, .. } => local.events.push(PastEvent {
                name: event,
                began: time(at),
                ended: None,
                code: None,
                message: String::new(),
                settlement: None,
            }),
            Record::EventEnded {
                began,
                at,
                event,
                code,
                message,
                ..
            } => {
                // The record of its beginning may be damaged, or left out by a compaction.
                local
                    .events
                    .pop_if(|last| last.name == event && last.ended.is_none());
                local.events.push(PastEvent {
                    name: event,
                    began: time(began),
                    ended: Some(time(at)),
                    code: Some(code),
                    message,
                    settlement: None,
                });
            }
            Record::Ended { at, ending, .. } => local.ended = Some((at, ending)),
        }
    }

    /// The deployment with this id; begun at `at`, if this is its first record.
    fn of(&mut self, id: &DeploymentId, at: u64) -> &mut Local {
        // The newest have the most records to come.
        let index = self.deployments.iter().rposition(|local| local.id == *id);
        let index = index.unwrap_or_else(|| {
            self.deployments.push(Local {
                id: id.clone(),
                group: None,
                group_name: None,
                application: None,
                revision: None,
                began: at,
                events: Vec::new(),
                ended: None,
            });
            self.deployments.len() - 1
        });
        &mut self.deployments[index]
    }

    pub(super) fn deployments(self, root: &DeploymentRoot) -> Vec<PastDeployment> {
        self.deployments
            .into_iter()
            .map(|local| local.past(root))
            .collect()
    }
}

impl Local {
    fn past(self, root: &DeploymentRoot) -> PastDeployment {
        PastDeployment {
            result: self.result(root),
            id: self.id,
            group_id: self.group,
            group_name: self.group_name,
            application: self.application,
            revision: self.revision,
            requester: Requester::Local,
            began: time(self.began),
            ended: self.ended.map(|(at, _)| time(at)),
            held: None,
            is_most_recent: false,
            is_last_successful: false,
            events: self.events,
        }
    }

    fn result(&self, root: &DeploymentRoot) -> DeploymentResult {
        let Some((_, ending)) = self.ended else {
            let at_work = self.events.last().filter(|last| last.ended.is_none());
            let event = at_work.map(|event| event.name.clone());
            return if self.is_held(root) {
                DeploymentResult::Running { event }
            } else {
                DeploymentResult::Killed { event }
            };
        };
        match ending {
            LocalEnding::Succeeded => DeploymentResult::Succeeded,
            LocalEnding::Cancelled => DeploymentResult::Cancelled,
            LocalEnding::Failed => {
                let failed = self.events.iter().rfind(|event| event.is_failure());
                DeploymentResult::Failed {
                    event: failed.map(|event| event.name.clone()).unwrap_or_default(),
                    code: failed.and_then(|event| event.code),
                    message: failed
                        .map(|event| event.message.clone())
                        .unwrap_or_default(),
                }
            }
        }
    }

    /// Whether the deployment's process still has its lock, which it takes before its first record.
    fn is_held(&self, root: &DeploymentRoot) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| Lock::is_held(&root.deployment(group, &self.id).in_use()))
    }
}
