//! The programs replaced on disk while a hook runs.

use std::path::PathBuf;

use crate::case::{assert_as_undisturbed, end_state, until_over};
use crate::scenario::Scenario;

/// A directory with copies of both programs, as a package installs them.
fn installed(scenario: &Scenario) -> PathBuf {
    let directory = scenario.daemon.host.path("programs");
    fs_err::create_dir(&directory).unwrap();
    let built = integration_tests::agent();
    for name in ["agent", "hooks-runner"] {
        fs_err::copy(built.with_file_name(name), directory.join(name)).unwrap();
    }
    directory
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
