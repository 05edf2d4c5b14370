//! The files that AWS's agents and ours read of each other (contract: deployment, "Directories").

use integration_tests::{TestHost, snapshot};
use serde_json::json;

const GROUP: &str = "default-local-deployment-group";

fn name(suffix: &str) -> String {
    format!("{GROUP}{suffix}")
}

#[test]
fn after_a_deployment_every_record_is_as_the_contract_has_it() {
    let host = TestHost::new();
    let destination = host.destination();
    let to = destination.display();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {to}/made\npermissions:\n- object: {to}/made\n  \
             mode: 640\n  type: [file]\n"
        ))
        .file("app/b", "b")
        .file("app/sub/c", "c")
        .file("app/a", "a");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    assert_eq!(
        host.instructions(&name("-cleanup")).unwrap(),
        format!("{to}/made\n{to}/made/a\n{to}/made/b\n{to}/made/sub\n{to}/made/sub/c\n")
    );
    let archive = outcome.directory().join("deployment-archive");
    let from = archive.display();
    let install: serde_json::Value =
        serde_json::from_str(&host.instructions(&name("-install.json")).unwrap()).unwrap();
    assert_eq!(
        install,
        json!({"instructions": [
            {"type": "mkdir", "directory": format!("{to}/made")},
            {"type": "copy", "source": format!("{from}/app/a"), "destination": format!("{to}/made/a")},
            {"type": "copy", "source": format!("{from}/app/b"), "destination": format!("{to}/made/b")},
            {"type": "mkdir", "directory": format!("{to}/made/sub")},
            {"type": "copy", "source": format!("{from}/app/sub/c"), "destination": format!("{to}/made/sub/c")},
            {"type": "chmod", "mode": "640", "file": format!("{to}/made/a")},
            {"type": "chmod", "mode": "640", "file": format!("{to}/made/b")},
            {"type": "chmod", "mode": "640", "file": format!("{to}/made/sub/c")},
        ]})
    );
    let directory = outcome.directory().display().to_string();
    assert_eq!(
        host.instructions(&name("_last_successful_install"))
            .unwrap(),
        directory
    );
    assert_eq!(
        host.instructions(&name("_most_recent_install")).unwrap(),
        directory
    );
    assert_eq!(
        directory,
        host.root()
            .join(GROUP)
            .join(outcome.deployment_id())
            .display()
            .to_string()
    );
}

#[test]
fn directories_and_files_have_the_modes_that_host_tooling_reads() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", "echo");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    let tree = snapshot(&host.root());
    for (path, mode) in [
        (GROUP.to_owned(), 0o755),
        (format!("{GROUP}/{}", outcome.deployment_id()), 0o755),
        (
            format!("{GROUP}/{}/deployment-archive", outcome.deployment_id()),
            0o755,
        ),
        (
            format!("{GROUP}/{}/logs/scripts.log", outcome.deployment_id()),
            0o644,
        ),
        ("deployment-instructions".to_owned(), 0o755),
        (
            format!("deployment-instructions/{GROUP}-install.json"),
            0o644,
        ),
        (format!("deployment-instructions/{GROUP}-cleanup"), 0o644),
        (
            format!("deployment-instructions/{GROUP}_last_successful_install"),
            0o644,
        ),
        ("deployment-logs".to_owned(), 0o755),
        (
            "deployment-logs/codedeploy-agent-deployments.log".to_owned(),
            0o644,
        ),
    ] {
        let entry = tree
            .get(std::path::Path::new(&path))
            .unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(entry.mode, mode, "{path}: {:o}", entry.mode);
    }
}

#[test]
fn what_aws_agents_left_is_taken_up() {
    let host = TestHost::new();
    let to = host.destination();
    // The records and the archive of a deployment of AWS's agent, made by hand.
    let old = host.root().join(GROUP).join("d-OLD");
    let archive = old.join("deployment-archive");
    fs_err::create_dir_all(&archive).unwrap();
    fs_err::write(
        archive.join("appspec.yml"),
        "version: 0.0\nos: linux\nhooks:\n  ApplicationStop:\n  - location: stop.sh\n",
    )
    .unwrap();
    fs_err::write(archive.join("stop.sh"), "#!/bin/sh\necho old one stops\n").unwrap();
    let instructions = host.root().join("deployment-instructions");
    fs_err::create_dir_all(&instructions).unwrap();
    let write = |suffix: &str, content: String| {
        fs_err::write(instructions.join(name(suffix)), content).unwrap();
    };
    fs_err::create_dir(to.join("olddir")).unwrap();
    fs_err::write(to.join("olddir/old"), "").unwrap();
    fs_err::write(to.join("foreign"), "").unwrap();
    // The last line was cut off while it was written: it is not to be trusted.
    write(
        "-cleanup",
        format!(
            "{0}/olddir\n{0}/olddir/old\n{0}/gone\n{0}/foreign",
            to.display()
        ),
    );
    write("_last_successful_install", old.display().to_string());
    write("_most_recent_install", old.display().to_string());
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: new\n  destination: {}\n",
            to.display()
        ))
        .file("new", "");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    assert!(
        outcome
            .script_log()
            .contains(&"[stdout]old one stops".to_owned())
    );
    let left: Vec<_> = snapshot(&to).into_keys().collect();
    assert_eq!(left, [std::path::PathBuf::from("foreign"), "new".into()]);
}

#[test]
fn a_failing_install_leaves_destinations_and_records_as_they_were() {
    let host = TestHost::new();
    let to = host.destination();
    let files = format!("files:\n- source: app\n  destination: {}\n", to.display());
    let good = host
        .bundle()
        .appspec(&files)
        .file("app/one", "1")
        .file("app/two", "2");
    host.deploy(&good).run().assert_success();
    fs_err::write(to.join("three"), "foreign").unwrap();
    let instructions = host.root().join("deployment-instructions");
    let before = (
        snapshot(&to),
        host.instructions(&name("-cleanup")),
        host.instructions(&name("-install.json")),
        host.instructions(&name("_last_successful_install")),
    );
    let bad = host
        .bundle()
        .appspec(&files)
        .file("app/one", "new")
        .file("app/three", "new");
    host.deploy(&bad).run().assert_failure("Install", 5);
    let after = (
        snapshot(&to),
        host.instructions(&name("-cleanup")),
        host.instructions(&name("-install.json")),
        host.instructions(&name("_last_successful_install")),
    );
    assert_eq!(before, after);
    assert!(
        snapshot(&instructions)
            .keys()
            .all(|path| !path.to_string_lossy().contains(".tmp"))
    );
}
