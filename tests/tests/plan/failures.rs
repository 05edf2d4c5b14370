//! Everything that would make a deployment fail is told at once, and then does.

use integration_tests::{TestHost, running_as_root};
use serde_json::json;

use crate::{object, plan, reasons};

#[test]
fn all_reasons_are_told_at_once_in_the_order_of_the_events() {
    let host = TestHost::new();
    let destination = host.destination();
    fs_err::write(destination.join("taken"), "foreign").unwrap();
    let at = destination.display();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {at}\n- source: nowhere\n  destination: {at}\n\
             permissions:\n- object: {at}\n  pattern: \"**\"\n  acls: [\"user:no-such-user:r\"]\n\
             hooks:\n  BeforeInstall:\n  - location: gone.sh\n  AfterInstall:\n  - location: s.sh\n    \
             runas: no-such-user\n"
        ))
        .file("app/taken", "ours")
        .script("s.sh", "");
    let (outcome, json) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(3), "{outcome:#?}");
    let reasons = reasons(&json);
    for (reason, said) in reasons.iter().zip([
        ("BeforeInstall: ", "gone.sh does not exist"),
        ("Install: ", "nowhere"),
        ("Install: ", "taken exists"),
        ("Install: ", "no-such-user"),
        ("AfterInstall: ", "no-such-user"),
    ]) {
        assert!(
            reason.starts_with(said.0) && reason.contains(said.1),
            "{reasons:#?}"
        );
    }
    assert_eq!(reasons.len(), 5, "{reasons:#?}");
    let conflict = destination.join("taken");
    let about = json["reasons"].as_array().unwrap();
    assert!(
        about
            .iter()
            .any(|reason| reason["path"] == conflict.to_str().unwrap())
    );
    let ran = host.deploy(&bundle).run();
    ran.assert_failure("BeforeInstall", 1);
}

#[test]
fn a_hook_for_an_event_that_never_runs_is_told() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstal:\n  - location: s.sh\n")
        .script("s.sh", "");
    let (outcome, json) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(3));
    assert!(
        reasons(&json)[0].starts_with("Install: ") && reasons(&json)[0].contains("AfterInstal")
    );
    host.deploy(&bundle).run().assert_failure("Install", 5);
}

#[test]
fn the_revision_that_scripts_come_from_is_the_one_that_they_then_come_from() {
    let host = TestHost::new();
    let hooks = "hooks:\n  ApplicationStop:\n  - location: stop.sh\n    timeout: 60\n";
    let first = host.bundle().appspec(hooks).script("stop.sh", "echo first");
    let deployed = host.deploy(&first).run();
    deployed.assert_success();
    let second = host.bundle().appspec("");
    let (_, json) = plan(host.deploy(&second));
    let stop = json["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["event"] == "ApplicationStop");
    assert_eq!(
        stop.unwrap(),
        &json!({
            "event": "ApplicationStop",
            "does": "scripts",
            "revision": "earlier",
            "deployment_directory": deployed.directory(),
            "scripts": [{
                "location": "stop.sh", "runas": null, "sudo": false, "timeout_seconds": 60
            }],
        })
    );
    // And one that is broken by now fails beforehand, as it would then.
    fs_err::remove_file(deployed.directory().join("deployment-archive/stop.sh")).unwrap();
    let (outcome, json) = plan(host.deploy(&second));
    assert_eq!(outcome.exit_code, Some(3));
    assert!(
        reasons(&json)[0].starts_with("ApplicationStop: stop.sh"),
        "{json:#}"
    );
    host.deploy(&second)
        .run()
        .assert_failure("ApplicationStop", 1);
}

#[test]
fn old_deployments_that_would_go_are_told() {
    let host = TestHost::with_configuration("max_revisions: 2");
    let bundle = host.bundle().appspec("");
    let first = host.deploy(&bundle).run();
    let (_, json) = plan(host.deploy(&bundle));
    assert_eq!(json["download"]["removed_deployments"], json!([]));
    let second = host.deploy(&bundle).run();
    let (_, json) = plan(host.deploy(&bundle));
    let removed = &json["download"]["removed_deployments"];
    assert_eq!(removed, &json!([first.directory()]));
    host.deploy(&bundle).run().assert_success();
    assert!(!first.directory().exists() && second.directory().exists());
}

#[test]
fn permissions_are_told_as_they_then_are() {
    if !running_as_root("giving files away") {
        return;
    }
    let host = TestHost::new();
    let at = host.destination();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {at}\npermissions:\n- object: {at}\n  pattern: \
             \"f\"\n  owner: daemon\n  group: bin\n  mode: \"640\"\n  acls: [\"user:bin:rw\"]\n",
            at = at.display()
        ))
        .file("app/f", "content");
    let (outcome, json) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(0), "{outcome:#?}");
    let after = &object(&json, &at.join("f"))["after"];
    host.deploy(&bundle).run().assert_success();
    let (_, again) = plan(host.deploy(&bundle));
    let before = &object(&again, &at.join("f"))["before"];
    assert_eq!(after, before);
    assert_eq!(
        after["acl"],
        json!([
            "user::rw-",
            "user:bin:rw-",
            "group::r--",
            "mask::r--",
            "other::---"
        ])
    );
    assert_eq!(
        (&after["owner"], &after["group"]),
        (&json!("daemon"), &json!("bin"))
    );
}

