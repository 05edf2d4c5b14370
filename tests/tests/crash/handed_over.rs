//! SIGTERM at each step: the next agent goes on, and hooks do not notice.

use failpoints::Program;
use nix::sys::signal::{Signal, kill};

use crate::agent_killed::everywhere;
use crate::case::{
    assert_as_undisturbed, end_state, stopped_at, terminate, until_ended, until_over,
};
use crate::pool::run_all;
use crate::scenario::{Scenario, is_stopped};

#[test]
fn terminated_at_each_place_of_the_agent_the_next_one_goes_on() {
    run_all(&everywhere(Program::Agent), |at| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&format!("{at}=stop")));
        let agent = stopped_at(&scenario, at);
        running.signal(Signal::SIGTERM);
        kill(agent, Signal::SIGCONT).unwrap();
        let status = until_ended(&scenario, &mut running);
        assert!(status.success(), "{status}\n{}", scenario.story());
        let mut running = scenario.start(None);
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        assert_as_undisturbed(&scenario, &state);
    });
}

#[test]
fn terminated_at_each_place_of_a_runner_the_hook_goes_on() {
    run_all(&everywhere(Program::Runner), |at| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&format!("{at}=stop")));
        let runner = stopped_at(&scenario, at);
        terminate(&scenario, &mut running);
        // Nobody has touched the hook: it is where it was.
        assert!(is_stopped(runner), "{}", scenario.story());
        let mut running = scenario.start(None);
        kill(runner, Signal::SIGCONT).unwrap();
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        assert_as_undisturbed(&scenario, &state);
    });
}
