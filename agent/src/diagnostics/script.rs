//! From a script's outcome to diagnostics: the one place where outcomes become codes.

use hooks_runner::{Holder, Outcome, ScriptResult, Stream};

use super::{Code, Diagnostics};

/// What the end of the script at `location` (as the AppSpec has it), run as `runas`, means for its
/// event. `log` is asked for only when it failed.
///
/// # Errors
/// The diagnostics of the failure, when it failed.
pub fn from_outcome(
    location: &str,
    runas: Option<&str>,
    outcome: &Outcome,
    log: impl FnOnce() -> String,
) -> Result<(), Diagnostics> {
    let (code, what) = match &outcome.result {
        ScriptResult::Succeeded => return Ok(()),
        ScriptResult::Missing => (
            Code::ScriptMissing,
            "does not exist in the revision; check the location in the AppSpec, also upper and \
             lower case"
                .to_owned(),
        ),
        ScriptResult::NotExecutable { reason } => (
            Code::ScriptNotExecutable,
            format!("cannot be made executable: {reason}"),
        ),
        ScriptResult::CouldNotStart { reason } => (
            Code::ScriptFailed,
            format!("could not be started: {reason}"),
        ),
        ScriptResult::Failed { exit_code } => (
            Code::ScriptFailed,
            format!("failed with exit code {exit_code}"),
        ),
        ScriptResult::Killed { signal } => (Code::ScriptFailed, format!("was killed by {signal}")),
        ScriptResult::TimedOut { seconds } => (
            Code::ScriptTimedOut,
            format!(
                "timed out after {seconds} seconds and was ended with all that it had started; \
                 raise its timeout in the AppSpec if it needs longer"
            ),
        ),
        ScriptResult::OutputLeftOpen {
            seconds,
            streams,
            holders,
            all_visible,
        } => (
            Code::OutputLeftOpen,
            left_open(*seconds, streams, holders, *all_visible),
        ),
        ScriptResult::HostShutdown => (
            Code::AgentRestarted,
            "was stopped because the host went down".to_owned(),
        ),
        ScriptResult::Cancelled => (
            Code::ScriptFailed,
            "was ended by the operator, with everything that it had started".to_owned(),
        ),
        ScriptResult::RunnerFailed { message } => {
            (Code::Other, format!("could not be run: {message}"))
        }
    };
    let user = runas
        .map(|user| format!(" (as {user})"))
        .unwrap_or_default();
    let name = if code.names_its_script() {
        location
    } else {
        ""
    };
    Err(Diagnostics::new(
        code,
        name,
        &format!("{location}{user} {what}"),
        &log(),
    ))
}

fn left_open(seconds: u64, streams: &[Stream], holders: &[Holder], all_visible: bool) -> String {
    let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
    let who: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let who = match (who.as_slice(), all_visible) {
        ([], true) => "a process that is gone by now".to_owned(),
        ([], false) => "a process that is gone by now or could not be looked at".to_owned(),
        (who, true) => who.join(", "),
        (who, false) => format!(
            "{} (and perhaps others: not every process could be looked at)",
            who.join(", ")
        ),
    };
    format!(
        "ended well, but its output ({}) was still held open after {seconds} seconds by {who}; redirect the \
         output of what it starts in the background (command >/dev/null 2>&1 &), or set \
         outputs_left_open to release in the configuration",
        streams.join(" and "),
    )
}

#[cfg(test)]
mod tests {
    use hooks_runner::Signal;
    use rstest::rstest;

    use super::*;

    fn diagnose(result: ScriptResult) -> Result<(), Diagnostics> {
        let outcome = Outcome {
            result,
            duration_ms: 1,
            tail: vec![],
            warnings: vec![],
        };
        from_outcome("scripts/s.sh", Some("ubuntu"), &outcome, || {
            "the log\n".to_owned()
        })
    }

    #[test]
    fn code_0_has_no_diagnostics() {
        assert_eq!(diagnose(ScriptResult::Succeeded), Ok(()));
    }

    #[rstest]
    #[case::code_1(ScriptResult::Missing, 1, &["does not exist"])]
    #[case::code_2(ScriptResult::NotExecutable { reason: "read-only".into() }, 2, &["read-only"])]
    #[case::code_3(ScriptResult::TimedOut { seconds: 9 }, 3, &["9 seconds"])]
    #[case::code_4_exit(ScriptResult::Failed { exit_code: 17 }, 4, &["exit code 17"])]
    #[case::code_4_signal(
        ScriptResult::Killed { signal: Signal { name: "SIGKILL".into(), number: 9 } },
        4,
        &["SIGKILL"]
    )]
    #[case::code_4_start(ScriptResult::CouldNotStart { reason: "no user".into() }, 4, &["no user"])]
    #[case::code_4_cancelled(ScriptResult::Cancelled, 4, &["operator"])]
    #[case::code_6(
        ScriptResult::OutputLeftOpen {
            seconds: 9,
            streams: vec![Stream::Stdout],
            holders: vec![Holder { pid: 42, command: "nginx".into(), streams: vec![Stream::Stdout] }],
            all_visible: false,
        },
        6,
        &["9 seconds", "stdout", "by pid 42 (nginx) (and perhaps others: "]
    )]
    fn contract_table_of_codes(
        #[case] result: ScriptResult,
        #[case] code: u8,
        #[case] said: &[&str],
    ) {
        let diagnostics = diagnose(result).unwrap_err();
        assert_eq!(diagnostics.code().number(), code);
        assert_eq!(diagnostics.script_name(), "scripts/s.sh");
        assert_eq!(diagnostics.log(), "the log\n");
        for said in ["scripts/s.sh", "ubuntu"].iter().chain(said) {
            assert!(
                diagnostics.message().contains(said),
                "{said}: {diagnostics:?}"
            );
        }
    }

    #[test]
    fn code_5_when_the_runner_could_not_do_its_work() {
        let diagnostics = diagnose(ScriptResult::RunnerFailed {
            message: "x".into(),
        })
        .unwrap_err();
        assert_eq!(diagnostics.code(), Code::Other);
        assert_eq!(diagnostics.script_name(), "");
        assert!(diagnostics.message().contains("scripts/s.sh"));
    }

    #[test]
    fn code_7_names_no_script() {
        let diagnostics = diagnose(ScriptResult::HostShutdown).unwrap_err();
        assert_eq!(diagnostics.code(), Code::AgentRestarted);
        assert_eq!(diagnostics.script_name(), "");
    }
}
