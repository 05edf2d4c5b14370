//! `kill -9` of the agent at each of its steps.

use std::fmt;

use failpoints::{Failpoint, Program};

use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, until_over, was_killed};
use crate::pool::run_all;
use crate::scenario::Scenario;
use crate::trace;

/// Where.
pub(crate) struct At {
    pub(crate) place: &'static str,
    pub(crate) time: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.place, self.time)
    }
}

/// Each place of `program` at its first, a middle and its last time.
pub(crate) fn everywhere(program: Program) -> Vec<At> {
    let (_, trace) = &*UNDISTURBED;
    Failpoint::ALL
        .iter()
        .filter(|point| point.program() == program)
        .flat_map(|point| {
            trace::first_middle_last(trace::times(trace, *point))
                .into_iter()
                .map(|time| At {
                    place: point.name(),
                    time,
                })
        })
        .collect()
}

#[test]
fn every_place_is_passed() {
    let (_, trace) = &*UNDISTURBED;
    let never: Vec<&str> = Failpoint::ALL
        .iter()
        .filter(|point| trace::times(trace, **point) == 0)
        .map(|point| point.name())
        .collect();
    assert!(
        never.is_empty(),
        "listed as failpoints and never passed: {never:?}; let the scenario pass them, or take \
         them out of the list"
    );
}

#[test]
fn killed_at_each_place_and_started_again_the_deployment_ends_as_undisturbed() {
    run_all(&everywhere(Program::Agent), |at| {
        let scenario = Scenario::new();
        scenario.begin();
        let mut running = scenario.start(Some(&format!("{at}=kill")));
        let mut killed = 0;
        until_over(&scenario, &mut running, |status| {
            assert!(was_killed(status), "{status}\n{}", scenario.story());
            killed += 1;
            scenario.start(None)
        });
        assert_eq!(killed, 1, "{}", scenario.story());
        let state = end_state(&scenario, running);
        assert_as_undisturbed(&scenario, &state);
    });
}
