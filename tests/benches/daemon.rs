//! What the daemon takes: to start, while it waits, and for deployments.
//!
//!     cargo build --release && cargo bench -p integration-tests --bench daemon
//!     TMPDIR=/dev/shm cargo bench -p integration-tests --bench daemon -- deployment
//!
//! The second line measures with all files in memory, where file syncs cost nothing. Words are names
//! of the parts to run: `start`, `deployment`, `syncs`, `idle`, `many`; all of them without any.
//! The fakes of the services run beside the daemon, on the same cores.
//!
//! `BENCH_IDLE_SECONDS` (60) and `BENCH_DEPLOYMENTS` (500) make it shorter.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the benchmark, which prints what it has measured"
)]

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use integration_tests::fakes::command_service::{
    DeploymentEnd, Ending, Operation, ScriptedDeployment, Specification,
};
use integration_tests::fakes::{FakeImds, Key, Signer};
use integration_tests::{DaemonHost, Footprint, SyncCounter, agent_command};

const STARTS: usize = 21;
const DEPLOYMENTS: usize = 21;

/// The commands of a deployment with a load balancer.
const COMMANDS: [&str; 11] = [
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "DownloadBundle",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// A daemon at work, killed when dropped.
struct Daemon(Child);

impl Daemon {
    fn start(host: &DaemonHost, imds: Option<&FakeImds>) -> Self {
        let mut command = agent_command();
        command
            .args(["run", "--config"])
            .arg(host.host.configuration())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match imds {
            Some(imds) => command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint()),
            None => command.env("AWS_EC2_METADATA_DISABLED", "true"),
        };
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be traced, and reaped by who traces it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn row(what: &str, figure: &str, bound: &str) {
    println!("{what:<68} {figure:>24}   {bound}");
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Median, least and most.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |index: usize| milliseconds(times[index]);
    format!(
        "{:.1} ms ({:.1}-{:.1})",
        at(times.len() / 2),
        at(0),
        at(times.len() - 1)
    )
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn first_poll(host: &DaemonHost) -> Instant {
    let is_poll = |operation: Option<Operation>| operation == Some(Operation::Poll);
    let calls = host.service.wait_for("a poll", |calls| {
        calls.iter().any(|call| is_poll(call.operation))
    });
    let first = calls.iter().find(|call| is_poll(call.operation));
    first.unwrap().at
}

/// From the start of the process to the arrival of its first poll.
fn start() {
    let time_to_poll = |imds: bool| {
        let times = (0..STARTS).map(|_| {
            let host = DaemonHost::default();
            let imds = imds.then(|| {
                fs_err::remove_file(host.host.on_premises_file()).unwrap();
                let key = Key::session("ASIAINSTANCE", "instance-secret", "instance-token");
                host.service.know(key);
                FakeImds::start("us-east-1")
            });
            let began = Instant::now();
            let _daemon = Daemon::start(&host, imds.as_ref());
            first_poll(&host) - began
        });
        spread(times.collect())
    };
    row(
        "start to first poll, on premises",
        &time_to_poll(false),
        "50 ms",
    );
    row("start to first poll, EC2", &time_to_poll(true), "50 ms");
}

/// A host with a published revision that has a trivial hook for each event.
fn host() -> DaemonHost {
    let host = DaemonHost::default();
    let hooks: String = COMMANDS
        .iter()
        .filter(|command| !["DownloadBundle", "Install"].contains(command))
        .map(|event| format!("  {event}:\n  - location: hook.sh\n"))
        .collect();
    let bundle = host
        .host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\nfile_exists_behavior: OVERWRITE\nhooks:\n{hooks}",
            host.host.destination().display()
        ))
        .file("app/label", "label")
        .script("hook.sh", ":");
    host.publish("revision.zip", bundle.path());
    host
}

/// Runs a deployment to its end and says how long that took.
fn deploy(host: &DaemonHost, signer: &Signer, id: &str, commands: &[&str]) -> Duration {
    let content = host.specification(id, "revision.zip");
    let signed = Specification::signed(signer, &content);
    let mut deployment = ScriptedDeployment::new(id, signed, commands);
    // The same deployment may be handed out again, with other commands.
    static EXECUTIONS: AtomicU64 = AtomicU64::new(1);
    let number = EXECUTIONS.fetch_add(1, Ordering::Relaxed);
    deployment.execution_id = format!("us-east-1/123456789012/{id}/{number}");
    let began = Instant::now();
    let _ = host.service.deploy(DaemonHost::IDENTIFIER, &deployment);
    let end = host.service.wait_for_end(&deployment);
    let took = began.elapsed();
    assert_eq!(end, DeploymentEnd::Succeeded, "{}", host.log());
    took
}

/// Eleven commands, nine of them with a hook.
fn deployment() {
    let host = host();
    let signer = Signer::new();
    let _daemon = Daemon::start(&host, None);
    // With the first there is no earlier revision, whose hooks run at the beginning.
    deploy(&host, &signer, "d-FIRST", &COMMANDS);
    let times: Vec<Duration> = (0..DEPLOYMENTS)
        .map(|number| deploy(&host, &signer, &format!("d-TIME{number}"), &COMMANDS))
        .collect();
    row(
        "deployment: 11 commands, 9 hooks",
        &spread(times.clone()),
        "500 ms",
    );
    let each = times.iter().map(|time| *time / 11).collect();
    row(
        "  a command of it, hook included",
        &spread(each),
        "10 ms and the hook",
    );
    let last = format!("d-TIME{}", DEPLOYMENTS - 1);
    let times = (0..DEPLOYMENTS)
        .map(|_| deploy(&host, &signer, &last, &["AfterInstall"; 20]) / 20)
        .collect();
    row("a command with a hook", &spread(times), "");
    let log = host
        .host
        .root()
        .join("group-1")
        .join(last)
        .join("logs/scripts.log");
    let log = fs_err::read_to_string(log).unwrap();
    assert_eq!(
        log.matches("Script - ").count(),
        9 + 20 * DEPLOYMENTS,
        "each hook has run"
    );
}

/// File syncs, counted by tracing system calls.
fn syncs() {
    let host = host();
    let signer = Signer::new();
    let daemon = Daemon::start(&host, None);
    deploy(&host, &signer, "d-FIRST", &COMMANDS);
    let counter = SyncCounter::attach(daemon.pid());
    let count = |what: &str, id: &str, commands: &[&str], bound: &str| {
        let before = counter.count();
        deploy(&host, &signer, id, commands);
        // What is done after the service has the last result counts as well.
        first_idle(&host);
        let each = (counter.count() - before) as f64 / commands.len() as f64;
        row(what, &format!("{each:.1}"), bound);
    };
    count(
        "file syncs a command, of 11 commands",
        "d-SYNC",
        &COMMANDS,
        "5",
    );
    count(
        "file syncs of a command with a hook",
        "d-SYNC",
        &["AfterInstall"; 10],
        "5",
    );
    count(
        "file syncs of DownloadBundle, of one small file",
        "d-SYNC",
        &["DownloadBundle"],
        "",
    );
    count(
        "file syncs of Install, of one file",
        "d-SYNC",
        &["Install"],
        "",
    );
}

/// Waits until nothing but a poll is under way.
fn first_idle(host: &DaemonHost) {
    host.service.wait_for("nothing but a poll", |calls| {
        let mut open = calls.iter().filter(|call| call.ending == Ending::Open);
        open.all(|call| call.operation == Some(Operation::Poll))
    });
}

/// A host that writes its metrics.
fn with_metrics_file() -> DaemonHost {
    let host = DaemonHost::default();
    let configuration = host.host.configuration();
    let text = fs_err::read_to_string(&configuration).unwrap();
    let path = host.host.path("agent.prom");
    let text = format!("{text}metrics_file: {}\n", path.display());
    fs_err::write(configuration, text).unwrap();
    host
}

/// Memory and processor time of a daemon that has nothing to do.
fn idle() {
    let seconds = from_environment("BENCH_IDLE_SECONDS", 60);
    let (holding, at_once) = (DaemonHost::default(), DaemonHost::default());
    let (holding_counted, at_once_counted) = (with_metrics_file(), with_metrics_file());
    at_once.service.hold_polls_for(Duration::ZERO);
    at_once_counted.service.hold_polls_for(Duration::ZERO);
    let measured = [
        ("the service holds polls 60 s", holding, "0.02 s"),
        (
            "polls answered at once, wait_between_runs 1",
            at_once,
            "0.1 s",
        ),
        ("polls held, metrics_file", holding_counted, "0.02 s"),
        ("polls at once, metrics_file", at_once_counted, "0.1 s"),
    ]
    .map(|(name, host, bound)| {
        let daemon = Daemon::start(&host, None);
        first_poll(&host);
        (name, host, daemon, bound)
    });
    // What the start leaves to be done is not idleness.
    std::thread::sleep(Duration::from_secs(3));
    let used = |pid: i32| Footprint::of(pid).processor_time;
    let before = measured
        .each_ref()
        .map(|(_, _, daemon, _)| used(daemon.pid()));
    std::thread::sleep(Duration::from_secs(seconds));
    for ((name, _, daemon, bound), before) in measured.iter().zip(before) {
        let footprint = Footprint::of(daemon.pid());
        let a_minute = (footprint.processor_time - before).as_secs_f64() * 60.0 / seconds as f64;
        row(
            &format!("idle, {name}: processor time a minute, over {seconds} s"),
            &format!("{a_minute:.4} s"),
            bound,
        );
        row(
            &format!("idle, {name}: resident, of which anonymous"),
            &format!(
                "{:.1} MB, {:.1} MB",
                megabytes(footprint.resident_kb),
                megabytes(footprint.anonymous_kb)
            ),
            "20 MB, 5 MB",
        );
    }
}

fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// Many deployments in a row: what is left of them in the daemon.
fn many() {
    let number = from_environment("BENCH_DEPLOYMENTS", 500);
    let host = host();
    let signer = Signer::new();
    let daemon = Daemon::start(&host, None);
    let mut after_ten = None;
    let mut times = Vec::new();
    for done in 1..=number {
        times.push(deploy(&host, &signer, &format!("d-MANY{done}"), &COMMANDS));
        if done == 10 {
            after_ten = Some(Footprint::of(daemon.pid()));
        }
    }
    first_idle(&host);
    let (first, last) = (after_ten.unwrap(), Footprint::of(daemon.pid()));
    row(
        &format!("anonymous memory after 10 deployments, after {number}"),
        &format!(
            "{:.1} MB, {:.1} MB",
            megabytes(first.anonymous_kb),
            megabytes(last.anonymous_kb)
        ),
        "2 MB more",
    );
    let counts = |footprint: &Footprint| {
        format!(
            "{}/{}/{}",
            footprint.descriptors, footprint.threads, footprint.zombies
        )
    };
    row(
        "descriptors/threads/zombies after 10, at the end",
        &format!("{}, {}", counts(&first), counts(&last)),
        "no more",
    );
    row("deployments one after the other", &spread(times), "");
}

fn main() {
    // `cargo test --benches` runs benchmarks once; there is nothing to test here.
    let arguments: BTreeSet<String> = std::env::args().skip(1).collect();
    if !arguments.contains("--bench") {
        return;
    }
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("load before: {}", load.trim());
    println!("files in {}", std::env::temp_dir().display());
    let parts: [(&str, fn()); 5] = [
        ("start", start),
        ("deployment", deployment),
        ("syncs", syncs),
        ("idle", idle),
        ("many", many),
    ];
    let all = parts.iter().all(|(name, _)| !arguments.contains(*name));
    for (name, part) in parts {
        if all || arguments.contains(name) {
            part();
        }
    }
}
