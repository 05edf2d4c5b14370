//! The step machine of a command: what a journal can hold at any point, and what follows from it.

use super::{Acknowledgement, Action, Command, Evidence, Input, LifecycleEvent, Resolution, State};
use crate::diagnostics::Code;
use crate::diagnostics::{Diagnostics, SuccessMessage};

fn hooks() -> Command {
    Command::Hooks(LifecycleEvent::AfterInstall)
}

fn failed() -> Diagnostics {
    Diagnostics::other("it broke")
}

/// Runs the machine over `inputs` and returns the actions.
fn actions(command: &Command, inputs: impl IntoIterator<Item = Input>) -> Vec<Action> {
    let mut state = State::Received;
    let mut actions = Vec::new();
    for input in inputs {
        let (next, action) = state.next(command, input).unwrap();
        state = next;
        actions.push(action);
    }
    actions
}

fn after_restart(state: State, command: &Command, evidence: Evidence) -> Action {
    state.next(command, Input::Restarted(evidence)).unwrap().1
}

#[test]
fn scripts_run_in_order_until_the_end() {
    let succeeded = Diagnostics::succeeded(SuccessMessage::Plain);
    assert_eq!(
        actions(
            &hooks(),
            [
                Input::Begin,
                Input::Resolved(Ok(Resolution::Scripts(2))),
                Input::Acknowledged(Ok(Acknowledgement::Run)),
                Input::ScriptEnded(Ok(())),
                Input::ScriptEnded(Ok(())),
                Input::Reported,
            ]
        ),
        [
            Action::Resolve,
            Action::Acknowledge { noop: false },
            Action::RunScript(0),
            Action::RunScript(1),
            Action::Report(succeeded),
            Action::Forget,
        ]
    );
}

#[test]
fn the_first_failure_ends_the_event() {
    let actions = actions(
        &hooks(),
        [
            Input::Begin,
            Input::Resolved(Ok(Resolution::Scripts(2))),
            Input::Acknowledged(Ok(Acknowledgement::Run)),
            Input::ScriptEnded(Err(failed())),
        ],
    );
    assert_eq!(actions.last(), Some(&Action::Report(failed())));
}

#[test]
fn download_and_install_are_never_noops() {
    for (command, action) in [
        (Command::DownloadBundle, Action::Download),
        (Command::Install, Action::Install { recover: false }),
    ] {
        assert_eq!(
            actions(
                &command,
                [
                    Input::Begin,
                    Input::Acknowledged(Ok(Acknowledgement::Run)),
                    Input::WorkEnded(Ok(SuccessMessage::Plain)),
                ]
            ),
            [
                Action::Acknowledge { noop: false },
                action,
                Action::Report(Diagnostics::succeeded(SuccessMessage::Plain)),
            ]
        );
    }
}

#[test]
fn an_error_before_running_is_reported_without_acknowledgement() {
    assert_eq!(
        actions(&hooks(), [Input::Begin, Input::Resolved(Err(failed()))]),
        [Action::Resolve, Action::Report(failed())]
    );
}

#[test]
fn a_noop_that_the_service_wants_run_succeeds_as_a_noop() {
    let noop = Diagnostics::succeeded(SuccessMessage::Noop);
    for reply in [Acknowledgement::Run, Acknowledgement::AlreadyFailed] {
        assert_eq!(
            actions(
                &hooks(),
                [
                    Input::Begin,
                    Input::Resolved(Ok(Resolution::Noop)),
                    Input::Acknowledged(Ok(reply)),
                ]
            ),
            [
                Action::Resolve,
                Action::Acknowledge { noop: true },
                Action::Report(noop.clone())
            ]
        );
    }
}

#[test]
fn an_unsupported_command_is_acknowledged_as_a_noop_and_fails_when_run() {
    let command = Command::Hooks(LifecycleEvent::Custom("Mine".into()));
    let actions = actions(
        &command,
        [
            Input::Begin,
            Input::Resolved(Ok(Resolution::Unsupported)),
            Input::Acknowledged(Ok(Acknowledgement::Run)),
        ],
    );
    assert_eq!(actions[1], Action::Acknowledge { noop: true });
    let Action::Report(verdict) = &actions[2] else {
        panic!("{actions:?}")
    };
    assert_eq!(verdict.code(), Code::Other);
    assert!(verdict.message().contains("Mine"));
}

#[test]
fn a_refused_command_is_acknowledged_as_something_to_do_and_fails() {
    let command = Command::Hooks(LifecycleEvent::Custom("UpdateDeploymentAgent".into()));
    let actions = actions(
        &command,
        [
            Input::Begin,
            Input::Resolved(Ok(Resolution::Refused)),
            Input::Acknowledged(Ok(Acknowledgement::Run)),
        ],
    );
    assert_eq!(actions[1], Action::Acknowledge { noop: false });
    assert_eq!(actions[2], Action::Report(Diagnostics::update_refused()));
}

