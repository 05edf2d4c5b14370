//! What the service manager is told, at a socket as systemd's.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use integration_tests::DaemonHost;
use integration_tests::fakes::FakeImds;
use integration_tests::fakes::imds::Mode;
use nix::sys::signal::Signal;

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    path: String,
    said: Vec<String>,
}

impl Manager {
    fn of(daemon: &DaemonHost) -> Self {
        let path = daemon.host.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            socket,
            path: path.to_str().unwrap().to_owned(),
            said: Vec::new(),
        }
    }

    /// Waits until a line that begins so has come.
    #[track_caller]
    fn wait_for(&mut self, beginning: &str) -> String {
        let began = Instant::now();
        loop {
            let known = self.said.iter().find(|line| line.starts_with(beginning));
            if let Some(line) = known {
                return line.clone();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{:?}", self.said);
            let mut message = [0; 4096];
            let length = self.socket.recv(&mut message).unwrap();
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            self.said.extend(text.lines().map(str::to_owned));
        }
    }

    fn forget(&mut self) {
        self.said.clear();
    }
}

#[test]
fn ready_status_and_stopping() {
    let daemon = DaemonHost::default();
    let mut manager = Manager::of(&daemon);
    let mut running = daemon.start_with(&[
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NOTIFY_SOCKET", &manager.path.clone()),
    ]);
    manager.wait_for("READY=1");
    let status = manager.wait_for("STATUS=polling");
    assert!(status.contains(DaemonHost::IDENTIFIER), "{status}");
    assert!(!manager.said.contains(&"STOPPING=1".to_owned()));
    running.signal(Signal::SIGTERM);
    manager.wait_for("STOPPING=1");
    assert!(running.wait().success());
}

#[test]
fn the_watchdog_is_fed_in_each_of_its_intervals() {
    let daemon = DaemonHost::default();
    let mut manager = Manager::of(&daemon);
    let mut running = daemon.start_with(&[
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NOTIFY_SOCKET", &manager.path.clone()),
        ("WATCHDOG_USEC", "200000"),
    ]);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
        manager.forget();
    }
    running.stop();
}

#[test]
fn without_a_watchdog_it_is_not_fed() {
    let daemon = DaemonHost::default();
    let mut manager = Manager::of(&daemon);
    let mut running = daemon.start_with(&[
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NOTIFY_SOCKET", &manager.path.clone()),
        // Another process's.
        ("WATCHDOG_USEC", "1000"),
        ("WATCHDOG_PID", "1"),
    ]);
    manager.wait_for("STATUS=polling");
    running.signal(Signal::SIGTERM);
    manager.wait_for("STOPPING=1");
    assert!(running.wait().success());
    assert!(!manager.said.contains(&"WATCHDOG=1".to_owned()));
}

#[test]
fn ready_does_not_wait_for_instance_metadata() {
    let daemon = DaemonHost::default();
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    let imds = FakeImds::start("us-east-1");
    imds.behave(Mode::Silent);
    let mut manager = Manager::of(&daemon);
    let mut running = daemon.start_with(&[
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.endpoint()),
        ("NOTIFY_SOCKET", &manager.path.clone()),
    ]);
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=finding out who this host is");
    imds.behave(Mode::Answering);
    let status = manager.wait_for("STATUS=polling");
    assert!(status.contains(":instance/i-"), "{status}");
    running.stop();
}

#[test]
fn a_broken_configuration_is_the_status_and_never_ready() {
    let daemon = DaemonHost::with_configuration("max_revisions: \"none\\nMAINPID=1\"");
    let mut manager = Manager::of(&daemon);
    let mut running = daemon.start_with(&[("NOTIFY_SOCKET", &manager.path)]);
    assert_eq!(running.wait().code(), Some(78));
    let status = manager.wait_for("STATUS=");
    assert!(status.contains("max_revisions"), "{status}");
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 10]).is_err());
    assert_eq!(manager.said, [status, "EXIT_STATUS=78".to_owned()]);
}

#[test]
fn that_another_agent_runs_is_the_status() {
    let daemon = DaemonHost::default();
    let mut manager = Manager::of(&daemon);
    let mut first = daemon.start_with(&[
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NOTIFY_SOCKET", &manager.path.clone()),
    ]);
    manager.wait_for("STATUS=polling");
    manager.forget();
    let mut second = daemon.start_with(&[("NOTIFY_SOCKET", &manager.path)]);
    assert_eq!(second.wait().code(), Some(1));
    manager.wait_for("STATUS=another agent is running as process ");
    assert!(!manager.said.contains(&"READY=1".to_owned()));
    first.stop();
}
