//! How long `agent validate` takes, as a whole process.
//!
//!     cargo build --release && cargo bench -p integration-tests --bench validate
//!
//! Medians of 21 runs are printed, of the time that passed and of the processor's, which other work on
//! the machine does not change as much. Files are in memory (`/dev/shm`, or the directory in
//! `BENCH_DIRECTORY`), so that the disk is not what is measured.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the benchmark, which prints what it has measured"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use integration_tests::agent_command;
use nix::sys::resource::{UsageWho, getrusage};

const RUNS: usize = 21;

const HEAD: &str = "version: 0.0\nos: linux\n";

fn measure(name: &str, allowed: &str, directory: &Path, path: &str) {
    let (mut times, mut cpu): (Vec<Duration>, Vec<Duration>) = (0..RUNS)
        .map(|_| {
            let used = processor_time();
            let began = Instant::now();
            let status = agent_command()
                .args(["validate", path])
                .current_dir(directory)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            let time = began.elapsed();
            assert!(status.success(), "{name}");
            (time, processor_time() - used)
        })
        .unzip();
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[RUNS / 2].as_secs_f64() * 1000.0
    };
    println!(
        "{name:<32} {:>8.1} ms {:>8.1} ms {allowed:>10}",
        median(&mut times),
        median(&mut cpu)
    );
}

/// What all children have used.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let times = [usage.user_time(), usage.system_time()];
    let micros = |time: &nix::sys::time::TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        u64::try_from(micros).unwrap()
    };
    Duration::from_micros(times.iter().map(micros).sum())
}

/// A file of at least a megabyte, with every section.
fn large() -> String {
    let mut text = format!("{HEAD}files:\n");
    for number in 0..9_000 {
        writeln!(
            text,
            "  - source: app/{number}\n    destination: /srv/app/{number}"
        )
        .unwrap();
    }
    text.push_str("permissions:\n");
    for number in 0..5_000 {
        writeln!(
            text,
            "  - object: /srv/app/{number}\n    owner: app\n    group: app\n    mode: \"0644\"\n    type: [file]"
        )
        .unwrap();
    }
    text.push_str("hooks:\n  AfterInstall:\n");
    for number in 0..1_200 {
        writeln!(
            text,
            "    - location: scripts/{number}.sh\n      timeout: 3"
        )
        .unwrap();
    }
    while text.len() < 1 << 20 {
        text.push_str("# as large as a megabyte\n");
    }
    text
}

fn bundle(directory: &Path) {
    for number in 0..100 {
        let below = directory.join(format!("app/{number}"));
        fs_err::create_dir_all(&below).unwrap();
        for file in 0..100 {
            fs_err::write(below.join(format!("file-{file}")), [b'x'; 1000]).unwrap();
        }
    }
    fs_err::create_dir(directory.join("scripts")).unwrap();
    let script = directory.join("scripts/start.sh");
    fs_err::write(&script, "#!/bin/sh\nsystemctl restart app\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&script, mode).unwrap();
    let appspec = format!(
        "{HEAD}files:\n  - source: app\n    destination: /srv/app\npermissions:\n  - object: /srv/app\n    \
         owner: app\n    type: [file]\nhooks:\n  AfterInstall:\n    - location: scripts/start.sh\n"
    );
    fs_err::write(directory.join("appspec.yml"), appspec).unwrap();
}

fn archive(directory: &Path) {
    let file = fs_err::File::create(directory.join("bundle.tgz")).unwrap();
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    let mut builder = tar::Builder::new(gzip);
    builder
        .append_dir_all(".", directory.join("bundle"))
        .unwrap();
    builder.into_inner().unwrap().finish().unwrap();
}

fn main() {
    // `cargo test --benches` runs benchmarks once; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let base = std::env::var_os("BENCH_DIRECTORY").map_or_else(|| "/dev/shm".into(), PathBuf::from);
    let top = tempfile::tempdir_in(base).unwrap();
    let top = top.path();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("appspecs/files");
    fs_err::write(top.join("large.yml"), large()).unwrap();
    fs_err::create_dir(top.join("bundle")).unwrap();
    bundle(&top.join("bundle"));
    archive(top);
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("load before: {}", load.trim());
    println!(
        "{:<32} {:>11} {:>11} {:>10}",
        "input", "passed", "processor", "allowed"
    );
    measure("a typical file", "10 ms", &corpus, "good-web-server.yml");
    measure("a file of 1 MB", "100 ms", top, "large.yml");
    measure("a directory of 10,000 files", "300 ms", top, "bundle");
    measure("a tgz of 10,000 files", "300 ms", top, "bundle.tgz");
}