#[test]
fn a_command_that_the_service_has_closed_is_not_run() {
    for (command, reply) in [
        (hooks(), Acknowledgement::AlreadySucceeded),
        (hooks(), Acknowledgement::AlreadyFailed),
        (Command::Install, Acknowledgement::AlreadySucceeded),
        (Command::DownloadBundle, Acknowledgement::AlreadyFailed),
    ] {
        let mut inputs = vec![Input::Begin];
        if matches!(command, Command::Hooks(_)) {
            inputs.push(Input::Resolved(Ok(Resolution::Scripts(1))));
        }
        inputs.push(Input::Acknowledged(Ok(reply)));
        assert_eq!(actions(&command, inputs).last(), Some(&Action::Forget));
    }
}

#[test]
fn restarted_before_running_begins_again() {
    let before = [
        State::Received,
        State::Resolving,
        State::AwaitingReply(Resolution::Scripts(1)),
    ];
    for state in before {
        assert_eq!(
            after_restart(state, &hooks(), Evidence::NotInScript),
            Action::Resolve
        );
    }
    assert_eq!(
        after_restart(State::Received, &Command::Install, Evidence::NotInScript),
        Action::Acknowledge { noop: false }
    );
}

#[test]
fn restarted_with_the_runner_alive_takes_it_over() {
    let state = State::InScript { index: 1, of: 3 };
    assert_eq!(
        after_restart(state, &hooks(), Evidence::RunnerAlive),
        Action::AwaitScript(1)
    );
}

#[test]
fn restarted_with_an_outcome_goes_on_with_the_next_script_or_the_report() {
    let state = State::InScript { index: 0, of: 2 };
    assert_eq!(
        after_restart(state.clone(), &hooks(), Evidence::Outcome(Ok(()))),
        Action::RunScript(1)
    );
    assert_eq!(
        after_restart(state, &hooks(), Evidence::Outcome(Err(failed()))),
        Action::Report(failed())
    );
}

#[test]
fn restarted_before_the_script_ran_runs_it() {
    let state = State::InScript { index: 0, of: 1 };
    assert_eq!(
        after_restart(state, &hooks(), Evidence::NeverRan),
        Action::RunScript(0)
    );
}

#[test]
fn restarted_with_the_runner_lost_ends_what_is_left_before_code_7() {
    let (state, action) = State::InScript { index: 0, of: 2 }
        .next(&hooks(), Input::Restarted(Evidence::Lost))
        .unwrap();
    assert_eq!(action, Action::Sweep(0));
    // Restarted once more while sweeping: sweep again.
    assert_eq!(
        after_restart(state.clone(), &hooks(), Evidence::NotInScript),
        Action::Sweep(0)
    );
    let (_, action) = state.next(&hooks(), Input::Swept).unwrap();
    let Action::Report(verdict) = action else {
        panic!("{action:?}")
    };
    assert_eq!(verdict.code(), Code::AgentRestarted);
}

#[test]
fn restarted_in_a_download_downloads_again_and_in_an_install_recovers_first() {
    assert_eq!(
        after_restart(
            State::Downloading,
            &Command::DownloadBundle,
            Evidence::NotInScript
        ),
        Action::Download
    );
    assert_eq!(
        after_restart(State::Installing, &Command::Install, Evidence::NotInScript),
        Action::Install { recover: true }
    );
}

#[test]
fn restarted_with_an_unreported_result_reports_it_again() {
    let state = State::Finished(failed());
    assert_eq!(
        after_restart(state, &hooks(), Evidence::NotInScript),
        Action::Report(failed())
    );
    assert_eq!(
        after_restart(State::Done, &hooks(), Evidence::NotInScript),
        Action::Forget
    );
}

#[test]
fn an_impossible_input_is_an_error_and_not_a_panic() {
    assert!(State::Done.next(&hooks(), Input::Begin).is_err());
    assert!(
        State::Received
            .next(&hooks(), Input::ScriptEnded(Ok(())))
            .is_err()
    );
    assert!(
        State::Downloading
            .next(&Command::DownloadBundle, Input::Restarted(Evidence::Lost))
            .is_err()
    );
}

#[test]
fn every_state_survives_being_written_down() {
    let states = [
        State::Received,
        State::AwaitingReply(Resolution::Scripts(3)),
        State::InScript { index: 1, of: 3 },
        State::Sweeping { index: 1 },
        State::Finished(failed()),
    ];
    for state in states {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
