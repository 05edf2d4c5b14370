//! How long `agent run-bundle` takes, as a whole process, against `cp -a` of the same files.
//!
//!     cargo build --release && cargo bench -p integration-tests --bench run_bundle
//!
//! Runs of both are interleaved; medians of seven are printed. Files are in memory (`/dev/shm`, or
//! the directory in `BENCH_DIRECTORY`), so that the disk is not what is measured.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the benchmark, which prints what it has measured"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::{agent_command, command};

const RUNS: usize = 7;

/// What one run took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// The most anonymous memory seen, in kB.
    anonymous: u64,
}

/// A directory tree to deploy, and everything that a deployment of it needs.
struct Case {
    name: &'static str,
    files: usize,
    directory: PathBuf,
}

impl Case {
    fn new(top: &Path, name: &'static str, directories: usize, files_each: usize) -> Self {
        let directory = top.join(name);
        let source = directory.join("source");
        for number in 0..directories {
            let below = source.join(format!("app/{number}"));
            fs_err::create_dir_all(&below).unwrap();
            for file in 0..files_each {
                fs_err::write(below.join(format!("file-{file}")), [b'x'; 1000]).unwrap();
            }
        }
        let appspec = format!(
            "version: 0.0\nos: linux\nfiles:\n- source: app\n  destination: {}\n",
            directory.join("destination").display()
        );
        fs_err::write(source.join("appspec.yml"), appspec).unwrap();
        let configuration = format!(
            "root_dir: {0}/root\nlog_dir: {0}/log\n",
            directory.display()
        );
        fs_err::write(directory.join("agent.yml"), configuration).unwrap();
        Self {
            name,
            files: directories * files_each,
            directory,
        }
    }

    fn deploy(&self) -> Cost {
        let cost = run(agent_command()
            .args(["run-bundle", "--output", "json", "-l"])
            .arg(self.directory.join("source"))
            .arg("-c")
            .arg(self.directory.join("agent.yml")));
        self.remove(&["root", "destination"]);
        cost
    }

    /// `cp -a` twice: into the archive, and into the destination.
    fn copy_twice(&self) -> Cost {
        let mut total = Cost {
            wall: Duration::ZERO,
            anonymous: 0,
        };
        for copy in ["copy-1", "copy-2"] {
            let cost = run(command("cp")
                .arg("-a")
                .arg(self.directory.join("source"))
                .arg(self.directory.join(copy)));
            total.wall += cost.wall;
            total.anonymous = total.anonymous.max(cost.anonymous);
        }
        self.remove(&["copy-1", "copy-2"]);
        total
    }

    fn remove(&self, names: &[&str]) {
        for name in names {
            let path = self.directory.join(name);
            if path.exists() {
                fs_err::remove_dir_all(path).unwrap();
            }
        }
    }

    fn measure(&self) {
        self.deploy();
        self.copy_twice();
        let (mut deployments, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            deployments.push(self.deploy());
            copies.push(self.copy_twice());
        }
        let (deployment, copy) = (median(&deployments), median(&copies));
        println!(
            "{:<28} {:>9.1} ms {:>9.1} ms {:>7.2} {:>9.1} MB {:>9.1} MB",
            self.name,
            deployment.wall.as_secs_f64() * 1000.0,
            copy.wall.as_secs_f64() * 1000.0,
            deployment.wall.as_secs_f64() / copy.wall.as_secs_f64(),
            deployment.anonymous as f64 / 1024.0,
            (32.0 * 1024.0 * 1024.0 + 200.0 * self.files as f64) / 1024.0 / 1024.0,
        );
    }
}

fn median(costs: &[Cost]) -> Cost {
    let mut walls: Vec<_> = costs.iter().map(|cost| cost.wall).collect();
    walls.sort();
    let anonymous = costs.iter().map(|cost| cost.anonymous).max().unwrap();
    Cost {
        wall: walls[walls.len() / 2],
        anonymous,
    }
}

/// Runs a command to its end; its memory is sampled all the while.
fn run(command: &mut Command) -> Cost {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut anonymous = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        anonymous = anonymous.max(anonymous_memory(&status));
        std::thread::sleep(Duration::from_micros(500));
    };
    assert!(exit.success(), "{command:?}");
    Cost {
        wall: began.elapsed(),
        anonymous,
    }
}

fn anonymous_memory(status: &Path) -> u64 {
    let Ok(text) = fs_err::read_to_string(status) else {
        return 0;
    };
    text.lines()
        .find_map(|line| {
            line.strip_prefix("RssAnon:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

fn main() {
    // `cargo test --benches` runs benchmarks once; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let base = std::env::var_os("BENCH_DIRECTORY").map_or_else(|| "/dev/shm".into(), PathBuf::from);
    let top = tempfile::tempdir_in(base).unwrap();
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("load before: {}", load.trim());
    println!(
        "{:<28} {:>12} {:>12} {:>7} {:>12} {:>12}",
        "directory without hooks", "run-bundle", "cp -a twice", "ratio", "anonymous", "allowed"
    );
    for (name, directories, files) in [
        ("10 files", 1, 10),
        ("10,000 in 100 directories", 100, 100),
        ("100,000 in 1,000", 1000, 100),
    ] {
        let case = Case::new(top.path(), name, directories, files);
        case.measure();
        fs_err::remove_dir_all(&case.directory).unwrap();
    }
}
