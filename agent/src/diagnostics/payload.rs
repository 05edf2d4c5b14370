//! Diagnostics and their JSON payload.

use serde::{Deserialize, Serialize};

use super::Code;

/// The most characters of a payload that the service takes.
const PAYLOAD_CHARACTERS: usize = 8192;

/// What a success says. The service reads some of these texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuccessMessage {
    /// The ordinary one.
    Plain,
    /// There was nothing to run.
    Noop,
    /// DownloadBundle of a RESTART deployment took the revision from the disk.
    ArchiveReused,
    /// DownloadBundle of a RESTART deployment had to download all the same.
    Downloaded,
}

impl SuccessMessage {
    fn text(self) -> &'static str {
        match self {
            Self::Plain => "Succeeded: ",
            Self::Noop => "Succeeded: CompletedNoopCommand",
            Self::ArchiveReused => "Succeeded: BundleSource=archive-reuse",
            Self::Downloaded => "Succeeded: BundleSource=downloaded",
        }
    }
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics {
    // The order of the members is part of the protocol.
    error_code: Code,
    script_name: String,
    message: String,
    log: String,
}

impl Diagnostics {
    /// A success.
    #[must_use]
    pub fn succeeded(message: SuccessMessage) -> Self {
        Self::new(Code::Succeeded, "", message.text(), "")
    }

    /// Code 5: a failure that is no script's.
    #[must_use]
    pub fn other(message: &str) -> Self {
        Self::new(Code::Other, "", message, "")
    }

    /// Code 5: a command that means nothing to this agent, and that the service wants run.
    #[must_use]
    pub fn unsupported_command(name: &str) -> Self {
        Self::other(&format!(
            "the command {name} is not supported by this agent; custom lifecycle events run in \
             local deployments only (agent run-bundle --events)"
        ))
    }

    /// Code 5: the service asks the agent to replace itself.
    #[must_use]
    pub fn update_refused() -> Self {
        Self::other(
            "this agent does not update itself; it is updated by the host's package manager \
             (apt or dnf), where its packages can be verified and pinned",
        )
    }

    /// Code 7: the end of the script that was running can never be known.
    #[must_use]
    pub fn agent_restarted() -> Self {
        let message = "the host or the agent went down while a script was running, and its result \
                       was lost with it; see the deployment's scripts.log and deploy again";
        Self::new(Code::AgentRestarted, "", message, "")
    }

    /// A script's failure; see [`super::from_outcome`].
    pub(super) fn new(code: Code, script_name: &str, message: &str, log: &str) -> Self {
        Self {
            error_code: code,
            script_name: script_name.to_owned(),
            message: message.to_owned(),
            log: log.to_owned(),
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.error_code
    }

    /// The failed script's location as the AppSpec has it, or empty.
    #[must_use]
    pub fn script_name(&self) -> &str {
        &self.script_name
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The tail of the event's script log; empty on success.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Whether the command succeeded, also by having nothing to do.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.error_code == Code::Succeeded
    }

    /// Whether the command succeeded because there was nothing to do.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.is_success() && self.message == SuccessMessage::Noop.text()
    }

    /// The JSON payload of a completion: never over 8192 characters, whatever the parts are.
    /// What is cut is the beginning of the log, then the end of the message.
    #[must_use]
    pub fn payload(&self) -> String {
        let mut shortened = self.clone();
        loop {
            let payload = shortened.json();
            let Some(excess) = payload.chars().count().checked_sub(PAYLOAD_CHARACTERS + 1) else {
                return payload;
            };
            // A character of text is at most six in JSON, so this never cuts too much.
            let cut = excess / 6 + 1;
            if !shortened.log.is_empty() {
                shortened.log = shortened.log.chars().skip(cut).collect();
            } else if !shortened.message.is_empty() {
                let keep = shortened.message.chars().count().saturating_sub(cut);
                shortened.message = shortened.message.chars().take(keep).collect();
            } else {
                let keep = shortened.script_name.chars().count().saturating_sub(cut);
                shortened.script_name = shortened.script_name.chars().take(keep).collect();
            }
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "a struct of a number and three strings has a JSON form"
    )]
    fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_payload_has_the_four_members_in_their_order() {
        let diagnostics = Diagnostics::new(Code::ScriptFailed, "s.sh", "m", "l\n");
        assert_eq!(
            diagnostics.payload(),
            r#"{"error_code":4,"script_name":"s.sh","message":"m","log":"l\n"}"#
        );
    }

    #[test]
    fn a_success_has_the_texts_that_the_service_knows() {
        let text = |message| Diagnostics::succeeded(message).message().to_owned();
        assert_eq!(text(SuccessMessage::Plain), "Succeeded: ");
        assert_eq!(
            text(SuccessMessage::Noop),
            "Succeeded: CompletedNoopCommand"
        );
        assert_eq!(
            text(SuccessMessage::ArchiveReused),
            "Succeeded: BundleSource=archive-reuse"
        );
        assert_eq!(
            text(SuccessMessage::Downloaded),
            "Succeeded: BundleSource=downloaded"
        );
    }

    proptest! {
        #[test]
        fn a_payload_is_valid_and_within_the_limit(
            name in any::<char>(), name_length in 0..3000_usize,
            message in "\\PC{0,20}", times in 0..500_usize,
            log in any::<char>(), log_length in 0..2048_usize,
        ) {
            let repeated = |c: char, times| c.to_string().repeat(times);
            let diagnostics = Diagnostics::new(
                Code::ScriptFailed,
                &repeated(name, name_length),
                &message.repeat(times),
                &repeated(log, log_length),
            );
            let payload = diagnostics.payload();
            prop_assert!(payload.chars().count() <= PAYLOAD_CHARACTERS);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok());
        }
    }
}
