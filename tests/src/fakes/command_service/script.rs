//! What the service is told to do: commands, deployments, specifications.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::fakes::Signer;

/// A command as a poll hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    /// For whom it says it is.
    pub host_identifier: String,
    /// `HostCommandIdentifier`
    pub id: String,
    /// `DeploymentExecutionId`
    pub execution_id: String,
    /// `CommandName`
    pub name: String,
    /// `Nonce`
    pub nonce: i64,
}

impl HostCommand {
    /// The command `name` of a deployment's execution, with an id of its own: the agent remembers
    /// those of other executions, which may have come from a service that has forgotten them.
    #[must_use]
    pub fn new(host_identifier: &str, execution_id: &str, name: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            host_identifier: host_identifier.to_owned(),
            id: format!("hc-{number}-{}-{name}", execution_id.replace('/', ".")),
            execution_id: execution_id.to_owned(),
            name: name.to_owned(),
            nonce: i64::try_from(number).unwrap(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "HostIdentifier": self.host_identifier,
            "HostCommandIdentifier": self.id,
            "DeploymentExecutionId": self.execution_id,
            "CommandName": self.name,
            "Nonce": self.nonce,
        })
    }
}

/// What `GetDeploymentSpecification` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specification {
    /// `DeploymentSystem`
    pub system: String,
    /// `GenericEnvelope.Format`
    pub format: String,
    /// `GenericEnvelope.Payload`
    pub payload: String,
}

impl Specification {
    /// `content`, signed, as the service sends it.
    #[must_use]
    pub fn signed(signer: &Signer, content: &Value) -> Self {
        Self::of("PKCS7/JSON", &signer.sign(content.to_string().as_bytes()))
    }

    /// `content` without a signature, which nobody may accept from the network.
    #[must_use]
    pub fn unsigned(content: &Value) -> Self {
        Self::of("TEXT/JSON", &content.to_string())
    }

    /// Any envelope.
    #[must_use]
    pub fn of(format: &str, payload: &str) -> Self {
        Self {
            system: "CodeDeploy".to_owned(),
            format: format.to_owned(),
            payload: payload.to_owned(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "DeploymentSystem": self.system,
            "DeploymentSpecification": {
                "GenericEnvelope": {"Format": self.format, "Payload": self.payload},
            },
        })
    }
}

/// The content of a specification: an in-place deployment of `revision`, to be changed at will.
#[must_use]
pub fn specification(deployment: &str, group: &str, revision: &Value) -> Value {
    json!({
        "DeploymentId": format!("arn:aws:codedeploy:us-east-1:123456789012:deployment/{deployment}"),
        "DeploymentGroupId": group,
        "DeploymentGroupName": "Fleet",
        "ApplicationName": "Web",
        "DeploymentCreator": "user",
        "DeploymentType": "IN_PLACE",
        "AppSpecFilename": "appspec.yml",
        "AgentActionOverrides": {"AgentOverrides": {"FileExistsBehavior": "DISALLOW"}},
        "Revision": revision,
    })
}

/// A revision in S3.
#[must_use]
pub fn s3_revision(bucket: &str, key: &str, bundle_type: &str) -> Value {
    json!({
        "RevisionType": "S3",
        "S3Revision": {"Bucket": bucket, "Key": key, "BundleType": bundle_type},
    })
}

/// A deployment whose commands are handed out one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedDeployment {
    /// `DeploymentExecutionId`
    pub execution_id: String,
    /// Its specification.
    pub specification: Specification,
    /// The names of its commands, in order.
    pub commands: Vec<String>,
}

impl ScriptedDeployment {
    /// The deployment `id` with these commands.
    #[must_use]
    pub fn new(id: &str, specification: Specification, commands: &[&str]) -> Self {
        Self {
            execution_id: format!("us-east-1/123456789012/{id}/1"),
            specification,
            commands: commands.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// The commands of an in-place deployment without a load balancer.
    #[must_use]
    pub fn in_place(id: &str, specification: Specification) -> Self {
        const COMMANDS: [&str; 7] = [
            "ApplicationStop",
            "DownloadBundle",
            "BeforeInstall",
            "Install",
            "AfterInstall",
            "ApplicationStart",
            "ValidateService",
        ];
        Self::new(id, specification, &COMMANDS)
    }
}
