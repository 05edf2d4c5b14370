//! The agent ends in the middle of a hook, and the next one goes on.

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, HostCommand, Operation, ScriptedDeployment, Specification, When,
    s3_revision, specification,
};
use integration_tests::objects::HeldRevision;
use integration_tests::{DaemonHost, agent, eventually, is_alive};
use nix::sys::signal::Signal;
use rstest::rstest;

use crate::scene::{Scene, calls_for, end_by};

#[rstest]
#[case::terminated(Signal::SIGTERM)]
#[case::interrupted(Signal::SIGINT)]
#[case::killed(Signal::SIGKILL)]
fn a_hook_goes_on_and_the_next_agent_reports_what_it_came_to(#[case] signal: Signal) {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    let (runner, script) = scene.in_hook();
    end_by(&mut first, signal);
    assert!(is_alive(runner) && is_alive(script));
    let mut second = scene.daemon.start();
    scene.taken_up(1);
    assert!(is_alive(script));
    scene.release();
    scene.assert_succeeded(&deployment);
    scene.daemon.wait_until_idle();
    second.stop();
    let tracking = scene.daemon.host.root().join("ongoing-deployment");
    assert_eq!(fs_err::read_dir(tracking).unwrap().count(), 0);
}

#[test]
fn a_hook_that_fails_after_the_agent_was_stopped_is_reported_with_all_of_its_output() {
    let scene = Scene::with("", "exit 3");
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGTERM);
    let _second = scene.daemon.start();
    scene.taken_up(1);
    scene.release();
    let diagnostics = scene.assert_failed(&deployment, 4);
    assert_eq!(diagnostics["script_name"], "one.sh");
    let log = diagnostics["log"].as_str().unwrap();
    assert!(
        log.contains("[stdout]before\n") && log.contains("[stdout]after\n"),
        "{log}"
    );
    assert_eq!(scene.ran(), ["one"]);
}

#[test]
fn the_time_of_a_hook_is_counted_on_by_its_runner() {
    let scene = Scene::new();
    let bundle = scene
        .daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: slow.sh\n    timeout: 2\n")
        .script(
            "slow.sh",
            &format!(
                "touch {}; sleep 600",
                scene.daemon.host.path("pids").display()
            ),
        );
    scene.daemon.publish("b.zip", bundle.path());
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    eventually("the hook to begin", || {
        scene.daemon.host.path("pids").exists()
    });
    end_by(&mut first, Signal::SIGTERM);
    let _second = scene.daemon.start();
    let diagnostics = scene.assert_failed(&deployment, 3);
    assert!(
        diagnostics["message"]
            .as_str()
            .unwrap()
            .contains("2 seconds")
    );
}

#[test]
fn a_hook_that_ends_while_no_agent_runs_is_followed_by_the_next() {
    for (end, code) in [("exit 0", 0), ("exit 9", 4)] {
        let scene = Scene::with("", end);
        let mut first = scene.daemon.start();
        let deployment = scene.deploy();
        scene.in_hook();
        end_by(&mut first, Signal::SIGKILL);
        scene.release();
        let outcome = scene.run_directory(0).join("outcome.json");
        eventually("the outcome", || outcome.exists());
        let _second = scene.daemon.start();
        if code == 0 {
            scene.assert_succeeded(&deployment);
        } else {
            scene.assert_failed(&deployment, code);
        }
    }
}

#[test]
fn five_agents_in_one_hook() {
    let scene = Scene::new();
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    let (_, script) = scene.in_hook();
    for (number, signal) in [
        Signal::SIGTERM,
        Signal::SIGKILL,
        Signal::SIGINT,
        Signal::SIGKILL,
        Signal::SIGTERM,
    ]
    .into_iter()
    .enumerate()
    {
        end_by(&mut running, signal);
        running = scene.daemon.start();
        scene.taken_up(number + 1);
        assert!(is_alive(script));
    }
    scene.release();
    scene.assert_succeeded(&deployment);
}

