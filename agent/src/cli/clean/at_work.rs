//! What agents have at work, and what the journal knows of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use fs_err as fs;

use crate::deployment_root::DeploymentRoot;
use crate::journal::{JournalError, read_history};

/// It cannot be told what is at work.
#[derive(Debug, thiserror::Error)]
pub(super) enum AtWorkError {
    #[error("cannot tell what is at work, so nothing is removed")]
    Journal(#[source] JournalError),
    #[error("cannot tell what is at work, so nothing is removed")]
    Tracking(#[source] io::Error),
}

/// What this host's agents have written down, by deployment id.
#[derive(Debug, Default)]
pub(super) struct AtWork {
    /// Deployments that have a command at work, of this agent or of AWS's.
    pub(super) deployments: BTreeSet<String>,
    /// The names of deployments' groups.
    pub(super) group_names: BTreeMap<String, String>,
}

impl AtWork {
    /// Reads the journal and the tracking files.
    pub(super) fn read(root: &DeploymentRoot) -> Result<Self, AtWorkError> {
        let mut read = Self::default();
        for command in read_history(&root.commands_journal()).map_err(AtWorkError::Journal)? {
            let Some(deployment) = command.deployment_id else {
                // Nothing of it has been done on this host.
                continue;
            };
            if command.settlement.is_none() {
                read.deployments.insert(deployment.clone());
            }
            if let Some(name) = command.deployment_group_name {
                read.group_names.insert(deployment, name);
            }
        }
        match fs::read_dir(root.tracking_directory()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(AtWorkError::Tracking(error)),
            Ok(files) => {
                for file in files {
                    let name = file.map_err(AtWorkError::Tracking)?.file_name();
                    read.deployments.insert(name.to_string_lossy().into_owned());
                }
            }
        }
        Ok(read)
    }
}
