//! The agent killed at 200 steps that nobody has chosen, the same ones each time; half of the
//! times the next agent is killed as well.

use std::fmt;
use std::time::Duration;

use failpoints::Program;
use integration_tests::fakes::command_service::Again;

use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, until_over, was_killed};
use crate::pool::run_all;
use crate::scenario::Scenario;
use crate::trace::times_of;

const CASES: usize = 200;
const SEED: u64 = 20_261_121;

struct Kills {
    first: u64,
    second: Option<u64>,
    /// Whether the service also hands out again what was acknowledged.
    insisting: bool,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent@{} then {:?}", self.first, self.second)?;
        f.write_str(if self.insisting { ", insisting" } else { "" })
    }
}

/// Numbers that look random (xorshift) and are the same in every run.
struct Numbers(u64);

impl Numbers {
    /// From 1 to `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most + 1
    }
}

#[test]
fn killed_at_two_hundred_other_places_the_deployment_ends_as_undisturbed() {
    let (_, trace) = &*UNDISTURBED;
    let steps = times_of(trace, Program::Agent) as u64;
    let mut numbers = Numbers(SEED);
    let cases: Vec<Kills> = (0..CASES)
        .map(|number| {
            let first = numbers.up_to(steps);
            Kills {
                first,
                second: (number % 2 == 1).then(|| first + numbers.up_to(steps / 2)),
                insisting: number % 5 == 0,
            }
        })
        .collect();
    run_all(&cases, |case| {
        let scenario = Scenario::new();
        if case.insisting {
            let after = Duration::from_millis(100);
            let service = &scenario.daemon.service;
            service.hand_out_again(Again::UntilEnded(after));
        }
        scenario.begin();
        let mut running = scenario.start(Some(&format!("Agent@{}=kill", case.first)));
        let mut second = case.second;
        until_over(&scenario, &mut running, |status| {
            assert!(was_killed(status), "{status}\n{}", scenario.story());
            let armed = second.take().map(|second| format!("Agent@{second}=kill"));
            scenario.start(armed.as_deref())
        });
        let state = end_state(&scenario, running);
        assert_as_undisturbed(&scenario, &state);
    });
}
