//! The bodies that we send, and the service's limits on them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{CompletionStatus, Envelope, Error, Operation};

/// Contract: protocol, limits on what we send. In characters.
const PAYLOAD_CHARACTERS: usize = 8192;
const FORMAT_CHARACTERS: usize = 64;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Poll<'a> {
    host_identifier: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Specification<'a> {
    deployment_execution_id: &'a str,
    host_identifier: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Acknowledgement<'a> {
    host_command_identifier: &'a str,
    diagnostics: EnvelopeBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Complete<'a> {
    host_command_identifier: &'a str,
    command_status: &'static str,
    diagnostics: EnvelopeBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Update<'a> {
    host_command_identifier: &'a str,
    /// Seconds since 1970, as AWS JSON has times.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_completion_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<EnvelopeBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnvelopeBody<'a> {
    format: &'a str,
    payload: &'a str,
}

/// A body and the operation that it is for.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn poll(host_identifier: &str) -> Self {
        Self::new(Operation::PollHostCommand, &Poll { host_identifier })
    }

    pub(super) fn specification(deployment_execution_id: &str, host_identifier: &str) -> Self {
        let body = Specification {
            deployment_execution_id,
            host_identifier,
        };
        Self::new(Operation::GetDeploymentSpecification, &body)
    }

    pub(super) fn acknowledgement(host_command_identifier: &str, is_command_noop: bool) -> Self {
        let payload = format!("{{\"IsCommandNoop\":{is_command_noop}}}");
        let body = Acknowledgement {
            host_command_identifier,
            diagnostics: EnvelopeBody {
                format: "JSON",
                payload: &payload,
            },
        };
        Self::new(Operation::PutHostCommandAcknowledgement, &body)
    }

    pub(super) fn complete(
        host_command_identifier: &str,
        status: CompletionStatus,
        diagnostics: &Envelope,
    ) -> Result<Self, Error> {
        let operation = Operation::PutHostCommandComplete;
        let body = Complete {
            host_command_identifier,
            command_status: status.word(),
            diagnostics: envelope(operation, diagnostics)?,
        };
        Ok(Self::new(operation, &body))
    }

    pub(super) fn update(
        host_command_identifier: &str,
        estimated_completion_time: Option<SystemTime>,
        diagnostics: Option<&Envelope>,
    ) -> Result<Self, Error> {
        let operation = Operation::PostHostCommandUpdate;
        let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        let body = Update {
            host_command_identifier,
            estimated_completion_time: estimated_completion_time
                .and_then(since_1970)
                .map(|time| time.as_secs()),
            diagnostics: diagnostics.map(|d| envelope(operation, d)).transpose()?,
        };
        Ok(Self::new(operation, &body))
    }

    #[expect(
        clippy::expect_used,
        reason = "invariant: structs of strings and numbers have a JSON form"
    )]
    fn new(operation: Operation, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("plain data");
        Self { operation, body }
    }
}

fn envelope(operation: Operation, envelope: &Envelope) -> Result<EnvelopeBody<'_>, Error> {
    let too_long = |member, limit| Error::Limit {
        operation,
        member,
        limit,
    };
    let format = envelope.format.chars().count();
    if format == 0 || format > FORMAT_CHARACTERS {
        return Err(too_long("Diagnostics.Format", FORMAT_CHARACTERS));
    }
    if envelope.payload.chars().count() > PAYLOAD_CHARACTERS {
        return Err(too_long("Diagnostics.Payload", PAYLOAD_CHARACTERS));
    }
    Ok(EnvelopeBody {
        format: &envelope.format,
        payload: &envelope.payload,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(request: &Request) -> &str {
        std::str::from_utf8(&request.body).unwrap()
    }

    #[test]
    fn bodies_are_as_the_protocol_has_them() {
        assert_eq!(
            text(&Request::poll("arn:h")),
            r#"{"HostIdentifier":"arn:h"}"#
        );
        assert_eq!(
            text(&Request::specification("a/b/c/d", "arn:h")),
            r#"{"DeploymentExecutionId":"a/b/c/d","HostIdentifier":"arn:h"}"#
        );
        assert_eq!(
            text(&Request::acknowledgement("c", true)),
            r#"{"HostCommandIdentifier":"c","Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":true}"}}"#
        );
        let diagnostics = Envelope::json("{}".to_owned());
        let complete = Request::complete("c", CompletionStatus::Failed, &diagnostics).unwrap();
        assert_eq!(
            text(&complete),
            r#"{"HostCommandIdentifier":"c","CommandStatus":"Failed","Diagnostics":{"Format":"JSON","Payload":"{}"}}"#
        );
        assert_eq!(
            text(&Request::update("c", None, None).unwrap()),
            r#"{"HostCommandIdentifier":"c"}"#
        );
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(
            text(&Request::update("c", Some(time), Some(&diagnostics)).unwrap()),
            r#"{"HostCommandIdentifier":"c","EstimatedCompletionTime":1700000000,"Diagnostics":{"Format":"JSON","Payload":"{}"}}"#
        );
    }

    #[test]
    fn envelopes_over_the_limits_are_not_sent() {
        let complete = |envelope: &Envelope| {
            Request::complete("c", CompletionStatus::Succeeded, envelope).map(|_| ())
        };
        // Characters, not bytes.
        assert!(complete(&Envelope::json("é".repeat(8192))).is_ok());
        let error = complete(&Envelope::json("x".repeat(8193))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PutHostCommandComplete was not sent: Diagnostics.Payload must have at most 8192 characters"
        );
        for format in [String::new(), "f".repeat(65)] {
            let payload = String::new();
            assert!(complete(&Envelope { format, payload }).is_err());
        }
    }
}
