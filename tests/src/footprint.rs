//! What a process takes, by /proc.

use std::path::PathBuf;
use std::time::Duration;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory.
    pub resident_kb: u64,
    /// Resident memory that belongs to no file.
    pub anonymous_kb: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Children that have ended and were not waited for.
    pub zombies: usize,
    /// Spent so far by the threads that are there.
    pub processor_time: Duration,
}

impl Footprint {
    /// Of the process `pid`.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let value = line.split_ascii_whitespace().nth(1).unwrap();
            value.parse().unwrap()
        };
        // In nanoseconds; the ticks of `stat` are too long for one that does nothing. A thread may
        // end meanwhile.
        let nanoseconds: u64 = fs_err::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .filter_map(|task| fs_err::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        let zombies = fs_err::read_dir("/proc")
            .unwrap()
            .filter(|entry| is_zombie_of(entry.as_ref().unwrap().path(), pid))
            .count();
        Self {
            resident_kb: field("VmRSS:"),
            anonymous_kb: field("RssAnon:"),
            threads: field("Threads:"),
            descriptors: fs_err::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            zombies,
            processor_time: Duration::from_nanos(nanoseconds),
        }
    }
}

fn is_zombie_of(process: PathBuf, parent: i32) -> bool {
    let beginning = format!("Z {parent} ");
    fs_err::read_to_string(process.join("stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(&beginning))
    })
}
