//! `agent clean` beside an agent that is at work, and killed itself.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::{DaemonHost, TestHost, eventually};

use crate::program::Program;

const DEPLOYMENTS: usize = 6;

/// Also when a test fails.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn deployments_succeed_while_it_runs_all_the_time() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: file\n  destination: {}\nhooks:\n  ApplicationStop:\n  - location: \
             say.sh\n  BeforeInstall:\n  - location: say.sh\n  ValidateService:\n  - location: \
             say.sh\n",
            host.destination().display()
        ))
        .file("file", "content")
        .script("say.sh", "test -f \"$(dirname \"$0\")/file\"");
    daemon.publish("one.zip", bundle.path());
    let mut running = daemon.start();
    let (over, configuration) = (AtomicBool::new(false), host.configuration());
    std::thread::scope(|scope| {
        let cleaning = scope.spawn(|| {
            let mut runs = 0;
            while !over.load(Ordering::Relaxed) {
                let clean = ["clean", "--keep", "1"];
                Program::with_configuration(&configuration, clean)
                    .run()
                    .assert_exit(0);
                runs += 1;
            }
            runs
        });
        let at_end = AtEnd(&over);
        for number in 0..DEPLOYMENTS {
            let scripted = daemon.deploy(&format!("d-{number}"), "one.zip");
            let end = daemon.service.wait_for_end(&scripted);
            assert_eq!(end, DeploymentEnd::Succeeded, "{number}\n{}", daemon.log());
        }
        drop(at_end);
        assert!(cleaning.join().unwrap() >= 1);
    });
    daemon.wait_until_idle();
    Program::new(host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    running.stop();
    let left: Vec<_> = fs_err::read_dir(host.root().join("group-1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, [format!("d-{}", DEPLOYMENTS - 1)]);
    assert!(
        host.root()
            .join("group-1")
            .join(&left[0])
            .join("deployment-archive")
            .is_dir()
    );
}

#[test]
fn a_deployment_that_waits_in_a_hook_keeps_everything() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    let (begun, go) = (host.path("begun"), host.path("go"));
    let bundle = host
        .bundle()
        .appspec("hooks:\n  BeforeInstall:\n  - location: wait.sh\n")
        .script(
            "wait.sh",
            &format!(
                "touch {}\nuntil [ -e {} ]; do sleep 0.02; done",
                begun.display(),
                go.display()
            ),
        );
    daemon.publish("one.zip", bundle.path());
    let mut running = daemon.start();
    let scripted = daemon.deploy("d-HOOK", "one.zip");
    eventually("the hook to run", || begun.exists());
    let own = host.root().join("group-1/d-HOOK");
    // Not the newest any more, and nothing points to it.
    fs_err::create_dir_all(host.root().join("group-1/d-NEWER/deployment-archive")).unwrap();
    for name in [
        "group-1_most_recent_install",
        "group-1_last_successful_install",
    ] {
        let _ = fs_err::remove_file(host.root().join("deployment-instructions").join(name));
    }
    let shown = Program::new(host, ["clean", "--keep", "1", "--dry-run"])
        .run()
        .assert_exit(0);
    shown.assert_says("stays: a command of it is at work");
    Program::new(host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    assert!(own.join("bundle.tar").exists());
    assert!(own.join("deployment-archive/wait.sh").exists());
    // Also when the agent is gone and its hook is not.
    running.signal(nix::sys::signal::Signal::SIGKILL);
    let _ = running.wait();
    fs_err::remove_file(daemon.journal()).unwrap();
    let _ = fs_err::remove_dir_all(host.root().join("ongoing-deployment"));
    let shown = Program::new(host, ["clean", "--keep", "1", "--dry-run"])
        .run()
        .assert_exit(0);
    shown.assert_says("stays: a hook of it is running");
    Program::new(host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    assert!(own.join("bundle.tar").exists());
    fs_err::write(&go, "").unwrap();
    drop(scripted);
    eventually("the hook to end", || {
        let shown = Program::new(host, ["clean", "--keep", "1", "--dry-run"]).run();
        !shown.stdout.contains("a hook of it is running")
    });
}

/// A deployment with so many files that its removal takes a while.
fn large(path: &Path) {
    const FILES: usize = 4_000;
    fs_err::create_dir_all(path.join("deployment-archive")).unwrap();
    for number in 0..FILES {
        let file = path.join(format!("deployment-archive/{number}"));
        fs_err::write(file, "").unwrap();
    }
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_half_and_goes_on_the_next_time() {
    let host = TestHost::new();
    let group = host.root().join("group");
    fs_err::create_dir_all(host.root().join("deployment-instructions")).unwrap();
    let aside = group.join(".removed-d-1");
    let mut caught = false;
    for _ in 0..20 {
        large(&group.join("d-1"));
        fs_err::create_dir_all(group.join("d-2/deployment-archive")).unwrap();
        fs_err::write(group.join("d-2/bundle.tar"), "x").unwrap();
        let mut clean = Program::new(&host, ["clean", "--keep", "1"]).start();
        eventually("the removal to begin", || !group.join("d-1").exists());
        clean.kill().unwrap();
        clean.wait().unwrap();
        let half = aside.exists();
        assert!(!group.join("d-1").exists());
        assert!(group.join("d-2/deployment-archive").is_dir());
        let again = Program::new(&host, ["clean", "--keep", "1"])
            .run()
            .assert_exit(0);
        if half {
            again.assert_says(&format!("removed leftover {}", aside.display()));
            caught = true;
        }
        let left = fs_err::read_dir(&group).unwrap().count();
        assert_eq!(left, 1, "{again:#?}");
        if caught {
            break;
        }
    }
    assert!(caught, "never killed in the middle");
}
