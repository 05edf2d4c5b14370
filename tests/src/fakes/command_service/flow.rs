//! The flow of commands: handed out, acknowledged, completed, followed by the next.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::Answer;
use super::script::{HostCommand, ScriptedDeployment, Specification};

/// How a scripted deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentEnd {
    /// Each command has succeeded.
    Succeeded,
    /// A command has failed; no other was handed out.
    Failed,
}

/// Whether a command that was handed out is handed out again: its answer may have been lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Again {
    /// Never.
    #[default]
    Never,
    /// Each time that it was not acknowledged for so long.
    UntilAcknowledged(Duration),
    /// Each time that it has not ended for so long.
    UntilEnded(Duration),
}

impl Again {
    /// After how long.
    pub(super) fn after(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::UntilAcknowledged(time) | Self::UntilEnded(time) => Some(time),
        }
    }
}

/// A command that was handed out.
#[derive(Debug)]
struct HandedOut {
    host: String,
    command: HostCommand,
    at: Instant,
    acknowledged: bool,
    /// Whether it has succeeded, once it has ended.
    ended: Option<bool>,
}

/// What the service knows of commands and deployments.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Ready to be handed out, by the host that polls.
    queues: HashMap<String, VecDeque<HostCommand>>,
    /// By `HostCommandIdentifier`.
    handed_out: HashMap<String, HandedOut>,
    pub(super) again: Again,
    specifications: HashMap<String, Specification>,
    /// What is left of a deployment, by its execution id.
    left: HashMap<String, VecDeque<HostCommand>>,
    ends: HashMap<String, DeploymentEnd>,
    /// What an acknowledgement is answered, by `HostCommandIdentifier`.
    acknowledgements: HashMap<String, Value>,
}

impl Flow {
    pub(super) fn queue(&mut self, host: &str, command: HostCommand) {
        self.queues
            .entry(host.to_owned())
            .or_default()
            .push_back(command);
    }

    pub(super) fn specify(&mut self, execution_id: &str, specification: Specification) {
        self.specifications
            .insert(execution_id.to_owned(), specification);
    }

    pub(super) fn answer_acknowledgement(&mut self, command: &str, body: Value) {
        self.acknowledgements.insert(command.to_owned(), body);
    }

    /// Begins a deployment; its commands, of which the first is ready.
    pub(super) fn deploy(
        &mut self,
        host: &str,
        deployment: &ScriptedDeployment,
    ) -> Vec<HostCommand> {
        let id = &deployment.execution_id;
        self.specify(id, deployment.specification.clone());
        let commands: Vec<HostCommand> = deployment
            .commands
            .iter()
            .map(|name| HostCommand::new(host, id, name))
            .collect();
        self.ends.remove(id);
        self.left
            .insert(id.clone(), commands.iter().cloned().collect());
        self.go_on(host, id);
        commands
    }

    pub(super) fn end(&self, execution_id: &str) -> Option<DeploymentEnd> {
        self.ends.get(execution_id).copied()
    }

    /// Hands out the next command for `host`.
    pub(super) fn take(&mut self, host: &str) -> Option<HostCommand> {
        let queued = self.queues.get_mut(host).and_then(VecDeque::pop_front);
        let Some(command) = queued else {
            return self.take_again(host);
        };
        self.handed_out
            .entry(command.id.clone())
            .and_modify(|handed_out| handed_out.at = Instant::now())
            .or_insert_with(|| HandedOut {
                host: host.to_owned(),
                command: command.clone(),
                at: Instant::now(),
                acknowledged: false,
                ended: None,
            });
        Some(command)
    }

    fn take_again(&mut self, host: &str) -> Option<HostCommand> {
        let after = self.again.after()?;
        let also_acknowledged = matches!(self.again, Again::UntilEnded(_));
        let due = self.handed_out.values_mut().find(|handed_out| {
            handed_out.host == host
                && handed_out.ended.is_none()
                && (also_acknowledged || !handed_out.acknowledged)
                && handed_out.at.elapsed() >= after
        })?;
        due.at = Instant::now();
        Some(due.command.clone())
    }

    pub(super) fn specification(&self, execution_id: &str) -> Answer {
        match self.specifications.get(execution_id) {
            Some(specification) => Answer::ok(specification.json()),
            None => Answer::client_exception("there is no such deployment execution"),
        }
    }

    /// A noop that is acknowledged is done, and a command that has ended stays as it is. What the
    /// service answers can be scripted.
    pub(super) fn acknowledge(&mut self, command: &str, noop: bool) -> Answer {
        let Some(handed_out) = self.handed_out.get_mut(command) else {
            return Answer::client_exception("there is no such command");
        };
        handed_out.acknowledged = true;
        let ended = handed_out.ended;
        if let Some(body) = self.acknowledgements.get(command) {
            return Answer::ok(body.clone());
        }
        if noop && ended.is_none() {
            self.finish(command, true);
        }
        let status = match ended.or(noop.then_some(true)) {
            Some(true) => "Succeeded",
            Some(false) => "Failed",
            None => "InProgress",
        };
        Answer::ok(json!({"CommandStatus": status}))
    }

    pub(super) fn complete(&mut self, command: &str, succeeded: bool) -> Answer {
        match self.handed_out.get(command) {
            None => Answer::client_exception("there is no such command"),
            Some(handed_out) if handed_out.ended.is_some() => {
                Answer::client_exception("the command has ended already")
            }
            Some(_) => {
                self.finish(command, succeeded);
                Answer::ok(json!({}))
            }
        }
    }

    fn finish(&mut self, command: &str, succeeded: bool) {
        let Some(handed_out) = self.handed_out.get_mut(command) else {
            return;
        };
        handed_out.ended = Some(succeeded);
        let (host, id) = (
            handed_out.host.clone(),
            handed_out.command.execution_id.clone(),
        );
        if !self.left.contains_key(&id) {
            return;
        }
        if succeeded {
            self.go_on(&host, &id);
        } else {
            self.left.remove(&id);
            self.ends.insert(id, DeploymentEnd::Failed);
        }
    }

    fn go_on(&mut self, host: &str, execution_id: &str) {
        let Some(left) = self.left.get_mut(execution_id) else {
            return;
        };
        if let Some(next) = left.pop_front() {
            self.queue(host, next);
        } else {
            self.left.remove(execution_id);
            self.ends
                .insert(execution_id.to_owned(), DeploymentEnd::Succeeded);
        }
    }
}
