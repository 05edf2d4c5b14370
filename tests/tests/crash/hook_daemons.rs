//! What hooks start and leave running, such as a web server, belongs to them: it lives on whatever
//! happens to the agent, and nobody signals it.

use std::path::Path;
use std::time::SystemTime;

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{DeploymentEnd, ScriptedDeployment, Specification};
use integration_tests::{DaemonHost, RunningDaemon, eventually, is_alive};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Notes its pid, each signal, and that it lives.
fn server(own: &Path, name: &str, print: &str) -> String {
    let own = own.display();
    format!(
        "for signal in HUP INT QUIT TERM PIPE USR1 USR2; do\n\
           trap \"echo $signal >>{own}/{name}.signals\" $signal\n\
         done\n\
         sh -c 'echo $PPID' >{own}/{name}.pid\n\
         while [ -e {own} ]; do {print} date >{own}/{name}.tick; sleep 0.05; done"
    )
}

/// Three ways of starting a server, each in an event of its own.
fn host() -> DaemonHost {
    let daemon = DaemonHost::with_configuration("outputs_left_open: release\n");
    let own = daemon.host.path("");
    let bundle = daemon
        .host
        .bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: quiet.sh\n  AfterInstall:\n  - location: nohup.sh\n  \
             ApplicationStart:\n  - location: loud.sh\n",
        )
        .script("quiet.sh", "\"${0%/*}\"/quiet >/dev/null 2>&1 &")
        .script("nohup.sh", "nohup setsid \"${0%/*}\"/nohup >/dev/null 2>&1 &")
        .script("loud.sh", "\"${0%/*}\"/loud &")
        .script("quiet", &server(&own, "quiet", ""))
        .script("nohup", &server(&own, "nohup", ""))
        // What it prints goes to the runner's pipe long after the hook has ended.
        .script("loud", &server(&own, "loud", "echo tick && "));
    daemon.publish("b.zip", bundle.path());
    daemon
}

const SERVERS: [&str; 3] = ["quiet", "nohup", "loud"];

fn pid(daemon: &DaemonHost, name: &str) -> i32 {
    let text = fs_err::read_to_string(daemon.host.path(&format!("{name}.pid"))).unwrap();
    text.trim().parse().unwrap()
}

/// That each server is at work from now on, and has got no signal.
fn assert_alive(daemon: &DaemonHost, after: &str) {
    let now = SystemTime::now();
    for name in SERVERS {
        assert!(is_alive(pid(daemon, name)), "{name} after {after}");
        eventually(&format!("{name} to go on after {after}"), || {
            let tick = fs_err::metadata(daemon.host.path(&format!("{name}.tick")));
            tick.is_ok_and(|tick| tick.modified().unwrap() > now)
        });
        let signals = daemon.host.path(&format!("{name}.signals"));
        let signals = fs_err::read_to_string(signals).unwrap_or_default();
        assert_eq!(signals, "", "{name} after {after}");
    }
}

fn start(daemon: &DaemonHost) -> RunningDaemon {
    let polls = |daemon: &DaemonHost| daemon.service.calls().len();
    let before = polls(daemon);
    let running = daemon.start();
    eventually("a call of the new agent", || polls(daemon) > before);
    running
}

/// Ends the servers, whatever becomes of the test.
struct Cleanup<'a>(&'a DaemonHost);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        for name in SERVERS {
            let path = self.0.host.path(&format!("{name}.pid"));
            let text = fs_err::read_to_string(path).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

#[test]
fn they_live_on_when_the_agent_is_stopped_killed_and_upgraded() {
    let daemon = host();
    let _cleanup = Cleanup(&daemon);
    let mut running = start(&daemon);
    let content = daemon.specification("d-1", "b.zip");
    let deployment = ScriptedDeployment::new(
        "d-1",
        Specification::signed(&Signer::new(), &content),
        &[
            "DownloadBundle",
            "BeforeInstall",
            "AfterInstall",
            "ApplicationStart",
        ],
    );
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &deployment);
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded,
        "{}",
        daemon.log()
    );
    assert_alive(&daemon, "the deployment");
    running.stop();
    assert_alive(&daemon, "a stop");
    let mut running = start(&daemon);
    assert_alive(&daemon, "a start");
    running.signal(Signal::SIGKILL);
    running.wait();
    assert_alive(&daemon, "a kill");
    let mut running = start(&daemon);
    running.signal(Signal::SIGQUIT);
    running.wait();
    assert_alive(&daemon, "a drain");
    let mut running = start(&daemon);
    // Another deployment's scripts are nothing to them, either.
    let content = daemon.specification("d-2", "b.zip");
    let next = ScriptedDeployment::new(
        "d-2",
        Specification::signed(&Signer::new(), &content),
        &["DownloadBundle"],
    );
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &next);
    assert_eq!(daemon.service.wait_for_end(&next), DeploymentEnd::Succeeded);
    assert_alive(&daemon, "another deployment");
    running.stop();
}
