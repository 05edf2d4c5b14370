//! Whole deployments.

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Operation, ScriptedDeployment, Specification,
};
use integration_tests::{Bundle, DaemonHost};
use serde_json::json;

/// A bundle that installs a file and says, in each event, where it runs from.
fn bundle(daemon: &DaemonHost, label: &str) -> Bundle {
    const EVENTS: [&str; 9] = [
        "ApplicationStop",
        "BeforeInstall",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    let hooks: String = EVENTS
        .iter()
        .map(|event| format!("  {event}:\n  - location: say.sh\n"))
        .collect();
    daemon
        .host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\nhooks:\n{hooks}",
            daemon.host.destination().display()
        ))
        .file("app/label", label)
        .script(
            "say.sh",
            &format!("echo \"$LIFECYCLE_EVENT {label} $BUNDLE_KEY\""),
        )
}

fn script_log(daemon: &DaemonHost, deployment: &str) -> Vec<String> {
    let log = daemon
        .host
        .root()
        .join("group-1")
        .join(deployment)
        .join("logs/scripts.log");
    fs_err::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.get(20..)?.strip_prefix("[stdout]").map(str::to_owned))
        .collect()
}

fn installed(daemon: &DaemonHost) -> String {
    fs_err::read_to_string(daemon.host.destination().join("label")).unwrap()
}

#[test]
fn in_place_twice_with_every_call_as_the_protocol_has_it() {
    let daemon = DaemonHost::default();
    daemon.publish("one.zip", bundle(&daemon, "one").path());
    daemon.publish("two.zip", bundle(&daemon, "two").path());
    let mut running = daemon.start();
    let first = daemon.deploy("d-ONE", "one.zip");
    assert_eq!(
        daemon.service.wait_for_end(&first),
        DeploymentEnd::Succeeded
    );
    assert_eq!(installed(&daemon), "one");
    let second = daemon.deploy("d-TWO", "two.zip");
    assert_eq!(
        daemon.service.wait_for_end(&second),
        DeploymentEnd::Succeeded
    );
    running.stop();
    assert_eq!(installed(&daemon), "two");
    assert_eq!(
        script_log(&daemon, "d-TWO")[..2],
        ["ApplicationStop one two.zip", "BeforeInstall two two.zip"]
    );
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
    // Of the second deployment: for each command its specification, one acknowledgement, one
    // completion, in this order.
    let calls = daemon.service.calls();
    let second_id = &second.execution_id;
    let begin = calls
        .iter()
        .position(|call| {
            call.operation == Some(Operation::Specification)
                && call.text("DeploymentExecutionId") == second_id
        })
        .unwrap();
    let transcript: Vec<String> = calls[begin..]
        .iter()
        .filter(|call| call.operation != Some(Operation::Poll))
        .map(|call| {
            let command = call
                .text("HostCommandIdentifier")
                .rsplit('-')
                .next()
                .unwrap();
            let detail = match call.operation.unwrap() {
                Operation::Acknowledge => call.body["Diagnostics"]["Payload"].to_string(),
                Operation::Complete => {
                    let diagnostics = call.diagnostics();
                    format!("{} {}", diagnostics["error_code"], diagnostics["message"])
                }
                _ => String::new(),
            };
            format!("{} {command} {detail}", call.operation.unwrap())
                .trim()
                .to_owned()
        })
        .collect();
    let expected: Vec<String> = second
        .commands
        .iter()
        .flat_map(|command| {
            [
                "GetDeploymentSpecification".to_owned(),
                format!(
                    "PutHostCommandAcknowledgement {command} \"{{\\\"IsCommandNoop\\\":false}}\""
                ),
                format!("PutHostCommandComplete {command} 0 \"Succeeded: \""),
            ]
        })
        .collect();
    assert_eq!(transcript, expected);
}

