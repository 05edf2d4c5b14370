//! A host on which only AWS's agents have deployed.

use integration_tests::TestHost;
use serde_json::json;

use super::*;

#[test]
fn what_is_on_the_disk_is_listed_and_shown() {
    let host = TestHost::new();
    let root = host.root();
    let instructions = root.join("deployment-instructions");
    let deployment = root.join("group-1/d-AWS");
    fs_err::create_dir_all(deployment.join("deployment-archive")).unwrap();
    fs_err::create_dir_all(deployment.join("logs")).unwrap();
    fs_err::create_dir_all(root.join("group-1/d-NEWER-local")).unwrap();
    fs_err::create_dir_all(root.join("deployment-logs")).unwrap();
    fs_err::create_dir_all(&instructions).unwrap();
    let target = deployment.display().to_string();
    for pointer in [
        "group-1_last_successful_install",
        "group-1_most_recent_install",
    ] {
        fs_err::write(instructions.join(pointer), &target).unwrap();
    }
    let log =
        "2026-01-01 00:00:00 LifecycleEvent - Mine\n2026-01-01 00:00:00 [stdout]\u{1b}[31mred\n";
    fs_err::write(deployment.join("logs/scripts.log"), log).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
    fs_err::File::open(&deployment)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let list = list(&host);
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["id"], "d-NEWER-local");
    assert_eq!(list[0]["requester"], "local");
    assert_eq!(
        list[1],
        json!({
            "id": "d-AWS",
            "group_id": "group-1",
            "group_name": null,
            "application": null,
            "revision": null,
            "requester": "service",
            "began": "2026-09-21T14:13:20.000Z",
            "ended": null,
            "result": "unknown",
            "event": null,
            "code": null,
            "message": null,
            "directory": deployment,
            "has_archive": true,
            "most_recent": true,
            "last_successful": true,
        })
    );
    let said = human(&host, &["deployments", "show", "d-AWS"]);
    assert!(
        said.contains("unknown: only its directory is known"),
        "{said}"
    );
    assert!(said.contains("Changed      2026-09-21 14:13:20"), "{said}");
    let logs = run(&host, &["deployments", "logs", "d-AWS"]);
    assert_eq!(text(&logs.stdout), log);
    let status = run(&host, &["status"]);
    assert_eq!(status.status.code(), Some(3));
    let status = text(&status.stdout);
    assert!(
        status.starts_with(
            "The CodeDeploy host agent is not running\nLast of group-1: d-NEWER-local"
        ),
        "{status}"
    );
}

#[test]
fn the_directory_of_tracking_files_is_no_group_whatever_its_name() {
    let host = TestHost::with_configuration("ongoing_deployment_tracking: at-work");
    for directory in ["group-1/d-AWS", "at-work/d-TRACKED"] {
        fs_err::create_dir_all(host.root().join(directory)).unwrap();
    }
    let list = list(&host);
    let ids: Vec<_> = list.iter().map(|past| &past["id"]).collect();
    assert_eq!(ids, ["d-AWS"]);
}

#[test]
fn who_may_not_look_is_told_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let host = TestHost::new();
    fs_err::create_dir(host.root()).unwrap();
    fs_err::set_permissions(host.root(), std::fs::Permissions::from_mode(0o311)).unwrap();
    let output = run(&host, &["deployments"]);
    fs_err::set_permissions(host.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("look as root"), "{output:?}");
}