#[test]
fn daemons_that_hooks_have_started_live_on() {
    let scene = Scene::new();
    let path = scene.daemon.host.path("server");
    let bundle = scene
        .daemon
        .host
        .bundle()
        .appspec("hooks:\n  ApplicationStart:\n  - location: start.sh\n")
        .script(
            "start.sh",
            &format!(
                "(while [ -d {0} ]; do sleep 0.1; done) >/dev/null 2>&1 &\necho $! >{1}",
                scene.daemon.host.path("").display(),
                path.display()
            ),
        );
    scene.daemon.publish("b.zip", bundle.path());
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    assert_eq!(
        scene.daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    let server: i32 = fs_err::read_to_string(path)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        end_by(&mut running, signal);
        assert!(is_alive(server));
        running = scene.daemon.start();
    }
    assert!(is_alive(server));
}

#[test]
fn upgrading_both_programs_in_the_middle_of_a_hook_leads_to_success() {
    let scene = Scene::new();
    let directory = scene.daemon.host.path("bin");
    fs_err::create_dir(&directory).unwrap();
    let install = || {
        for name in ["agent", "hooks-runner"] {
            let new = directory.join(format!("{name}.new"));
            fs_err::copy(agent().with_file_name(name), &new).unwrap();
            fs_err::rename(new, directory.join(name)).unwrap();
        }
    };
    install();
    let mut first = scene.daemon.start_program(&directory.join("agent"), &[]);
    let deployment = scene.deploy();
    scene.in_hook();
    install();
    end_by(&mut first, Signal::SIGTERM);
    let _second = scene.daemon.start_program(&directory.join("agent"), &[]);
    scene.taken_up(1);
    scene.release();
    scene.assert_succeeded(&deployment);
}

/// Gives the host another name, as a copy of its disk has.
fn rename_host(daemon: &DaemonHost) {
    let identity = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    let renamed = identity.replace(
        DaemonHost::IDENTIFIER,
        &format!("{}-2", DaemonHost::IDENTIFIER),
    );
    fs_err::write(daemon.host.on_premises_file(), renamed).unwrap();
}

/// Starts an agent under another name, and waits until it has closed what the journal has.
fn closed_by_another_host(scene: &Scene, while_it_runs: impl FnOnce()) {
    rename_host(&scene.daemon);
    let before = scene.daemon.service.calls().len();
    let mut second = scene.daemon.start();
    eventually("the command of the other host to be found", || {
        let said = format!("a command of the host {},", DaemonHost::IDENTIFIER);
        scene.daemon.log().contains(&said)
    });
    while_it_runs();
    scene.daemon.wait_until_idle();
    second.stop();
    let calls = scene.daemon.service.calls();
    let others = calls[before..]
        .iter()
        .filter(|call| call.operation != Some(Operation::Poll));
    assert_eq!(others.count(), 0, "{:?}", &calls[before..]);
    let tracking = scene.daemon.host.root().join("ongoing-deployment");
    assert_eq!(fs_err::read_dir(tracking).unwrap().count(), 0);
}

#[test]
fn a_command_of_another_host_is_neither_gone_on_with_nor_reported() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let _ = scene.deploy();
    let (_, script) = scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    closed_by_another_host(&scene, || {
        // What runs of it is awaited.
        assert!(is_alive(script));
        scene.release();
    });
    assert_eq!(scene.ran(), ["one"]);
}

#[test]
fn a_result_of_another_host_is_not_reported() {
    let scene = Scene::new();
    scene.release();
    let faults = &scene.daemon.service;
    faults.fault(Operation::Complete, When::Always, Fault::ServerError);
    let mut first = scene.daemon.start();
    let _ = scene.deploy();
    eventually("a result", || !scene.daemon.pending().is_empty());
    end_by(&mut first, Signal::SIGKILL);
    faults.heal();
    closed_by_another_host(&scene, || {});
}

#[test]
fn an_install_of_another_host_is_recovered() {
    let scene = Scene::new();
    let _ = scene.deploy();
    let arm = ("CODEDEPLOY_FAILPOINT", "InstallPlace@1=kill".to_owned());
    scene.daemon.start_program(&agent(), &[arm]).wait();
    let instructions = scene.daemon.host.root().join("deployment-instructions");
    let is_under_way = || instructions.join(".group-1-install").exists();
    assert!(is_under_way());
    closed_by_another_host(&scene, || {
        eventually("the Install to be recovered", || !is_under_way());
    });
    assert!(!scene.daemon.host.destination().join("label").exists());
}