#[test]
fn a_failing_hook_is_reported_once_with_its_log() {
    let daemon = DaemonHost::default();
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: fail.sh\n")
        .script("fail.sh", "echo out; echo err >&2; exit 7");
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    daemon.wait_until_idle();
    running.stop();
    let calls = daemon.service.calls();
    let failed: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == Some(Operation::Complete))
        .filter(|call| call.text("CommandStatus") == "Failed")
        .collect();
    assert_eq!(failed.len(), 1);
    let diagnostics = failed[0].diagnostics();
    assert_eq!(diagnostics["error_code"], 4);
    assert_eq!(diagnostics["script_name"], "fail.sh");
    let log = diagnostics["log"].as_str().unwrap();
    for line in [
        "LifecycleEvent - AfterInstall\n",
        "Script - fail.sh\n",
        "[stdout]out\n",
        "[stderr]err\n",
    ] {
        assert!(log.contains(line), "{log}");
    }
}

/// What ApplicationStop came to when this is added to the AppSpec of the revision that is installed,
/// and whether its script ran.
fn stop_with(added: &str) -> (String, bool) {
    let daemon = DaemonHost::default();
    for label in ["one", "two"] {
        daemon.publish(&format!("{label}.zip"), bundle(&daemon, label).path());
    }
    let mut running = daemon.start();
    let deploy = |id: &str, key: &str| {
        let deployment = daemon.deploy(id, key);
        let end = daemon.service.wait_for_end(&deployment);
        assert_eq!(end, DeploymentEnd::Succeeded, "{}", daemon.log());
    };
    deploy("d-ONE", "one.zip");
    let group = daemon.host.root().join("group-1");
    let appspec = group.join("d-ONE/deployment-archive/appspec.yml");
    let text = fs_err::read_to_string(&appspec).unwrap();
    fs_err::write(&appspec, text.replace("  ApplicationStop:\n", added)).unwrap();
    deploy("d-TWO", "two.zip");
    running.stop();
    assert_eq!(installed(&daemon), "two");
    let ran = script_log(&daemon, "d-TWO");
    let ran = ran.iter().any(|line| line.starts_with("ApplicationStop"));
    (daemon.log(), ran)
}

#[test]
fn scripts_of_the_previous_revision_that_lead_out_of_it_are_skipped_and_nobody_has_to_mend_that() {
    let (log, ran) = stop_with("  ApplicationStop:\n  - location: ../../../shared/stop.sh\n");
    assert!(!ran);
    for said in ["ApplicationStop is skipped", "../../../shared/stop.sh"] {
        assert!(log.contains(said), "{log}");
    }
}

#[test]
fn what_is_wrong_elsewhere_in_the_previous_revisions_appspec_keeps_no_script_from_running() {
    let (log, ran) =
        stop_with("  MyOwnEvent:\n  - location: ../../../shared/own.sh\n  ApplicationStop:\n");
    assert!(ran, "{log}");
    assert!(!log.contains("skipped"), "{log}");
}

