//! How long bundles take to arrive and to be unpacked, against `unzip`, `tar` and one stream.
//!
//!     cargo build --release && cargo bench -p integration-tests --bench bundle
//!
//! `agent run-bundle` as a whole process, which also copies the bundle, or fetches it from a server
//! in this process. Runs of both sides are interleaved; medians of five (or `BENCH_RUNS`) are
//! printed. Files are in memory (`/dev/shm`, or the directory in `BENCH_DIRECTORY`), so that the
//! disk is not what is measured. `BENCH_ONLY` names the rows to run, by a part of their names, and
//! `BENCH_SCALE=0.1` makes everything a tenth as large.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the benchmark, which prints what it has measured"
)]

use std::io::{Read as _, Seek as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::objects::{Object, ObjectServer, Pace};
use integration_tests::{agent_command, command};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

const MB: usize = 1_000_000;

/// What one run took.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: Duration,
    /// Of the processor, all threads together.
    cpu: Duration,
    /// The most anonymous memory seen, in kB.
    anonymous: u64,
}

/// Content that deflate makes about half as large, as it does programs.
struct Content {
    words: Vec<Vec<u8>>,
    state: u64,
}

impl Content {
    fn new() -> Self {
        let mut content = Self {
            words: Vec::new(),
            state: 1,
        };
        content.words = (0..1024)
            .map(|_| (0..16).map(|_| content.number() as u8).collect())
            .collect();
        content
    }

