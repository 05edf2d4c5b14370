//! A service that throttles many at once.

use std::time::Duration;

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Ending, Fault, Operation, ScriptedDeployment, Specification, When,
};
use integration_tests::{DaemonHost, accepted};
use serde_json::json;

/// As many commands as are at work at once, and polls.
const AT_ONCE: usize = 17;

/// More throttled calls than can be on their way at once, so that some are sent when the agent
/// knows already.
const THROTTLED: usize = AT_ONCE + 3;

#[test]
fn no_result_is_lost_and_the_rate_goes_down() {
    let daemon = DaemonHost::default();
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    let times = u64::try_from(THROTTLED).unwrap();
    daemon
        .service
        .fault(Operation::Complete, When::Next(times), Fault::Throttled);
    let deployments: Vec<_> = (0..16)
        .map(|number| {
            let id = format!("d-{number}");
            let mut content = daemon.specification(&id, "b.zip");
            content["DeploymentGroupId"] = json!(format!("group-{number}"));
            let signed = Specification::signed(&Signer::new(), &content);
            let scripted = ScriptedDeployment::new(&id, signed, &["DownloadBundle"]);
            let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
            scripted
        })
        .collect();
    let mut running = daemon.start();
    for deployment in &deployments {
        assert_eq!(
            daemon.service.wait_for_end(deployment),
            DeploymentEnd::Succeeded
        );
    }
    daemon.wait_until_idle();
    running.stop();
    let calls = daemon.service.calls();
    assert_eq!(accepted(&calls).len(), 16);
    let throttled: Vec<_> = calls
        .iter()
        .filter(|call| call.ending == Ending::Answered(429))
        .collect();
    assert_eq!(throttled.len(), THROTTLED);
    // At most `AT_ONCE` were on their way when the first answer came. After each of the others the
    // gate was closed for a second at least, for all calls; a part of that is allowed for the way.
    let later = u32::try_from(THROTTLED - AT_ONCE).unwrap();
    let storm = throttled.last().unwrap().at - throttled[0].at;
    assert!(storm >= later * Duration::from_millis(500), "{storm:?}");
    let last = throttled.last().unwrap().at;
    let soon = calls
        .iter()
        .filter(|call| call.at > last && call.at < last + Duration::from_millis(500))
        .count();
    assert!(soon < AT_ONCE, "{soon} calls right after one was throttled");
}
