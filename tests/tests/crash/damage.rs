//! What an agent finds that is started on a damaged journal, or on another root, while a hook of
//! the earlier agent runs.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::running_as_root;
use nix::sys::signal::Signal;

use crate::case::{UNDISTURBED, assert_as_undisturbed, end_state, until_ended, until_over};
use crate::pool::run_all;
use crate::scenario::{Hold, Scenario};

/// What is done to the journal.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// A byte in the middle of this line, counted from 0, is changed.
    Flipped(usize),
    /// It ends in the middle of this line.
    CutIn(usize),
    /// Its header says format 2.
    Newer,
    /// It belongs to somebody else.
    Foreign,
    /// Others may write it.
    Writable,
    /// It is a directory.
    Directory,
    /// It is gone.
    Gone,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The lines of `bytes`, each with where it begins.
fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut begin = 0;
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let line = (begin, line.len());
            begin += line.1;
            line
        })
        .collect()
}

/// How many lines the journal has while the second hook runs.
fn number_of_lines() -> usize {
    let scenario = Scenario::new();
    let (_hold, journal) = killed_in_a_hook(&scenario);
    lines(&fs_err::read(journal).unwrap()).len()
}

/// The agent killed while BeforeInstall's second script runs and waits. Returns the journal.
fn killed_in_a_hook(scenario: &Scenario) -> (Hold, PathBuf) {
    let hold = scenario.hold("BeforeInstall", "two");
    scenario.begin();
    let mut running = scenario.start(None);
    scenario.until_ran("BeforeInstall two new");
    running.signal(Signal::SIGKILL);
    until_ended(scenario, &mut running);
    (hold, scenario.daemon.host.root().join("commands.journal"))
}

impl Damage {
    fn inflict(self, path: &Path) {
        let bytes = fs_err::read(path).unwrap();
        let put = |bytes: &[u8]| fs_err::write(path, bytes).unwrap();
        match self {
            Self::Flipped(line) => {
                let (begin, length) = lines(&bytes)[line];
                let mut bytes = bytes;
                bytes[begin + length / 2] ^= 0x04;
                put(&bytes);
            }
            Self::CutIn(line) => {
                let (begin, length) = lines(&bytes)[line];
                put(&bytes[..begin + length / 2]);
            }
            Self::Newer => {
                // The checksum is that of the JSON.
                let newer = b"e0ed1559 {\"journal\":\"codedeploy-host-agent\",\"format\":2}\n";
                put(&[newer, &bytes[lines(&bytes)[0].1..]].concat());
            }
            Self::Foreign => {
                fs_err::os::unix::fs::chown(path, Some(4321), Some(4321)).unwrap();
            }
            Self::Writable => {
                fs_err::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
            }
            Self::Directory => {
                fs_err::remove_file(path).unwrap();
                fs_err::create_dir(path).unwrap();
            }
            Self::Gone => fs_err::remove_file(path).unwrap(),
        }
    }

    /// Whether an operator has to hear of it: that a file ends early or is not there is as an
    /// agent leaves it that is killed.
    fn is_told(self) -> bool {
        !matches!(self, Self::CutIn(_) | Self::Gone)
    }
}

#[test]
fn a_damaged_journal_stops_nothing_and_no_script_runs_twice() {
    let number = number_of_lines();
    let mut cases = vec![
        Damage::Newer,
        Damage::Writable,
        Damage::Directory,
        Damage::Gone,
    ];
    cases.extend((0..number).map(Damage::Flipped));
    cases.extend((0..number).map(Damage::CutIn));
    if running_as_root("a journal of another user") {
        cases.push(Damage::Foreign);
    }
    run_all(&cases, |damage| {
        let scenario = Scenario::new();
        let (hold, journal) = killed_in_a_hook(&scenario);
        damage.inflict(&journal);
        let mut running = scenario.start(None);
        integration_tests::eventually("the agent to read its journal", || {
            scenario.daemon.log().matches("started").count() >= 2
        });
        drop(hold);
        until_over(&scenario, &mut running, |status| panic!("{status}"));
        let state = end_state(&scenario, running);
        if damage.is_told() {
            let log = scenario.daemon.log();
            assert!(log.contains("journal of commands"), "{log}");
        }
        assert_reported(&scenario, &state);
    });
}

/// That BeforeInstall has its real result, or is reported as failed with code 7, and nothing ran
/// after that.
fn assert_reported(scenario: &Scenario, state: &crate::end_state::EndState) {
    if state.end == DeploymentEnd::Succeeded {
        return assert_as_undisturbed(scenario, state);
    }
    let (undisturbed, _) = &*UNDISTURBED;
    let story = scenario.story();
    let (last, before) = state.reports.split_last().unwrap();
    assert_eq!(before, &undisturbed.reports[..2], "{story}");
    assert_eq!(
        (last.command.as_str(), last.code),
        ("BeforeInstall", 7),
        "{story}"
    );
    assert_eq!(state.ran, undisturbed.ran[..4], "{story}");
}

#[test]
fn a_root_that_was_replaced_while_a_hook_ran_is_no_reason_to_stop_or_to_run_it_again() {
    for copied in [false, true] {
        let scenario = Scenario::new();
        let (hold, _) = killed_in_a_hook(&scenario);
        let root = scenario.daemon.host.root();
        fs_err::rename(&root, scenario.daemon.host.path("moved")).unwrap();
        fs_err::create_dir(&root).unwrap();
        if copied {
            // Only the tracking files, as a restored backup might have them.
            let tracking = "ongoing-deployment";
            fs_err::create_dir(root.join(tracking)).unwrap();
            let from = scenario.daemon.host.path("moved").join(tracking);
            fs_err::copy(from.join("d-NEW"), root.join(tracking).join("d-NEW")).unwrap();
        }
        let running = scenario.start(None);
        drop(hold);
        if copied {
            let mut running = running;
            until_over(&scenario, &mut running, |status| panic!("{status}"));
            let state = end_state(&scenario, running);
            assert_reported(&scenario, &state);
        } else {
            // Nothing tells of the command any more: only the service can give it up.
            crate::case::until(&scenario, "the agent to poll", || {
                let calls = scenario.daemon.service.calls();
                calls.iter().rev().take(1).any(|call| {
                    call.ending == integration_tests::fakes::command_service::Ending::Open
                })
            });
            let mut running = running;
            running.stop();
            let (undisturbed, _) = &*UNDISTURBED;
            assert_eq!(scenario.ran(), undisturbed.ran[..4]);
        }
    }
}

#[test]
fn a_root_that_is_replaced_under_a_running_agent_fails_the_deployment_or_not_but_not_the_agent() {
    let scenario = Scenario::new();
    let hold = scenario.hold("BeforeInstall", "one");
    scenario.begin();
    let mut running = scenario.start(None);
    scenario.until_ran("BeforeInstall one new");
    let root = scenario.daemon.host.root();
    fs_err::rename(&root, scenario.daemon.host.path("moved")).unwrap();
    fs_err::create_dir(&root).unwrap();
    drop(hold);
    crate::case::until(&scenario, "the end", || {
        scenario.daemon.service.end(&scenario.deployment).is_some()
    });
    until_over(&scenario, &mut running, |status| panic!("{status}"));
    running.stop();
    let (undisturbed, _) = &*UNDISTURBED;
    let ran = scenario.ran();
    assert_eq!(ran, undisturbed.ran[..ran.len()], "{}", scenario.story());
}