#[test]
fn a_command_of_an_earlier_version_which_did_not_note_the_host_is_gone_on_with() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    let host = format!(r#""host_identifier":"{}","#, DaemonHost::IDENTIFIER);
    assert!(
        fs_err::read_to_string(scene.daemon.journal())
            .unwrap()
            .contains(&host)
    );
    scene
        .daemon
        .rewrite_journal(|record| record.replace(&host, ""));
    let _second = scene.daemon.start();
    scene.release();
    scene.assert_succeeded(&deployment);
}

#[test]
fn a_command_that_was_taken_up_is_not_begun_anew_and_the_deployments_next_one_waits() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    let command = scene.command();
    let (service, host) = (&scene.daemon.service, DaemonHost::IDENTIFIER);
    let again = HostCommand {
        id: command.clone(),
        ..HostCommand::new(host, &deployment.execution_id, "AfterInstall")
    };
    let next = HostCommand::new(host, &deployment.execution_id, "ApplicationStop");
    end_by(&mut first, Signal::SIGTERM);
    service.queue(host, again.clone());
    service.queue(host, next.clone());
    let mut second = scene.daemon.start();
    service.wait_for("the specification for the next command", |calls| {
        let specifications = calls
            .iter()
            .filter(|call| call.operation == Some(Operation::Specification));
        // One a command so far: ApplicationStop to AfterInstall; then the next one's.
        specifications.count() == 6
    });
    assert_eq!(
        calls_for(&service.calls(), Operation::Acknowledge, &next.id),
        0
    );
    assert_eq!(
        calls_for(&service.calls(), Operation::Acknowledge, &command),
        1
    );
    scene.release();
    scene.assert_succeeded(&deployment);
    service.wait_for("the next command", |calls| {
        calls_for(calls, Operation::Acknowledge, &next.id) == 1
    });
    second.stop();
    // Once more when it is over, to yet another agent.
    service.queue(host, again);
    let mut third = scene.daemon.start();
    eventually("the command to be recognised", || {
        scene
            .daemon
            .log()
            .matches("hands out a command again")
            .count()
            == 2
    });
    third.stop();
    assert_eq!(scene.ran(), ["one", "two"]);
    assert_eq!(
        calls_for(&service.calls(), Operation::Complete, &command),
        1
    );
}

#[rstest]
#[case::terminated(Signal::SIGTERM)]
#[case::killed(Signal::SIGKILL)]
fn a_download_goes_on_where_it_was(#[case] signal: Signal) {
    let (daemon, revision) = (DaemonHost::default(), HeldRevision::start());
    let configuration = daemon.host.configuration();
    let text = fs_err::read_to_string(&configuration).unwrap();
    let own = text.replace(&daemon.s3.endpoint(), &revision.server().endpoint());
    fs_err::write(&configuration, own).unwrap();
    let content = specification("d-1", "group-1", &s3_revision("revisions", "b.tar", "tar"));
    let signed = Specification::signed(&Signer::new(), &content);
    let deployment = ScriptedDeployment::in_place("d-1", signed);
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &deployment);
    let mut first = daemon.start();
    let directory = daemon.host.root().join("group-1/d-1");
    revision.wait_for_parts(&directory);
    end_by(&mut first, signal);
    for kept in ["bundle.tar.partial", "bundle.tar.parts"] {
        assert!(directory.join(kept).exists(), "{kept}");
    }
    let before = revision.server().requests().len();
    revision.open();
    let _second = daemon.start();
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded,
        "{}",
        daemon.log()
    );
    // Nothing that was there, and at once where the bucket is.
    for request in &revision.server().requests()[before..] {
        let range = request.range.as_ref().unwrap();
        assert!(range.start >= HeldRevision::ARRIVE, "{range:?}");
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains("/ap-south-1/s3/"), "{signed}");
    }
}
