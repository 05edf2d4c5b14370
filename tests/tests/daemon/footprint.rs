//! What commands cost that does not depend on the machine: file syncs, and what is left over.

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Ending, Operation, ScriptedDeployment, Specification,
};
use integration_tests::{DaemonHost, Footprint, SyncCounter, eventually};

const EVENTS: [&str; 3] = ["AfterInstall", "ApplicationStart", "ValidateService"];

/// A host with a published revision that has one hook for each of the events.
fn host() -> DaemonHost {
    let host = DaemonHost::default();
    let hooks: String = EVENTS
        .iter()
        .map(|event| format!("  {event}:\n  - location: hook.sh\n"))
        .collect();
    let bundle = host
        .host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\nfile_exists_behavior: OVERWRITE\n\
             hooks:\n{hooks}",
            host.host.destination().display()
        ))
        .file("app/label", "label")
        .script("hook.sh", "echo done");
    host.publish("revision.zip", bundle.path());
    host
}

fn deploy(host: &DaemonHost, signer: &Signer, id: &str, execution: u32, commands: &[&str]) {
    let signed = Specification::signed(signer, &host.specification(id, "revision.zip"));
    let mut deployment = ScriptedDeployment::new(id, signed, commands);
    deployment.execution_id = format!("us-east-1/123456789012/{id}/{execution}");
    let _ = host.service.deploy(DaemonHost::IDENTIFIER, &deployment);
    let end = host.service.wait_for_end(&deployment);
    assert_eq!(end, DeploymentEnd::Succeeded, "{}", host.log());
    // What is done after the service has the last result belongs to it.
    host.service.wait_for("nothing but a poll", |calls| {
        let mut open = calls.iter().filter(|call| call.ending == Ending::Open);
        open.all(|call| call.operation == Some(Operation::Poll))
    });
}

const PREPARATION: [&str; 2] = ["DownloadBundle", "Install"];

#[test]
fn a_command_with_a_hook_takes_at_most_five_file_syncs() {
    let host = host();
    let signer = Signer::new();
    let daemon = host.start();
    deploy(&host, &signer, "d-1", 1, &PREPARATION);
    let counter = SyncCounter::attach(daemon.pid());
    deploy(&host, &signer, "d-1", 2, &EVENTS);
    let count = counter.count();
    let commands = u64::try_from(EVENTS.len()).unwrap();
    assert!(count > 0, "results are durable");
    assert!(
        count <= 5 * commands,
        "{count} file syncs for {commands} commands"
    );
}

#[test]
fn nothing_is_left_over_of_many_deployments() {
    let host = host();
    let signer = Signer::new();
    let mut daemon = host.start();
    let commands = [&PREPARATION[..], &EVENTS[..]].concat();
    let deploy = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            deploy(&host, &signer, &format!("d-{number}"), 1, &commands);
        }
        Footprint::of(daemon.pid())
    };
    let first = deploy(0..8);
    deploy(8..40);
    // A connection that the other side has closed is noticed in time.
    eventually("descriptors, threads and zombies as before", || {
        let last = Footprint::of(daemon.pid());
        last.descriptors <= first.descriptors && last.threads <= first.threads && last.zombies == 0
    });
    let last = Footprint::of(daemon.pid());
    assert!(
        last.anonymous_kb <= first.anonymous_kb + 2048,
        "{first:?}, then {last:?}"
    );
    daemon.stop();
}
