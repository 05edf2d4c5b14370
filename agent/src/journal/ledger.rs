//! What the records of a journal come to: the commands at work, and those that are over.

use std::collections::{HashSet, VecDeque};

use super::entry::{Entry, Settlement, TakenCommand};
use super::milliseconds;
use super::record::{Closed, HEADER, Record};
use super::shortened::shortened;
use crate::deployment::DeploymentSpec;
use crate::files::checked_line as line;
use crate::lifecycle::{Resolution, State};

/// How many commands that are over are kept.
pub(super) const KEPT_CLOSED: usize = 512;

/// A command that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) taken: TakenCommand,
    /// When it was taken, and during which boot.
    taken_at: u64,
    taken_boot: String,
    pub(super) state: State,
    pub(super) since: u64,
    boot_id: String,
    uncertain_since: Option<u64>,
}

impl Live {
    fn entry(&self) -> Entry {
        Entry {
            taken: self.taken.clone(),
            state: self.state.clone(),
            boot_id: self.boot_id.clone(),
            since: milliseconds::time(self.since),
            may_have_been_accepted: self.uncertain_since.is_some(),
        }
    }

    /// What is kept of it when it ends like this.
    pub(super) fn closed(&self, ended: u64, settlement: Settlement) -> Closed {
        let (code, message) = match &self.state {
            State::Finished(verdict) => (Some(verdict.code()), verdict.message()),
            _ => (None, ""),
        };
        let of_spec = |part: fn(&DeploymentSpec) -> String| self.taken.spec.as_ref().map(part);
        Closed {
            command: self.taken.host_command_identifier.clone(),
            name: self.taken.command_name.clone(),
            deployment: of_spec(|spec| spec.deployment_id.to_string()),
            group_id: of_spec(|spec| spec.deployment_group_id.to_string()),
            deployment_type: self.taken.spec.as_ref().map(|spec| spec.deployment_type),
            group: of_spec(|spec| spec.deployment_group_name.clone()),
            application: of_spec(|spec| spec.application_name.clone()),
            revision: of_spec(|spec| spec.revision.to_string()),
            began: self.taken_at,
            ended,
            code,
            message: shortened(message),
            settlement,
            noop: self.state == State::AwaitingReply(Resolution::Noop),
        }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let command = &self.taken.host_command_identifier;
        let taken = Record::Taken {
            at: self.taken_at,
            boot_id: self.taken_boot.clone(),
            command: Box::new(self.taken.clone()),
        };
        let state = Record::State {
            at: self.since,
            command: command.clone(),
            boot_id: self.boot_id.clone(),
            state: self.state.clone(),
        };
        let uncertain = self.uncertain_since.map(|at| Record::Uncertain {
            at,
            command: command.clone(),
        });
        [taken, state].into_iter().chain(uncertain)
    }
}

/// A record about a command that no intact record has taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Orphan {
    pub(super) command: String,
}

/// The commands at work, in the order in which they were taken, and those that are over, oldest
/// first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    live: Vec<Live>,
    closed: VecDeque<Closed>,
}

impl Ledger {
    /// Takes a record in.
    ///
    /// # Errors
    /// When it is about a command that is not at work.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), Orphan> {
        match record {
            Record::Taken {
                at,
                boot_id,
                command,
            } => {
                let id = &command.host_command_identifier;
                self.live
                    .retain(|live| live.taken.host_command_identifier != *id);
                self.live.push(Live {
                    taken: *command,
                    taken_at: at,
                    taken_boot: boot_id.clone(),
                    state: State::Received,
                    since: at,
                    boot_id,
                    uncertain_since: None,
                });
            }
            Record::State {
                at,
                command,
                boot_id,
                state,
            } => {
                let live = self.find(&command)?;
                live.state = state;
                live.since = at;
                live.boot_id = boot_id;
            }
            Record::Uncertain { at, command } => {
                self.find(&command)?.uncertain_since = Some(at);
            }
            Record::Settled {
                at,
                command,
                settlement,
            } => {
                let closed = self.find(&command)?.closed(at, settlement);
                self.live
                    .retain(|live| live.taken.host_command_identifier != command);
                self.close(closed);
            }
            Record::Closed(closed) => self.close(closed),
        }
        Ok(())
    }

    /// Takes in a result whose command's other records are gone.
    pub(super) fn rescue(&mut self, at: u64, command: String, boot_id: String, state: State) {
        self.live.push(Live {
            taken: TakenCommand {
                host_command_identifier: command,
                host_identifier: None,
                deployment_execution_id: String::new(),
                command_name: String::new(),
                spec: None,
                run_key: String::new(),
            },
            taken_at: at,
            taken_boot: boot_id.clone(),
            state,
            since: at,
            boot_id,
            uncertain_since: None,
        });
    }

    fn close(&mut self, closed: Closed) {
        self.closed.retain(|other| other.command != closed.command);
        self.closed.push_back(closed);
        while self.closed.len() > KEPT_CLOSED {
            self.closed.pop_front();
        }
    }

    fn find(&mut self, command: &str) -> Result<&mut Live, Orphan> {
        self.live
            .iter_mut()
            .find(|live| live.taken.host_command_identifier == command)
            .ok_or_else(|| Orphan {
                command: command.to_owned(),
            })
    }

    pub(super) fn is_live(&self, command: &str) -> bool {
        self.live
            .iter()
            .any(|live| live.taken.host_command_identifier == command)
    }

    pub(super) fn is_closed(&self, command: &str) -> bool {
        self.closed.iter().any(|closed| closed.command == command)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.live.iter().map(Live::entry).collect()
    }

    pub(super) fn live(&self) -> &[Live] {
        &self.live
    }

    pub(super) fn closed(&self) -> &VecDeque<Closed> {
        &self.closed
    }

    /// The commands that are over and not at work again.
    pub(super) fn known(&self) -> HashSet<String> {
        self.closed
            .iter()
            .filter(|closed| !self.is_live(&closed.command))
            .map(|closed| closed.command.clone())
            .collect()
    }

    /// The shortest journal that comes to the same.
    ///
    /// # Errors
    /// When a record has no JSON form; none does that has been read or appended.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = line::encode(&HEADER)?;
        let closed = self.closed.iter().cloned().map(Record::Closed);
        for record in closed.chain(self.live.iter().flat_map(Live::records)) {
            bytes.extend(line::encode(&record)?);
        }
        Ok(bytes)
    }
}
