//! The flow of commands: handed out, acknowledged, completed, followed by the next.

use std::collections::{HashMap, HashSet, VecDeque};

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

/// What the service knows of commands and deployments.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Ready to be handed out, by the host that polls.
    queues: HashMap<String, VecDeque<HostCommand>>,
    /// By `HostCommandIdentifier`, with the host that got it.
    handed_out: HashMap<String, (String, HostCommand)>,
    ended: HashSet<String>,
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
        let command = self.queues.get_mut(host)?.pop_front()?;
        self.handed_out
            .insert(command.id.clone(), (host.to_owned(), command.clone()));
        Some(command)
    }

    pub(super) fn specification(&self, execution_id: &str) -> Answer {
        match self.specifications.get(execution_id) {
            Some(specification) => Answer::ok(specification.json()),
            None => Answer::client_exception("there is no such deployment execution"),
        }
    }

    /// A noop that is acknowledged is done. What the service answers can be scripted.
    pub(super) fn acknowledge(&mut self, command: &str, noop: bool) -> Answer {
        if !self.handed_out.contains_key(command) {
            return Answer::client_exception("there is no such command");
        }
        if let Some(body) = self.acknowledgements.get(command) {
            return Answer::ok(body.clone());
        }
        if noop {
            self.finish(command, true);
            return Answer::ok(json!({"CommandStatus": "Succeeded"}));
        }
        Answer::ok(json!({"CommandStatus": "InProgress"}))
    }

    pub(super) fn complete(&mut self, command: &str, succeeded: bool) -> Answer {
        if !self.handed_out.contains_key(command) {
            return Answer::client_exception("there is no such command");
        }
        if self.ended.contains(command) {
            return Answer::client_exception("the command has ended already");
        }
        self.finish(command, succeeded);
        Answer::ok(json!({}))
    }

    fn finish(&mut self, command: &str, succeeded: bool) {
        if !self.ended.insert(command.to_owned()) {
            return;
        }
        let Some((host, command)) = self.handed_out.get(command).cloned() else {
            return;
        };
        if !self.left.contains_key(&command.execution_id) {
            return;
        }
        if succeeded {
            self.go_on(&host, &command.execution_id);
        } else {
            self.left.remove(&command.execution_id);
            self.ends
                .insert(command.execution_id, DeploymentEnd::Failed);
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
