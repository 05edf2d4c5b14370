//! `kill -9` of the runner at each of its steps, under an agent that lives.

use failpoints::{Failpoint, Program};
use integration_tests::fakes::command_service::DeploymentEnd;

use crate::agent_killed::{At, everywhere};
use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, until_over};
use crate::end_state::EndState;
use crate::pool::run_all;
use crate::scenario::Scenario;

/// What has to come of a script whose runner is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It had not begun: it is run, once, and nobody sees a difference.
    Run,
    /// Its end can never be known: code 7, and nothing more of the deployment. Had it begun to
    /// execute?
    Lost { began: bool },
    /// Its outcome is there.
    Kept,
}

fn fate(point: &str) -> Fate {
    match point {
        "RunnerStarted" => Fate::Run,
        "RunnerRelease" => Fate::Lost { began: false },
        "RunnerOutcome" => Fate::Lost { began: true },
        "RunnerUnlock" => Fate::Kept,
        other => panic!("what comes of a script whose runner is killed at {other}?"),
    }
}

/// That exactly that has come of the script whose runner was disturbed there.
pub(crate) fn assert_fate(scenario: &Scenario, state: &EndState, at: &At) {
    let began = match fate(at.place) {
        Fate::Run | Fate::Kept => return assert_as_undisturbed(scenario, state),
        Fate::Lost { began } => began,
    };
    let (undisturbed, _) = &*UNDISTURBED;
    let story = scenario.story();
    assert_eq!(state.end, DeploymentEnd::Failed, "{story}");
    // The runners of scripts pass each place once, in the order of the scripts.
    let ran = if began { at.time } else { at.time - 1 };
    assert_eq!(state.ran, undisturbed.ran[..ran], "{story}");
    let (last, before) = state.reports.split_last().unwrap();
    assert_eq!(before, &undisturbed.reports[..before.len()], "{story}");
    let event = undisturbed.ran[at.time - 1].split(' ').next().unwrap();
    assert_eq!((last.command.as_str(), last.code), (event, 7), "{story}");
}

#[test]
fn killed_at_each_place_its_script_runs_once_or_is_reported_as_lost() {
    run_all(&everywhere(Program::Runner), |at| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&format!("{at}=kill")));
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        assert_fate(&scenario, &state, at);
    });
}

#[test]
fn every_place_of_a_runner_has_a_fate() {
    for point in Failpoint::ALL {
        if point.program() == Program::Runner {
            fate(point.name());
        }
    }
}
