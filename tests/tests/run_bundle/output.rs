//! What a person or a pipeline sees.

use std::process::{Output, Stdio};

use integration_tests::{TestHost, agent_command};

fn plain(host: &TestHost, arguments: &[&str]) -> Output {
    agent_command()
        .arg("run-bundle")
        .arg("-c")
        .arg(host.configuration())
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_failing_hook_shows_event_script_exit_output_and_log() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  ValidateService:\n  - location: scripts/check.sh\n")
        .script(
            "scripts/check.sh",
            "echo checking; echo 'port 80 does not answer' >&2; exit 3",
        );
    let output = plain(&host, &["-l", bundle.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    for said in [
        "ValidateService: failed",
        "scripts/check.sh failed with exit code 3",
        "port 80 does not answer",
        "logs/scripts.log",
    ] {
        assert!(text.contains(said), "{said} in:\n{text}");
    }
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("Deployment d-") && last.ends_with("-local failed"),
        "{last}"
    );
}

#[test]
fn plain_output_is_stable() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .script("hook.sh", "echo out; echo err >&2");
    let output = plain(
        &host,
        &["-l", bundle.path().to_str().unwrap(), "-e", "AfterInstall"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = text(&output);
    let mut lines: Vec<&str> = text.lines().collect();
    let id = lines[0].rsplit(' ').next().unwrap().to_owned();
    // Streams are read side by side; their order among each other is not told.
    lines[7..9].sort_unstable();
    let shown: Vec<String> = lines
        .iter()
        .map(|line| {
            let line = line
                .replace(&id, "ID")
                .replace(host.path("").to_str().unwrap(), "HOST/");
            match line.split_once(" in ") {
                Some((before, _)) => format!("{before} in TIME"),
                None => line,
            }
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Deploying HOST/bundle-0 to default-local-deployment-group as ID",
            "DownloadBundle: started",
            "DownloadBundle: succeeded in TIME",
            "Install: started",
            "Install: succeeded in TIME",
            "AfterInstall: started",
            "  hook.sh",
            "    [stderr] err",
            "    out",
            "AfterInstall: succeeded in TIME",
            "Deployment directory: HOST/deployment-root/default-local-deployment-group/ID",
            "Script log: HOST/deployment-root/default-local-deployment-group/ID/logs/scripts.log",
            "Deployment ID succeeded",
        ]
    );
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_deployment() {
    let host = TestHost::new();
    let marker = host.path("marker");
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .script("hook.sh", &format!("seq 20000; touch {}", marker.display()));
    let mut child = agent_command()
        .args(["run-bundle", "-l", bundle.path().to_str().unwrap(), "-c"])
        .arg(host.configuration())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(marker.exists());
}

#[test]
fn without_a_configuration_everything_goes_under_the_users_state_directory() {
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    let state = host.path("state");
    let output = agent_command()
        .args([
            "run-bundle",
            "--output",
            "json",
            "-l",
            bundle.path().to_str().unwrap(),
        ])
        .env_clear()
        .env("XDG_STATE_HOME", &state)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Where AWS's agent is installed, root takes its configuration.
    if nix::unistd::geteuid().is_root()
        && fs_err::metadata("/etc/codedeploy-agent/conf/codedeployagent.yml").is_ok()
    {
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(state.join("codedeploy-agent/deployment-root").is_dir());
    assert!(
        state
            .join("codedeploy-agent/log/codedeploy-local.log")
            .is_file()
    );
}

#[test]
fn the_agents_log_tells_what_happened_in_v1s_form() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .script("hook.sh", "exit 4");
    assert_eq!(
        plain(&host, &["-l", bundle.path().to_str().unwrap()])
            .status
            .code(),
        Some(1)
    );
    let log = fs_err::read_to_string(host.path("log/codedeploy-local.log")).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("AfterInstall"))
        .unwrap();
    assert!(line.contains("[codedeploy-local("), "{log}");
    assert!(log.contains("exit code 4"), "{log}");
    let stamp = line.split(' ').next().unwrap();
    assert!(stamp.len() >= 20 && stamp.contains('T'), "{line}");
}
