//! Each step failed, once or until the next agent: what fails is tried again or reported, never
//! lost and never half.

use std::ffi::OsStr;
use std::fmt;

use failpoints::Program;
use integration_tests::fakes::command_service::DeploymentEnd;

use crate::agent_killed::{At, everywhere};
use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, terminate, until, until_over};
use crate::end_state::EndState;
use crate::pool::run_all;
use crate::scenario::Scenario;
use crate::trace;

const ENOSPC: i32 = 28;

struct Failing {
    at: At,
    for_good: bool,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeated = if self.for_good { "+" } else { "" };
        write!(f, "{}{repeated}={ENOSPC}", self.at)
    }
}

fn failing(program: Program, for_good: bool) -> Vec<Failing> {
    everywhere(program)
        .into_iter()
        .map(|at| Failing { at, for_good })
        .collect()
}

/// That the deployment has succeeded as ever, or that the service has heard of one failure, after
/// which nothing more has happened.
fn assert_whole(scenario: &Scenario, state: &EndState) {
    if state.end == DeploymentEnd::Succeeded {
        return assert_as_undisturbed(scenario, state);
    }
    let (undisturbed, _) = &*UNDISTURBED;
    let story = scenario.story();
    assert_eq!(state.ran, undisturbed.ran[..state.ran.len()], "{story}");
    let (last, before) = state.reports.split_last().unwrap();
    assert_eq!(before, &undisturbed.reports[..before.len()], "{story}");
    let expected = &undisturbed.reports[before.len()].command;
    assert_eq!(&last.command, expected, "{story}");
    assert!(last.code == 5 || last.code == 4, "{last:?}\n{story}");
    assert!(!last.message.is_empty(), "{story}");
    // All of the old revision or all of the new one.
    let installed = before.iter().any(|report| report.command == "Install");
    let old = Scenario::new();
    let old = integration_tests::snapshot(&old.daemon.host.destination());
    let expected = if installed {
        &undisturbed.destination
    } else {
        &old
    };
    assert_eq!(&state.destination, expected, "{story}");
}

/// Runs the deployment under an agent whose step fails until `enough`, and then under another.
fn run(case: &Failing, enough: impl Fn(&Scenario) -> bool) {
    let scenario = Scenario::new();
    scenario.begin();
    let mut running = scenario.start(Some(&case.to_string()));
    until(&scenario, "the end or a few tries", || {
        let ended = running.ended();
        assert!(ended.is_none(), "{ended:?}\n{}", scenario.story());
        enough(&scenario)
    });
    terminate(&scenario, &mut running);
    // What could not be noted or removed is seen to by the next agent.
    let mut running = scenario.start(None);
    until_over(&scenario, &mut running, |status| panic!("{status}"));
    let mut state = end_state(&scenario, running);
    // An old deployment that cannot be removed fails nothing: the next deployment tries again.
    let is_aside = |part: &OsStr| part.as_encoded_bytes().starts_with(b".removed-");
    state.root.retain(|path, _| !path.iter().any(is_aside));
    assert_whole(&scenario, &state);
}

fn has_ended(scenario: &Scenario) -> bool {
    scenario.daemon.service.end(&scenario.deployment).is_some()
}

#[test]
fn a_step_that_fails_once_is_done_again_or_reported() {
    let mut cases = failing(Program::Agent, false);
    cases.extend(failing(Program::Runner, false));
    run_all(&cases, |case| run(case, has_ended));
}

#[test]
fn a_step_that_fails_until_the_next_agent_is_done_again_or_reported() {
    run_all(&failing(Program::Agent, true), |case| {
        run(case, |scenario| {
            let trace = trace::read(&scenario.trace());
            let tries = trace
                .iter()
                .filter(|passed| passed.point.name() == case.at.place);
            has_ended(scenario) || tries.count() >= case.at.time + 3
        });
    });
}
