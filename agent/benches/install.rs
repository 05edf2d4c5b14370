//! How long an Install takes, as a whole process, against `cp -a` (and `chmod -R`, `chown -R`,
//! `setfacl -R`) of the same files.
//!
//!     cargo bench -p agent --bench install [-- ext4|xfs|btrfs|DIRECTORY] [ROWS]
//!
//! The file system is made for the run, on a loop device whose image is in memory, so that the disk
//! is not what is measured; that needs root. Runs are interleaved, medians of seven (or `BENCH_RUNS`)
//! are printed. `synced` is everything on the disk: ours as it always is, `cp` with `sync -f`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark starts programs and prints what it has measured"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent::deployment::{DeploymentGroupId, FileExistsBehavior};
use agent::deployment_root::DeploymentRoot;
use agent::executor::read_appspec;
use agent::install::{InstallOptions, InstallRequest, SourceForm, install};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// One row of the table.
struct Row {
    name: &'static str,
    directories: usize,
    files_each: usize,
    bytes: usize,
    update: bool,
    permissions: bool,
    acl: bool,
    /// Against the same without syncing, and with.
    limits: (Option<f64>, Option<f64>),
}

const ROWS: &[Row] = &[
    Row {
        name: "10,000 x 1 kB in 100 directories, fresh",
        limits: (Some(0.8), Some(1.0)),
        ..TEN_THOUSAND
    },
    Row {
        name: "the same, update, every file changed",
        update: true,
        limits: (Some(1.2), Some(1.2)),
        ..TEN_THOUSAND
    },
    Row {
        name: "10,000 in one directory, fresh",
        directories: 1,
        files_each: 10_000,
        limits: (Some(1.2), Some(1.2)),
        ..TEN_THOUSAND
    },
    Row {
        name: "the same, update, every file changed",
        directories: 1,
        files_each: 10_000,
        update: true,
        limits: (Some(1.8), Some(1.8)),
        ..TEN_THOUSAND
    },
    Row {
        name: "100,000 with a permissions section",
        directories: 1000,
        permissions: true,
        limits: (Some(0.9), Some(0.9)),
        ..TEN_THOUSAND
    },
    Row {
        name: "the same with an ACL entry",
        directories: 1000,
        permissions: true,
        acl: true,
        limits: (Some(0.7), Some(0.7)),
        ..TEN_THOUSAND
    },
    Row {
        name: "10 files of 100 MB, fresh",
        directories: 1,
        files_each: 10,
        bytes: 100_000_000,
        limits: (None, None),
        ..TEN_THOUSAND
    },
];

const TEN_THOUSAND: Row = Row {
    name: "",
    directories: 100,
    files_each: 100,
    bytes: 1000,
    update: false,
    permissions: false,
    acl: false,
    limits: (None, None),
};

/// A file system made for the run; unmounted at the end.
struct Mounted(PathBuf, Option<tempfile::TempDir>);

impl Mounted {
    fn new(kind: &str) -> Self {
        if kind.starts_with('/') {
            return Self(PathBuf::from(kind), None);
        }
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        let image = memory.path().join("image");
        let file = fs_err::File::create(&image).unwrap();
        file.set_len(5 << 30).unwrap();
        let mut make = Command::new(format!("mkfs.{kind}"));
        if kind == "ext4" {
            // As a new host has it, and nothing left to do in the background.
            make.args(["-q", "-F", "-i", "8192"]);
            make.args(["-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        } else {
            make.args(["-q", "-f"]);
        }
        quietly(make.arg(&image));
        let mount = memory.path().join("mount");
        fs_err::create_dir(&mount).unwrap();
        quietly(
            Command::new("mount")
                .args(["-o", "loop"])
                .args([&image, &mount]),
        );
        Self(mount, Some(memory))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.1.is_some() {
            quietly(Command::new("umount").arg(&self.0));
        }
    }
}

fn quietly(command: &mut Command) {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{command:?}");
}

struct Bench<'a> {
    row: &'a Row,
    top: PathBuf,
}

impl Bench<'_> {
    fn archive(&self, number: usize) -> PathBuf {
        self.top.join(format!("archive-{number}"))
    }

    fn fill(&self, number: usize) {
        let archive = self.archive(number);
        let content = vec![b'a' + u8::try_from(number).unwrap(); self.row.bytes];
        for directory in 0..self.row.directories {
            let below = archive.join(format!("app/{directory}"));
            fs_err::create_dir_all(&below).unwrap();
            for file in 0..self.row.files_each {
                fs_err::write(below.join(format!("file-{file}")), &content).unwrap();
            }
        }
        let mut appspec = format!(
            "version: 0.0\nos: linux\nfiles:\n- source: app\n  destination: {}\n",
            self.top.join("ours").display()
        );
        if self.row.permissions {
            appspec += &format!(
                "permissions:\n- object: {}\n  owner: \"12345\"\n  group: \"12345\"\n  mode: 0750\n",
                self.top.join("ours").display()
            );
        }
        if self.row.acl {
            appspec += "  acls: [\"u:daemon:rx\"]\n";
        }
        fs_err::write(archive.join("appspec.yml"), appspec).unwrap();
    }

