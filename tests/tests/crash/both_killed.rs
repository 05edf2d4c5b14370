//! `kill -9` of the runner at each of its steps, and of the agent at the same time.

use failpoints::Program;
use nix::sys::signal::{Signal, kill};

use crate::agent_killed::everywhere;
use crate::case::{end_state, stopped_at, until_ended, until_over};
use crate::pool::run_all;
use crate::runner_killed::assert_fate;
use crate::scenario::Scenario;

#[test]
fn both_killed_the_script_runs_once_or_is_reported_as_lost() {
    run_all(&everywhere(Program::Runner), |at| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&format!("{at}=stop")));
        let runner = stopped_at(&scenario, at);
        // The agent first, so that it learns nothing.
        running.signal(Signal::SIGKILL);
        until_ended(&scenario, &mut running);
        kill(runner, Signal::SIGKILL).unwrap();
        let mut running = scenario.start(None);
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        assert_fate(&scenario, &state, at);
    });
}
