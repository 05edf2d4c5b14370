//! The bodies that we receive: lenient about what the service adds, strict about size and form.
//!
//! The JSON library's own errors quote the value that surprised it, which may be a payload; so
//! only the place is kept of them.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::{CommandStatus, Envelope, Error, HostCommand, Operation, SpecificationReply};

/// The longest identifier or name that is taken, in bytes: far above anything that the service
/// sends, low enough to go back in a request and into a log line. Shapes are never judged.
const LONGEST_NAME: usize = 8192;

/// Absent, null and text; null is as good as absent.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

impl Text {
    fn name(self, operation: Operation, member: &'static str) -> Result<String, Error> {
        Ok(self.optional_name(operation, member)?.unwrap_or_default())
    }

    fn optional_name(
        self,
        operation: Operation,
        member: &'static str,
    ) -> Result<Option<String>, Error> {
        match self.0 {
            Some(text) if text.len() > LONGEST_NAME => Err(Error::NameTooLong {
                operation,
                member,
                limit: LONGEST_NAME,
            }),
            text => Ok(text),
        }
    }
}

/// Empty is as good as `{}`: some of the answers have no members.
fn parse<T: DeserializeOwned>(operation: Operation, body: &[u8]) -> Result<T, Error> {
    let body = match body.trim_ascii() {
        [] => b"{}",
        body => body,
    };
    let malformed = |error: serde_json::Error| Error::Malformed {
        operation,
        is_json: error.is_data(),
        line: error.line(),
        column: error.column(),
    };
    if !body.starts_with(b"{") {
        // The library takes a list for a struct, by position.
        serde_json::from_slice::<IgnoredAny>(body).map_err(malformed)?;
        return Err(Error::Malformed {
            operation,
            is_json: true,
            line: 1,
            column: 1,
        });
    }
    serde_json::from_slice(body).map_err(malformed)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PollAnswer {
    host_command: Option<HostCommandBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostCommandBody {
    #[serde(default)]
    host_identifier: Text,
    #[serde(default)]
    host_command_identifier: Text,
    #[serde(default)]
    deployment_execution_id: Text,
    #[serde(default)]
    command_name: Text,
    nonce: Option<serde_json::Number>,
}

pub(super) fn host_command(body: &[u8]) -> Result<Option<HostCommand>, Error> {
    let operation = Operation::PollHostCommand;
    let Some(command) = parse::<PollAnswer>(operation, body)?.host_command else {
        return Ok(None);
    };
    let name = |text: Text, member| text.name(operation, member);
    Ok(Some(HostCommand {
        host_identifier: name(command.host_identifier, "HostIdentifier")?,
        host_command_identifier: name(command.host_command_identifier, "HostCommandIdentifier")?,
        deployment_execution_id: name(command.deployment_execution_id, "DeploymentExecutionId")?,
        command_name: name(command.command_name, "CommandName")?,
        nonce: command.nonce.and_then(|nonce| nonce.as_i64()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SpecificationAnswer {
    #[serde(default)]
    deployment_system: Text,
    deployment_specification: Option<SpecificationBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SpecificationBody {
    generic_envelope: Option<EnvelopeBody>,
    #[serde(default)]
    variant_id: Text,
    variant_envelope: Option<EnvelopeBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnvelopeBody {
    #[serde(default)]
    format: Text,
    #[serde(default)]
    payload: Text,
}

pub(super) fn specification(body: &[u8]) -> Result<SpecificationReply, Error> {
    let operation = Operation::GetDeploymentSpecification;
    let answer: SpecificationAnswer = parse(operation, body)?;
    let (generic_envelope, variant_id, variant_envelope) = match answer.deployment_specification {
        Some(body) => (
            body.generic_envelope,
            body.variant_id,
            body.variant_envelope,
        ),
        None => (None, Text::default(), None),
    };
    let envelope = |envelope: Option<EnvelopeBody>, member| {
        let envelope = envelope.map(|envelope| {
            Ok(Envelope {
                format: envelope.format.name(operation, member)?,
                // Bounded by the body's own limit.
                payload: envelope.payload.0.unwrap_or_default(),
            })
        });
        envelope.transpose()
    };
    Ok(SpecificationReply {
        deployment_system: answer
            .deployment_system
            .name(operation, "DeploymentSystem")?,
        generic_envelope: envelope(generic_envelope, "GenericEnvelope.Format")?,
        variant_id: variant_id.optional_name(operation, "VariantId")?,
        variant_envelope: envelope(variant_envelope, "VariantEnvelope.Format")?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusAnswer {
    #[serde(default)]
    command_status: Text,
}

pub(super) fn command_status(
    operation: Operation,
    body: &[u8],
) -> Result<Option<CommandStatus>, Error> {
    let answer: StatusAnswer = parse(operation, body)?;
    let word = answer
        .command_status
        .optional_name(operation, "CommandStatus")?;
    Ok(word.map(CommandStatus::from_word))
}

/// Checks that the answer to a completion is an answer: a JSON object, or nothing.
pub(super) fn nothing(operation: Operation, body: &[u8]) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    parse::<Nothing>(operation, body).map(|_| ())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::absent("{}")]
    #[case::null(r#"{"HostCommand":null}"#)]
    #[case::empty_body("")]
    #[case::unknown_members(r#"{"New":{"a":[1]}}"#)]
    fn no_command_is_ready(#[case] body: &str) {
        assert_eq!(host_command(body.as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_command_is_taken_as_it_is() {
        let body = r#"{"HostCommand":{"HostIdentifier":"arn:h","HostCommandIdentifier":"../x y",
            "DeploymentExecutionId":"no shape","CommandName":"","Nonce":42,"New":1}}"#;
        let expected = HostCommand {
            host_identifier: "arn:h".to_owned(),
            host_command_identifier: "../x y".to_owned(),
            deployment_execution_id: "no shape".to_owned(),
            command_name: String::new(),
            nonce: Some(42),
        };
        assert_eq!(host_command(body.as_bytes()).unwrap(), Some(expected));
    }

    #[test]
    fn absent_members_are_empty() {
        let body = br#"{"HostCommand":{"CommandName":null,"Nonce":1e300}}"#;
        let command = host_command(body).unwrap().unwrap();
        assert_eq!((command.command_name.as_str(), command.nonce), ("", None));
        assert_eq!(command.host_identifier, "");
    }

    #[test]
    fn names_have_a_size_limit() {
        let body = |length| {
            format!(
                r#"{{"HostCommand":{{"CommandName":"{}"}}}}"#,
                "a".repeat(length)
            )
        };
        assert!(host_command(body(8192).as_bytes()).is_ok());
        let error = host_command(body(8193).as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer to PollHostCommand was refused: CommandName has more than 8192 bytes"
        );
    }

    #[test]
    fn a_specification_with_everything() {
        let body = br#"{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{
            "GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"secret"},"VariantId":"v",
            "VariantEnvelope":{"Format":"f","Payload":null}}}"#;
        let reply = specification(body).unwrap();
        assert_eq!(reply.deployment_system, "CodeDeploy");
        assert_eq!(reply.generic_envelope.as_ref().unwrap().payload, "secret");
        assert_eq!(reply.variant_id.as_deref(), Some("v"));
        assert_eq!(reply.variant_envelope.as_ref().unwrap().payload, "");
        assert!(!format!("{reply:?}").contains("secret"));
        let empty = specification(b"{}").unwrap();
        assert_eq!(
            (empty.deployment_system.as_str(), empty.generic_envelope),
            ("", None)
        );
    }

    #[rstest]
    #[case(r#"{"CommandStatus":"Pending"}"#, Some(CommandStatus::Pending))]
    #[case(r#"{"CommandStatus":"InProgress"}"#, Some(CommandStatus::InProgress))]
    #[case(r#"{"CommandStatus":"Succeeded"}"#, Some(CommandStatus::Succeeded))]
    #[case(r#"{"CommandStatus":"Failed"}"#, Some(CommandStatus::Failed))]
    #[case(r#"{"CommandStatus":"Odd"}"#, Some(CommandStatus::Other("Odd".to_owned())))]
    #[case("{}", None)]
    #[case("", None)]
    fn statuses(#[case] body: &str, #[case] expected: Option<CommandStatus>) {
        let operation = Operation::PutHostCommandAcknowledgement;
        assert_eq!(
            command_status(operation, body.as_bytes()).unwrap(),
            expected
        );
    }

    #[rstest]
    #[case::not_json("<html>hush", "is not JSON (line 1, column 1)")]
    #[case::truncated(r#"{"DeploymentSystem":"hush"#, "is not JSON (line 1, column 25)")]
    #[case::other_type(
        r#"{"DeploymentSpecification":"hush"}"#,
        "is JSON of another form (line 1, column 33)"
    )]
    #[case::list("[1]", "is JSON of another form (line 1, column 1)")]
    fn garbage_is_an_error_that_quotes_nothing(#[case] body: &str, #[case] expected: &str) {
        let error = specification(body.as_bytes()).unwrap_err();
        let shown = format!("{error:?} {}", crate::error::chain(&error));
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn only_an_object_or_nothing_answers_a_completion() {
        let nothing = |body: &[u8]| nothing(Operation::PutHostCommandComplete, body).is_ok();
        assert!(nothing(b"") && nothing(b" {} ") && nothing(br#"{"New":1}"#));
        assert!(
            !nothing(b"ok")
                && !nothing(b"\"ok\"")
                && !nothing(b"null")
                && !nothing(b"[]")
                && !nothing(b"{")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (host_command(&body), specification(&body));
        }
    }
}
