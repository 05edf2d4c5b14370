//! One run of the deployment with one disturbance, and what it is compared with.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use integration_tests::RunningDaemon;
use integration_tests::fakes::command_service::DeploymentEnd;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::agent_killed::At;
use crate::end_state::{EndState, differences, sent};
use crate::scenario::{Scenario, is_stopped};
use crate::trace::{self, Passed};

/// Far more than a deployment takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The run that nothing happens to, and its trace.
pub(crate) static UNDISTURBED: LazyLock<(EndState, Vec<Passed>)> = LazyLock::new(|| {
    let scenario = Scenario::new();
    scenario.begin();
    let mut running = scenario.start(None);
    until_over(&scenario, &mut running, |status| {
        panic!("the agent ended by itself: {status}")
    });
    let state = end_state(&scenario, running);
    assert_eq!(state.end, DeploymentEnd::Succeeded);
    (state, trace::read(&scenario.trace()))
});

/// Waits until the deployment is over. When the agent ends meanwhile, `ended` is asked for its
/// successor.
pub(crate) fn until_over(
    scenario: &Scenario,
    running: &mut RunningDaemon,
    mut ended: impl FnMut(ExitStatus) -> RunningDaemon,
) {
    let began = Instant::now();
    loop {
        // In this order: an agent that is killed after the last step is started once more.
        let over = scenario.is_over();
        if let Some(status) = running.ended() {
            *running = ended(status);
        } else if over {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "not over in time\n{}",
            scenario.story()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds.
pub(crate) fn until(scenario: &Scenario, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < PATIENCE,
            "waited in vain for {what}\n{}",
            scenario.story()
        );
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Waits for the agent's own end.
pub(crate) fn until_ended(scenario: &Scenario, running: &mut RunningDaemon) -> ExitStatus {
    let mut status = None;
    until(scenario, "the end of the agent", || {
        status = running.ended();
        status.is_some()
    });
    status.unwrap()
}

/// Ends the agent by SIGTERM, once it handles that: before, it would simply die.
pub(crate) fn terminate(scenario: &Scenario, running: &mut RunningDaemon) {
    until(scenario, "the agent to handle signals", || {
        handles(running.pid(), Signal::SIGTERM)
    });
    running.signal(Signal::SIGTERM);
    let status = until_ended(scenario, running);
    assert!(status.success(), "{status}\n{}", scenario.story());
}

fn handles(pid: i32, signal: Signal) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok())
        .is_some_and(|caught| caught >> (signal as i32 - 1) & 1 == 1)
}

/// Waits until the process that passes this place at that time is stopped there.
pub(crate) fn stopped_at(scenario: &Scenario, at: &At) -> Pid {
    let mut stopped = None;
    until(scenario, "the place to be passed", || {
        let trace = trace::read(&scenario.trace());
        let mut passed = trace
            .into_iter()
            .filter(|passed| passed.point.name() == at.place);
        stopped = passed
            .nth(at.time - 1)
            .map(|passed| Pid::from_raw(passed.pid))
            .filter(|pid| is_stopped(*pid));
        stopped.is_some()
    });
    stopped.unwrap()
}

/// The end state, after the last agent has been stopped.
pub(crate) fn end_state(scenario: &Scenario, mut running: RunningDaemon) -> EndState {
    terminate(scenario, &mut running);
    let state = EndState::of(scenario);
    state.assert_nothing_ran_twice();
    state
}

/// That a disturbed run has come to exactly what the undisturbed one has.
pub(crate) fn assert_as_undisturbed(scenario: &Scenario, state: &EndState) {
    let (expected, _) = &*UNDISTURBED;
    assert_eq!(
        (state.end, &state.reports, &state.ran),
        (expected.end, &expected.reports, &expected.ran),
        "\n{}",
        scenario.story()
    );
    let different = [
        differences(&expected.destination, &state.destination),
        differences(&expected.root, &state.root),
    ]
    .concat();
    assert!(
        different.is_empty(),
        "{}\n{}",
        different.join("\n"),
        scenario.story()
    );
    let sent = sent(scenario);
    for report in &expected.reports {
        assert!(sent.get(&report.command).is_some_and(|times| *times >= 1));
    }
}

/// Whether it was killed by SIGKILL.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32)
}