#[test]
fn both_tracks_of_blue_green_and_its_rollback_take_the_revisions_of_the_table() {
    let daemon = DaemonHost::default();
    for label in ["one", "two", "three"] {
        daemon.publish(&format!("{label}.zip"), bundle(&daemon, label).path());
    }
    let mut running = daemon.start();
    let deploy = |id: &str, key: &str, creator: &str, commands: &[&str]| {
        let mut content = daemon.specification(id, key);
        content["DeploymentType"] = json!("BLUE_GREEN");
        content["DeploymentCreator"] = json!(creator);
        let signed = Specification::signed(&Signer::new(), &content);
        let scripted = ScriptedDeployment::new(id, signed, commands);
        let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
        assert_eq!(
            daemon.service.wait_for_end(&scripted),
            DeploymentEnd::Succeeded,
            "{id}"
        );
        script_log(&daemon, id)
    };
    const GREEN: [&str; 9] = [
        "ApplicationStop",
        "DownloadBundle",
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    // The replacement track, on this host as a green one.
    let log = deploy("d-GREEN", "one.zip", "user", &GREEN);
    assert_eq!(log.first().unwrap(), "BeforeInstall one one.zip");
    assert_eq!(log.last().unwrap(), "AfterAllowTraffic one one.zip");
    // The original track of the next deployment, on this host as a blue one.
    let blue = ["BeforeBlockTraffic", "AfterBlockTraffic"];
    let log = deploy("d-BLUE", "two.zip", "user", &blue);
    assert_eq!(
        log,
        [
            "BeforeBlockTraffic one two.zip",
            "AfterBlockTraffic one two.zip"
        ]
    );
    // A download without an Install: most recent and last successful differ from here on.
    let _ = deploy("d-HALF", "three.zip", "user", &["DownloadBundle"]);
    let rollback = ["BeforeBlockTraffic", "AfterBlockTraffic"];
    let log = deploy("d-BACK1", "one.zip", "codeDeployRollback", &rollback);
    assert_eq!(
        log,
        [
            "BeforeBlockTraffic three one.zip",
            "AfterBlockTraffic three one.zip"
        ]
    );
    let rollback = ["BeforeAllowTraffic", "AfterAllowTraffic"];
    let log = deploy("d-BACK2", "one.zip", "codeDeployRollback", &rollback);
    assert_eq!(
        log,
        [
            "BeforeAllowTraffic one one.zip",
            "AfterAllowTraffic one one.zip"
        ]
    );
    running.stop();
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
}

#[test]
fn a_restart_deployment_takes_the_revision_from_the_disk_or_says_that_it_did_not() {
    let daemon = DaemonHost::default();
    daemon.publish("one.zip", bundle(&daemon, "one").path());
    let mut running = daemon.start();
    let first = daemon.deploy("d-ONE", "one.zip");
    assert_eq!(
        daemon.service.wait_for_end(&first),
        DeploymentEnd::Succeeded
    );
    let restart = |id: &str, from: &str| {
        let mut content = daemon.specification(id, "one.zip");
        content["ReuseArchiveFromDeploymentId"] = json!(from);
        let signed = Specification::signed(&Signer::new(), &content);
        let scripted = ScriptedDeployment::in_place(id, signed);
        let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
        assert_eq!(
            daemon.service.wait_for_end(&scripted),
            DeploymentEnd::Succeeded
        );
        let calls = daemon.service.calls();
        let download = integration_tests::accepted(&calls)
            .into_iter()
            .rfind(|call| {
                call.text("HostCommandIdentifier")
                    .ends_with("-DownloadBundle")
            })
            .unwrap()
            .diagnostics();
        let downloaded = daemon
            .host
            .root()
            .join("group-1")
            .join(id)
            .join("bundle.tar")
            .exists();
        (download["message"].as_str().unwrap().to_owned(), downloaded)
    };
    assert_eq!(
        restart(
            "d-TWO",
            "arn:aws:codedeploy:us-east-1:123456789012:deployment/d-ONE"
        ),
        ("Succeeded: BundleSource=archive-reuse".to_owned(), false)
    );
    assert_eq!(
        restart("d-THREE", "d-GONE"),
        ("Succeeded: BundleSource=downloaded".to_owned(), true)
    );
    running.stop();
}

#[test]
fn sixteen_deployments_at_once_all_succeed() {
    let daemon = DaemonHost::default();
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n");
    daemon.publish("b.zip", bundle.script("s.sh", "sleep 0.2").path());
    let mut running = daemon.start();
    let deployments: Vec<_> = (0..16)
        .map(|number| {
            let id = format!("d-{number}");
            let mut content = daemon.specification(&id, "b.zip");
            content["DeploymentGroupId"] = json!(format!("group-{number}"));
            let signed = Specification::signed(&Signer::new(), &content);
            let scripted = ScriptedDeployment::in_place(&id, signed);
            let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
            scripted
        })
        .collect();
    for deployment in &deployments {
        assert_eq!(
            daemon.service.wait_for_end(deployment),
            DeploymentEnd::Succeeded
        );
    }
    running.stop();
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
}

#[test]
fn two_deployments_of_one_group_at_once_both_succeed() {
    let daemon = DaemonHost::default();
    for label in ["one", "two"] {
        daemon.publish(&format!("{label}.zip"), bundle(&daemon, label).path());
    }
    let mut running = daemon.start();
    let (one, two) = (
        daemon.deploy("d-1", "one.zip"),
        daemon.deploy("d-2", "two.zip"),
    );
    for deployment in [&one, &two] {
        assert_eq!(
            daemon.service.wait_for_end(deployment),
            DeploymentEnd::Succeeded,
            "{}",
            daemon.log()
        );
    }
    running.stop();
    assert!(["one", "two"].contains(&installed(&daemon).as_str()));
}