    fn ours(&self, number: usize, synced: bool) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--install", if synced { "synced" } else { "unsynced" }]);
        command.arg(&self.top).arg(self.archive(number));
        command
    }

    fn theirs(&self, synced: bool) -> Vec<Command> {
        let (from, to) = (self.archive(0).join("app"), self.top.join("theirs"));
        let mut commands = vec![Command::new("cp")];
        commands[0].arg("-a").args([&from, &to]);
        if self.row.permissions {
            for (program, what) in [("chmod", "0750"), ("chown", "12345:12345")] {
                let mut command = Command::new(program);
                command.args(["-R", what]).arg(&to);
                commands.push(command);
            }
        }
        if self.row.acl {
            let mut command = Command::new("setfacl");
            command.args(["-R", "-m", "u:daemon:rx"]).arg(&to);
            commands.push(command);
        }
        if synced {
            let mut command = Command::new("sync");
            command.arg("-f").arg(&to);
            commands.push(command);
        }
        commands
    }

    fn settle(&self, remove: &[&str]) {
        for name in remove {
            let path = self.top.join(name);
            if path.exists() {
                fs_err::remove_dir_all(path).unwrap();
            }
        }
        quietly(Command::new("sync").arg("-f").arg(&self.top));
    }

    fn measure(&self, runs: usize) {
        fs_err::create_dir_all(&self.top).unwrap();
        self.fill(0);
        if self.row.update {
            self.fill(1);
            quietly(&mut self.ours(1, false));
        }
        let fresh: &[&str] = if self.row.update {
            &[]
        } else {
            &["ours", "root"]
        };
        let mut times = [(); 4].map(|()| Vec::new());
        for run in 0..runs {
            for (slot, synced) in [(0, false), (2, true)] {
                self.settle(fresh);
                let number = usize::from(self.row.update && slot == 2);
                times[slot].push(timed(vec![self.ours(number, synced)]));
                self.settle(fresh);
                times[slot + 1].push(timed(self.theirs(synced)));
                self.settle(&["theirs"]);
            }
            // The next run begins with the archive that is not installed.
            if self.row.update && run + 1 < runs {
                self.settle(fresh);
            }
        }
        let memory = most_anonymous(&mut self.ours(0, true));
        self.settle(fresh);
        let [ours, theirs, ours_synced, theirs_synced] = times.map(|costs| median(&costs));
        let files = self.row.directories * self.row.files_each;
        for (label, ours, theirs, limit) in [
            ("", ours, theirs, self.row.limits.0),
            (", synced", ours_synced, theirs_synced, self.row.limits.1),
        ] {
            let ratio =
                |of: fn(Cost) -> Duration| of(ours).as_secs_f64() / of(theirs).as_secs_f64();
            println!(
                "| {}{label} | {:.0} ms | {:.0} ms | {:.2} | {:.2} | {} | {:.1} MB of {:.1} |",
                self.row.name,
                ours.wall.as_secs_f64() * 1000.0,
                theirs.wall.as_secs_f64() * 1000.0,
                ratio(|cost| cost.wall),
                ratio(|cost| cost.processor),
                limit.map_or("-".to_owned(), |limit| limit.to_string()),
                memory as f64 / 1024.0,
                32.0 + 200.0 * files as f64 / 1024.0 / 1024.0,
            );
        }
        fs_err::remove_dir_all(&self.top).unwrap();
    }
}

/// Wall time, and the processor time of all that ran.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    processor: Duration,
}

fn timed(commands: Vec<Command>) -> Cost {
    let (began, used) = (Instant::now(), processor());
    for mut command in commands {
        quietly(&mut command);
    }
    Cost {
        wall: began.elapsed(),
        processor: processor() - used,
    }
}

/// What all programs that have ended have used.
fn processor() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time =
        |value: TimeVal| Duration::from_micros(u64::try_from(value.num_microseconds()).unwrap());
    time(usage.user_time()) + time(usage.system_time())
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> Duration| {
        let mut times: Vec<_> = costs.iter().map(of).collect();
        times.sort();
        times[times.len() / 2]
    };
    Cost {
        wall: middle(|cost| cost.wall),
        processor: middle(|cost| cost.processor),
    }
}

/// The most anonymous memory seen, in kB.
fn most_anonymous(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs_err::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let now = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        most = most.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    most
}

/// One Install, in a process of its own.
fn one_install(arguments: &[String]) {
    let [synced, top, archive] = arguments else {
        panic!("{arguments:?}");
    };
    let (top, archive) = (Path::new(top), Path::new(archive));
    let appspec = read_appspec(archive, "appspec.yml").unwrap().appspec;
    let group = DeploymentGroupId::new("group").unwrap();
    let request = InstallRequest {
        archive,
        form: SourceForm::Unpacked,
        deployment_directory: &top.join("root/group/d-1"),
        appspec: &appspec,
        behavior: &FileExistsBehavior::Disallow,
        records: &DeploymentRoot::new(top.join("root")).instructions(&group),
        options: &InstallOptions {
            unsynced: synced == "unsynced",
            ..InstallOptions::default()
        },
        interrupted: &false.into(),
    };
    let installed = install(&request).unwrap();
    assert!(installed.warnings.is_empty(), "{installed:?}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--install") {
        one_install(&arguments[1..]);
        return;
    }
    // `cargo test --benches` runs benchmarks once; there is nothing to test here.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let mut given = arguments.iter().filter(|argument| *argument != "--bench");
    let kind = given.next().map_or("ext4", String::as_str);
    let chosen: Vec<usize> = given.map(|row| row.parse().unwrap()).collect();
    let runs = std::env::var("BENCH_RUNS").map_or(7, |runs| runs.parse().unwrap());
    let mounted = Mounted::new(kind);
    let load = fs_err::read_to_string("/proc/loadavg").unwrap();
    println!("{kind}; load before: {}\n", load.trim());
    println!("| files | ours | theirs | ratio | of processor time | at most | anonymous memory |");
    println!("|---|---|---|---|---|---|---|");
    for (number, row) in ROWS.iter().enumerate() {
        if chosen.is_empty() || chosen.contains(&number) {
            let top = mounted.0.join(format!("bench-{number}"));
            Bench { row, top }.measure(runs);
        }
    }
}
