//! The programs replaced on disk while a hook runs.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::case::{assert_as_undisturbed, end_state, until_ended, until_over};
use crate::scenario::Scenario;

/// A directory with copies of both programs, as a package installs them.
fn installed(scenario: &Scenario) -> PathBuf {
    let directory = scenario.daemon.host.path("programs");
    fs_err::create_dir(&directory).unwrap();
    replace(&directory);
    directory
}

/// Replaces both programs as a package manager does: by renaming.
fn replace(directory: &Path) {
    let built = integration_tests::agent();
    for name in ["agent", "hooks-runner"] {
        fs_err::copy(built.with_file_name(name), directory.join("new")).unwrap();
        fs_err::rename(directory.join("new"), directory.join(name)).unwrap();
    }
}

#[test]
fn upgraded_in_the_middle_of_a_hook_the_deployment_succeeds() {
    let scenario = Scenario::new();
    let programs = installed(&scenario);
    let hold = scenario.hold("BeforeInstall", "one");
    scenario.begin();
    let mut running = scenario.daemon.start_program(&programs.join("agent"), &[]);
    scenario.until_ran("BeforeInstall one new");
    replace(&programs);
    running.signal(Signal::SIGTERM);
    let status = until_ended(&scenario, &mut running);
    assert!(status.success(), "{status}\n{}", scenario.story());
    let mut running = scenario.daemon.start_program(&programs.join("agent"), &[]);
    integration_tests::eventually("the hook to be taken over", || {
        scenario.daemon.log().contains("waiting for its end")
    });
    drop(hold);
    until_over(&scenario, &mut running, |status| panic!("{status}"));
    let state = end_state(&scenario, running);
    assert_as_undisturbed(&scenario, &state);
}

#[test]
fn a_running_agent_keeps_the_runner_that_it_was_started_with() {
    let scenario = Scenario::new();
    let programs = installed(&scenario);
    let hold = scenario.hold("BeforeInstall", "one");
    scenario.begin();
    let mut running = scenario.daemon.start_program(&programs.join("agent"), &[]);
    scenario.until_ran("BeforeInstall one new");
    // One that the running agent could do nothing with.
    fs_err::remove_file(programs.join("hooks-runner")).unwrap();
    fs_err::write(programs.join("hooks-runner"), "of another version").unwrap();
    fs_err::remove_file(programs.join("agent")).unwrap();
    drop(hold);
    until_over(&scenario, &mut running, |status| panic!("{status}"));
    let state = end_state(&scenario, running);
    assert_as_undisturbed(&scenario, &state);
}