    fn number(&mut self) -> u64 {
        // xorshift
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 32);
        while bytes.len() < length {
            let number = self.number();
            if number & 1 == 0 {
                let word = (number >> 8) as usize % self.words.len();
                bytes.extend_from_slice(&self.words[word]);
            } else {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.truncate(length);
        bytes
    }
}

struct Bench {
    top: tempfile::TempDir,
    runs: usize,
    /// A megabyte, or less of one.
    mb: usize,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// A directory with `files` files that are `total` bytes together.
    fn tree(&self, name: &str, files: usize, total: usize) -> PathBuf {
        let directory = self.path(name);
        fs_err::create_dir_all(&directory).unwrap();
        fs_err::write(directory.join("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
        let mut content = Content::new();
        for number in 0..files {
            let below = directory.join(format!("d{}", number / 100));
            if number % 100 == 0 {
                fs_err::create_dir(&below).unwrap();
            }
            fs_err::write(
                below.join(format!("f{number}")),
                content.bytes(total / files),
            )
            .unwrap();
        }
        directory
    }

    /// `agent run-bundle`, in a root of its own that goes afterwards.
    fn deploy(&self, location: &str, kind: &str, endpoint: Option<&str>) -> Cost {
        let root = self.path("root");
        let mut configuration = format!("root_dir: {0}/root\nlog_dir: {0}/log\n", root.display());
        if let Some(endpoint) = endpoint {
            configuration.push_str(&format!("s3_endpoint_override: {endpoint}\n"));
        }
        fs_err::create_dir_all(&root).unwrap();
        let file = root.join("agent.yml");
        fs_err::write(&file, configuration).unwrap();
        let mut command = agent_command();
        command
            .args([
                "run-bundle",
                "--output",
                "json",
                "-t",
                kind,
                "-l",
                location,
                "-c",
            ])
            .arg(file)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        let cost = run(&mut command);
        fs_err::remove_dir_all(root).unwrap();
        cost
    }

    fn unpack_with(&self, program: &str, arguments: &[&str], archive: &Path, into: &str) -> Cost {
        let out = self.path("out");
        fs_err::create_dir(&out).unwrap();
        let cost = run(command(program)
            .args(arguments)
            .arg(archive)
            .arg(into)
            .arg(&out));
        fs_err::remove_dir_all(out).unwrap();
        cost
    }

    /// Both sides in turns, and the row.
    fn compare(
        &self,
        name: &str,
        at_most: f64,
        mut ours: impl FnMut() -> Cost,
        mut theirs: impl FnMut() -> Cost,
    ) {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            one.push(ours());
            other.push(theirs());
        }
        let (one, other) = (median(&one), median(&other));
        println!(
            "{name:<44} {:>9.2} s {:>9.2} s {:>7.2} {at_most:>7.2} {:>9.2} s {:>9.2} s {:>9.1} MB",
            one.wall.as_secs_f64(),
            other.wall.as_secs_f64(),
            one.wall.as_secs_f64() / other.wall.as_secs_f64(),
            one.cpu.as_secs_f64(),
            other.cpu.as_secs_f64(),
            one.anonymous as f64 / 1024.0,
        );
    }

    fn zip(&self, name: &str, files: usize) {
        let tree = self.tree("tree", files, 500 * self.mb);
        let archive = self.path("bundle.zip");
        zip_of(&tree, &archive);
        fs_err::remove_dir_all(&tree).unwrap();
        let location = archive.to_str().unwrap();
        self.compare(
            name,
            0.3,
            || self.deploy(location, "zip", None),
            || self.unpack_with("unzip", &["-q"], &archive, "-d"),
        );
        fs_err::remove_file(archive).unwrap();
    }

    /// A tgz of so many bytes of content.
    fn tgz(&self, files: usize, content: usize) -> PathBuf {
        let tree = self.tree("tree", files, content);
        let archive = self.path("bundle.tgz");
        run(command("tar")
            .args(["-cz", "-f"])
            .arg(&archive)
            .arg("-C")
            .arg(&tree)
            .arg("."));
        fs_err::remove_dir_all(tree).unwrap();
        archive
    }

    fn tgz_against_tar(&self, name: &str) {
        let archive = self.tgz(10_000, 500 * self.mb);
        let location = archive.to_str().unwrap();
        self.compare(
            name,
            0.4,
            || self.deploy(location, "tgz", None),
            || self.unpack_with("tar", &["xzf"], &archive, "-C"),
        );
        fs_err::remove_file(archive).unwrap();
    }

    fn parallel_against_one_stream(&self, name: &str) {
        let pace = Pace {
            connection: Some(50 * MB as u64),
            all: None,
        };
        let server = ObjectServer::start(object(only_to_download(1000 * self.mb)), pace);
        let endpoint = server.endpoint();
        let out = self.path("one-stream");
        self.compare(
            name,
            0.15,
            || self.deploy("s3://bucket/key", "tar", Some(&endpoint)),
            || one_stream(&server, 1000 * self.mb, &out),
        );
    }

    fn both_at_a_time_against_one_after_the_other(&self, name: &str) {
        let archive = self.tgz(10_000, 850 * self.mb);
        let bundle = fs_err::read(&archive).unwrap();
        println!("    (the tgz has {} MB)", bundle.len() / MB);
        let pace = Pace {
            connection: None,
            all: Some(200 * MB as u64),
        };
        let download_only = object(only_to_download(bundle.len()));
        let both = ObjectServer::start(object(bundle), pace);
        let download = ObjectServer::start(download_only, pace);
        let (both, download) = (both.endpoint(), download.endpoint());
        let location = archive.to_str().unwrap();
        self.compare(
            name,
            0.7,
            || self.deploy("s3://bucket/key", "tgz", Some(&both)),
            || {
                let first = self.deploy("s3://bucket/key", "tar", Some(&download));
                let then = self.deploy(location, "tgz", None);
                Cost {
                    wall: first.wall + then.wall,
                    cpu: first.cpu + then.cpu,
                    anonymous: first.anonymous.max(then.anonymous),
                }
            },
        );
        fs_err::remove_file(&archive).unwrap();
    }
}

fn zip_of(tree: &Path, archive: &Path) {
    // -1 to -9 make little difference to who unpacks.
    run(command("zip")
        .current_dir(tree)
        .args(["-q", "-r", "-6"])
        .arg(archive)
        .arg("."));
}

/// A tar with a small file and, after its end mark, bytes that nobody unpacks.
fn only_to_download(length: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let appspec = b"version: 0.0\nos: linux\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(appspec.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "appspec.yml", &appspec[..])
        .unwrap();
    let mut bytes = builder.into_inner().unwrap();
    let rest = length - bytes.len();
    bytes.extend_from_slice(&Content::new().bytes(rest));
    bytes
}

fn object(content: Vec<u8>) -> Object {
    // The MD5 as another program has it.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    file.rewind().unwrap();
    let sum = command("md5sum").stdin(file).output().unwrap();
    Object {
        etag: String::from_utf8_lossy(&sum.stdout)[..32].to_owned(),
        content: Arc::new(content),
        ..Object::default()
    }
}

/// The object over one connection into a file, as plainly as can be.
fn one_stream(server: &ObjectServer, length: usize, out: &Path) -> Cost {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(b"GET /bucket/key HTTP/1.1\r\nHost: s3\r\n\r\n")
        .unwrap();
    let mut file = fs_err::File::create(out).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        // The head counts as content here: a few hundred bytes of a billion.
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        file.write_all(&buffer[..count]).unwrap();
        left = left.saturating_sub(count);
    }
    let wall = began.elapsed();
    fs_err::remove_file(out).unwrap();
    Cost {
        wall,
        ..Cost::default()
    }
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> Duration| {
        let mut all: Vec<_> = costs.iter().map(of).collect();
        all.sort();
        all[all.len() / 2]
    };
    Cost {
        wall: middle(|cost| cost.wall),
        cpu: middle(|cost| cost.cpu),
        anonymous: costs.iter().map(|cost| cost.anonymous).max().unwrap(),
    }
}

/// Runs a command to its end; its memory is sampled all the while.
fn run(command: &mut Command) -> Cost {
    let before = cpu_of_children();
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
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = began.elapsed();
    assert!(exit.success(), "{command:?}");
    Cost {
        wall,
        cpu: cpu_of_children() - before,
        anonymous,
    }
}

fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time =
        |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap());
    time(usage.user_time()) + time(usage.system_time())
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
    let runs = std::env::var("BENCH_RUNS").map_or(5, |runs| runs.parse().unwrap());
    let scale: f64 = std::env::var("BENCH_SCALE").map_or(1.0, |scale| scale.parse().unwrap());
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let bench = Bench {
        top: tempfile::tempdir_in(base).unwrap(),
        runs,
        mb: (MB as f64 * scale) as usize,
    };
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("load before: {}", load.trim());
    println!(
        "{:<44} {:>11} {:>11} {:>7} {:>7} {:>11} {:>11} {:>12}",
        "", "ours", "reference", "ratio", "at most", "our CPU", "its CPU", "our memory"
    );
    let wanted = |name: &str| name.contains(&only);
    for (name, files) in [
        ("zip, 500 MB in 30 files, unzip -q", 30),
        ("zip, 500 MB in 20,000 files, unzip -q", 20_000),
    ] {
        if wanted(name) {
            bench.zip(name, files);
        }
    }
    let name = "tgz, 500 MB in 10,000 files, tar xzf";
    if wanted(name) {
        bench.tgz_against_tar(name);
    }
    let name = "S3, 1 GB at 50 MB/s a connection, one stream";
    if wanted(name) {
        bench.parallel_against_one_stream(name);
    }
    let name = "S3, tgz at 200 MB/s, download then unpack";
    if wanted(name) {
        bench.both_at_a_time_against_one_after_the_other(name);
    }
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("load after: {}", load.trim());
}
