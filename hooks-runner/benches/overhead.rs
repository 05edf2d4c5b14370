//! What a script costs through the runner, against starting it directly.
//!
//!     cargo bench -p hooks-runner
//!
//! Both run the same script with its output read through pipes; runs are interleaved, medians of 200
//! are printed: in memory (`/dev/shm`), where a file sync costs nothing, and on the disk of the
//! temporary directory, with what the file syncs alone cost there.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first error, and prints what it has measured"
)]

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use hooks_runner::{OutputsLeftOpen, Program, Request, RunasVia, ScriptResult};
use nix::fcntl::{FallocateFlags, fallocate};

const RUNS: usize = 200;

fn environment() -> Vec<(OsString, OsString)> {
    vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())]
}

fn request(directory: &Path, script: &Path) -> Request {
    Request {
        script: script.to_owned(),
        location: "script.sh".to_owned(),
        preamble: vec![
            "LifecycleEvent - AfterInstall".to_owned(),
            "Script - script.sh".to_owned(),
        ],
        runas: None,
        sudo: false,
        runas_via: RunasVia::Native,
        keep_under_sudo: Vec::new(),
        umask: 0o022,
        timeout_seconds: 60,
        outputs_left_open: OutputsLeftOpen::Wait,
        scripts_log: directory.join("logs/scripts.log"),
        deployments_log: None,
        tail_characters: 2047,
        restrict_log_permissions: false,
    }
}

fn direct(script: &Path) -> Duration {
    let began = Instant::now();
    #[expect(
        clippy::disallowed_methods,
        reason = "what the runner is compared with"
    )]
    let output = Command::new(script)
        .env_clear()
        .envs(environment())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = began.elapsed();
    assert!(output.status.success());
    took
}

fn through_the_runner(program: &Program, request: &Request, run_dir: &Path) -> Duration {
    let began = Instant::now();
    let running = hooks_runner::launch(program, run_dir, request, environment()).unwrap();
    let outcome = running.wait().unwrap();
    let took = began.elapsed();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    took
}

/// What the file syncs of one run cost: of the outcome, in a new directory, and of the directory.
fn syncs(directory: &Path) -> Duration {
    fs::create_dir(directory).unwrap();
    let (new, outcome) = (directory.join("new"), directory.join("outcome"));
    let file = fs::File::create(&new).unwrap();
    // Room is kept for an outcome, which needs less.
    let room = FallocateFlags::empty();
    let _ = fallocate(file.file(), room, 0, 32 * 1024);
    fs::write(directory.join("request"), [b'x'; 600]).unwrap();
    fs::write(directory.join("started"), [b'x'; 200]).unwrap();
    (&file).write_all(&[b'x'; 300]).unwrap();
    file.set_len(300).unwrap();
    let began = Instant::now();
    file.sync_all().unwrap();
    let first = began.elapsed();
    fs::rename(new, outcome).unwrap();
    let began = Instant::now();
    fs::File::open(directory).unwrap().sync_all().unwrap();
    first + began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn measure(name: &str, base: &Path) {
    let directory = tempfile::tempdir_in(base).unwrap();
    let script = directory.path().join("script.sh");
    fs::write(&script, "#!/bin/sh\necho done\n").unwrap();
    fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let request = request(directory.path(), &script);
    let program = Program::new(env!("CARGO_BIN_EXE_hooks-runner"));
    let (mut directly, mut run, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..RUNS {
        let run_dir: PathBuf = directory.path().join(number.to_string());
        directly.push(direct(&script));
        run.push(through_the_runner(&program, &request, &run_dir));
        synced.push(syncs(&directory.path().join(format!("syncs-{number}"))));
    }
    let (directly, run, synced) = (median(directly), median(run), median(synced));
    println!(
        "{name:<12} {directly:>9.2} ms {run:>9.2} ms {:>9.2} ms {synced:>11.2} ms {:>9.2} ms",
        run - directly,
        run - directly - synced
    );
}

fn main() {
    // `cargo test --benches` runs benchmarks once; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("load before: {}", load.trim());
    println!(
        "{:<12} {:>12} {:>12} {:>12} {:>14} {:>12}",
        "", "direct", "hooks-runner", "more", "file syncs", "without"
    );
    measure("memory", Path::new("/dev/shm"));
    measure("disk", &std::env::temp_dir());
}
