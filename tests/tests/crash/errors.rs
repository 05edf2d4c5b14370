//! Each step failed, once or until the next agent: what fails is tried again or reported, never
//! lost and never half.

use std::fmt;

use failpoints::Program;
use integration_tests::fakes::command_service::DeploymentEnd;
use nix::sys::signal::Signal;

use crate::agent_killed::{At, everywhere};
use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, until_ended, until_over};
use crate::end_state::EndState;
use crate::pool::run_all;
use crate::scenario::Scenario;
use crate::trace;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

struct Failing {
    at: At,
    errno: i32,
    for_good: bool,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeated = if self.for_good { "+" } else { "" };
        write!(f, "{}{repeated}={}", self.at, self.errno)
    }
}

fn failing(program: Program, errno: i32, for_good: bool) -> Vec<Failing> {
    everywhere(program)
        .into_iter()
        .map(|at| Failing {
            at,
            errno,
            for_good,
        })
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

#[test]
fn a_step_that_fails_once_is_done_again_or_reported() {
    let mut cases = failing(Program::Agent, ENOSPC, false);
    cases.extend(failing(Program::Agent, EIO, false));
    cases.extend(failing(Program::Runner, ENOSPC, false));
    run_all(&cases, |case| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&case.to_string()));
        until_over(&scenario, &mut running, |status| {
            panic!("{status}\n{}", scenario.story())
        });
        let state = end_state(&scenario, running);
        assert_whole(&scenario, &state);
    });
}

#[test]
fn a_step_that_fails_until_the_next_agent_is_done_again_or_reported() {
    run_all(&failing(Program::Agent, ENOSPC, true), |case| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&case.to_string()));
        // Until nothing is left to do, or it has been tried a few times.
        crate::case::until(&scenario, "a few tries", || {
            let trace = trace::read(&scenario.trace());
            let tries = trace
                .iter()
                .filter(|passed| passed.point.name() == case.at.place)
                .count();
            scenario.is_over() || tries >= case.at.time + 3
        });
        running.signal(Signal::SIGTERM);
        let status = until_ended(&scenario, &mut running);
        assert!(status.success(), "{status}\n{}", scenario.story());
        let mut running = scenario.start(None);
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        assert_whole(&scenario, &state);
    });
}
