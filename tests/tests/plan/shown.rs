//! What people see.

use std::path::Path;
use std::process::Stdio;

use integration_tests::{TestHost, agent_command, command};

use crate::bundles;

/// The plan of the bundle at `location`, with what differs from host to host made the same.
fn shown(host: &TestHost, location: &Path, arguments: &[&str]) -> String {
    let output = agent_command()
        .args(["plan", "-g", "web", "-c"])
        .arg(host.configuration())
        .arg("-l")
        .arg(location)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    let own = |flag: &str| {
        let output = command("id").arg(flag).arg("-n").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let owner = format!("{}:{}", own("-u"), own("-g"));
    let text = text
        .replace(host.path("").to_str().unwrap(), "HOST/")
        .replace(&owner, "OWNER:GROUP");
    let line = |line: &str| match line {
        // How long the host's path is shows in the AppSpec's size.
        line if line.ends_with(" free") || line.contains(" unpacked, ") => {
            let kept = line.split_once(": ").map_or("", |(path, _)| path);
            let entries = line
                .split_once(" unpacked, ")
                .map_or("", |(_, entries)| entries);
            format!("{kept}  (sizes) {entries}")
        }
        line => line.to_owned(),
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    let status = output.status.code().unwrap();
    let mut text = format!("{}\nexit status {status}\n", lines.join("\n"));
    // The id of a deployment is drawn by lot.
    while let Some(start) = text.find("/d-").map(|at| at + 1) {
        let end = text[start..].find("-local").unwrap() + start + "-local".len();
        text.replace_range(start..end, "DEPLOYMENT");
    }
    text
}

/// Compares with a file that is checked in; with `UPDATE_EXPECTED=1`, writes it.
fn assert_is(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/plan/expected")
        .join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs_err::write(&path, text).unwrap();
    }
    let expected = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; UPDATE_EXPECTED=1 writes it anew. It is now:\n{text}",
        path.display()
    );
}

#[test]
fn a_first_deployment_that_would_fail() {
    let host = TestHost::new();
    let at = host.destination();
    fs_err::create_dir(at.join("etc")).unwrap();
    fs_err::write(at.join("etc/app.conf"), "mine").unwrap();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: conf\n  destination: {at}/etc\n- source: web\n  destination: \
             {at}/www\npermissions:\n- object: {at}/www\n  pattern: \"*.html\"\n  mode: \"640\"\n  \
             type: [file]\nhooks:\n  BeforeInstall:\n  - location: prepare.sh\n    timeout: 90\n  \
             ApplicationStart:\n  - location: start.sh\n    runas: nobody-knows\n",
            at = at.display()
        ))
        .file("conf/app.conf", "theirs")
        .file("web/index.html", "<html>")
        .file("web/a\x1b[31m name", "")
        .file("prepare.sh", "#!/bin/sh\n")
        .script("start.sh", "");
    assert_is("first.txt", &shown(&host, bundle.path(), &[]));
}

/// A host with a revision, and a second one that has everything in store.
fn update() -> (TestHost, std::path::PathBuf) {
    let host = TestHost::new();
    let at = host.destination();
    let appspec = |behavior: &str| {
        format!(
            "file_exists_behavior: {behavior}\nfiles:\n- source: app\n  destination: {}/app\nhooks:\n  \
             ApplicationStop:\n  - location: stop.sh\n    timeout: 30\n",
            at.display()
        )
    };
    let first = host
        .bundle()
        .appspec(&appspec("DISALLOW"))
        .script("stop.sh", "")
        .file("app/same", "same")
        .file("app/changed", "before")
        .file("app/gone", "gone")
        .file("app/becomes-a-link", "x")
        .file("app/old/kept-alive/of-the-first", "x");
    host.deploy_from(bundles::tar(first.path()))
        .arguments(["-g", "web"])
        .run()
        .assert_success();
    fs_err::write(at.join("app/foreign"), "foreign").unwrap();
    fs_err::write(at.join("app/old/kept-alive/foreign"), "foreign").unwrap();
    let mut second = host
        .bundle()
        .appspec(&appspec("RETAIN"))
        .script("stop.sh", "")
        .file("app/same", "same")
        .file("app/changed", "afterwards")
        .file("app/foreign", "ours")
        .link("app/becomes-a-link", "same");
    for number in 0..30 {
        second = second
            .file(&format!("app/static/{number:02}.png"), "picture")
            .file(&format!("app/f{number:02}"), "x");
    }
    let tar = bundles::tar(second.path());
    (host, tar)
}

#[test]
fn an_update_with_much_of_the_same_summed_up() {
    let (host, bundle) = update();
    assert_is("update.txt", &shown(&host, &bundle, &[]));
}

#[test]
fn an_update_with_all_of_it() {
    let (host, bundle) = update();
    assert_is("update-all.txt", &shown(&host, &bundle, &["--all"]));
}
