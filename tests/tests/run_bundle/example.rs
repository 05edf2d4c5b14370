//! The example of the README, as a newcomer runs it, on a port and in a directory of its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use integration_tests::{Deployment, Outcome, TestHost};

/// A copy of the example whose destination is on `host`.
fn example(host: &TestHost) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web");
    let copy = host.path("web");
    copy_tree(&source, &copy, &host.destination().join("example"));
    copy
}

fn copy_tree(from: &Path, to: &Path, destination: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target, destination);
        } else {
            let text = fs_err::read_to_string(entry.path()).unwrap();
            let text = text.replace("/tmp/codedeploy-example", destination.to_str().unwrap());
            fs_err::write(&target, text).unwrap();
            fs_err::set_permissions(
                &target,
                fs_err::metadata(entry.path()).unwrap().permissions(),
            )
            .unwrap();
        }
    }
}

fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .write_all(b"GET /index.html HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Stops what the example has started, whatever happens in the test.
struct Stop<'a>(&'a TestHost);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let file = self.0.destination().join("example/server.pid");
        if let Some(pid) = fs_err::read_to_string(file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
        {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM);
        }
    }
}

fn said(outcome: &Outcome, text: &str) -> bool {
    outcome.script_log().iter().any(|line| line.contains(text))
}

#[test]
fn the_example_deploys_twice_and_the_second_run_replaces_the_first() {
    let host = TestHost::new();
    let bundle = example(&host);
    // A port that is free now; the server is the only one that asks for it.
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let deploy = || -> Deployment { host.deploy_from(&bundle).variable("PORT", port.to_string()) };
    let _stop = Stop(&host);
    let first = deploy().run();
    first.assert_success();
    assert!(get(port).contains("It works"));
    let page = bundle.join("html/index.html");
    let changed = fs_err::read_to_string(&page)
        .unwrap()
        .replace("It works", "It works again");
    fs_err::write(&page, changed).unwrap();
    let second = deploy().run();
    second.assert_success();
    assert!(
        said(&second, "stopped process"),
        "{:?}",
        second.script_log()
    );
    assert!(get(port).contains("It works again"));
}