#[test]
fn a_script_that_its_account_cannot_execute_is_told() {
    if !running_as_root("running scripts as another user") {
        return;
    }
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n    runas: daemon\n")
        .script("s.sh", "");
    let script = bundle.path().join("s.sh");
    for (mode, status, then) in [(0o700, 3, 1), (0o755, 0, 0)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs_err::set_permissions(&script, mode).unwrap();
        let (outcome, json) = plan(host.deploy(&bundle));
        assert_eq!(outcome.exit_code, Some(status), "{json:#}");
        let ran = host.deploy(&bundle).run();
        assert_eq!(ran.exit_code, Some(then), "{ran:#?}");
    }
}

#[test]
fn a_deployment_root_that_cannot_be_is_told() {
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    fs_err::write(host.root(), "no directory").unwrap();
    let (outcome, json) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(3), "{json:#}");
    assert!(reasons(&json)[0].contains("is no directory"), "{json:#}");
    assert_eq!(host.deploy(&bundle).run().exit_code, Some(1));
}

#[test]
fn a_bundle_that_would_be_copied_into_itself_is_told() {
    let host = TestHost::new();
    fs_err::write(host.path("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
    let (outcome, json) = plan(host.deploy_from(host.path("")));
    assert_eq!(outcome.exit_code, Some(3), "{json:#}");
    let ran = host.deploy_from(host.path("")).run();
    let event = ran.assert_failure("DownloadBundle", 5);
    let said = reasons(&json)[0]
        .split(" contains")
        .next()
        .unwrap()
        .to_owned();
    assert!(
        said.starts_with("DownloadBundle: cannot copy the revision"),
        "{json:#}"
    );
    assert!(
        event.message.starts_with("cannot copy the revision"),
        "{event:?}"
    );
}

#[test]
fn what_is_closed_to_the_user_is_told_of() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: nothing is closed to root");
        return;
    }
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    host.deploy(&bundle).run().assert_success();
    let records = host.root().join("deployment-instructions");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs_err::set_permissions(&records, mode(0o000)).unwrap();
    let (outcome, json) = plan(host.deploy(&bundle));
    let ran = host.deploy(&bundle).run();
    fs_err::set_permissions(&records, mode(0o755)).unwrap();
    assert_eq!(
        (outcome.exit_code, ran.exit_code),
        (Some(3), Some(1)),
        "{json:#}"
    );
    let unseen = json["unseen"].to_string();
    assert!(
        unseen.contains("deployment-instructions is closed"),
        "{json:#}"
    );
}

#[test]
fn a_link_that_leads_out_of_the_revision_is_told_of() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\n",
            host.destination().display()
        ))
        .link("app/out", "../../elsewhere")
        .link("app/in", "../appspec.yml")
        .link("app/absolute", "/nowhere");
    let (outcome, json) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(0), "{json:#}");
    let unseen = json["unseen"].as_array().unwrap();
    assert_eq!(unseen.len(), 1, "{json:#}");
    assert!(unseen[0].as_str().unwrap().starts_with("app/out is a link"));
}

/// A small file system; none where it cannot be had.
struct Small(std::path::PathBuf);

impl Small {
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn mount(path: std::path::PathBuf, size: &str) -> Option<Self> {
        use nix::mount::{MsFlags, mount};

        if !running_as_root("a small file system") {
            return None;
        }
        fs_err::create_dir_all(&path).unwrap();
        let options = format!("size={size},mode=755");
        let (kind, flags) = (Some("tmpfs"), MsFlags::empty());
        match mount(kind, &path, kind, flags, Some(options.as_str())) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                assert!(std::env::var_os("REQUIRE_ROOT_TESTS").is_none(), "{error}");
                eprintln!("skipped: cannot mount: {error}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = nix::mount::umount(&self.0);
    }
}

#[test]
fn too_little_room_is_told() {
    let host = TestHost::new();
    // Room for one copy, wherever both are.
    let Some(_both) = Small::mount(host.path("small"), "1500k") else {
        return;
    };
    let root = host.path("small/root");
    let lines = fs_err::read_to_string(host.configuration()).unwrap();
    let old = format!("root_dir: {}", host.root().display());
    let new = lines.replace(&old, &format!("root_dir: {}", root.display()));
    assert_ne!(lines, new);
    fs_err::write(host.configuration(), new).unwrap();
    let content = "x".repeat(1 << 20);
    let at = |path: &str| {
        let files = format!("files:\n- source: app\n  destination: {path}\n");
        host.bundle().appspec(&files).file("app/f", &content)
    };
    let destination = host.path("small/destination");
    let both = at(destination.to_str().unwrap());
    let elsewhere = at(host.destination().to_str().unwrap());
    let larger = at(host.destination().to_str().unwrap()).file("g", &content);
    for (bundle, event) in [
        (both, Some("Install")),
        (elsewhere, None),
        (larger, Some("DownloadBundle")),
    ] {
        let (outcome, json) = plan(host.deploy(&bundle));
        let status = if event.is_some() { 3 } else { 0 };
        assert_eq!(outcome.exit_code, Some(status), "{json:#}");
        let ran = host.deploy(&bundle).run();
        if let Some(event) = event {
            assert!(
                reasons(&json)[0].starts_with(&format!("{event}: ")),
                "{json:#}"
            );
            assert!(
                json["space"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|room| room["enough"] == false)
            );
            ran.assert_failure(event, 5);
        } else {
            ran.assert_success();
        }
        if root.exists() {
            fs_err::remove_dir_all(&root).unwrap();
        }
    }
}

#[test]
fn a_temporary_directory_of_no_use_is_no_plan() {
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    let tar = crate::bundles::tar(bundle.path());
    let (outcome, _) = plan(host.deploy_from(tar).variable("TMPDIR", host.path("gone")));
    assert_eq!(outcome.exit_code, Some(1), "{outcome:#?}");
    assert!(outcome.stderr.contains("TMPDIR"), "{outcome:#?}");
}
