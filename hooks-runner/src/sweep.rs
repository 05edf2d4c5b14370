//! Ends what is left of a script whose runner was killed.
//!
//! While a runner lives it knows its script's processes: all are its descendants. After its death
//! they have to be recognised, see [`crate::kin`]. Invariant: a process that may be somebody else's
//! is left alone, and what could not be looked at is said.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::elevation::Elevation;
use crate::kin::{self, Kin};
use crate::launch::LaunchError;
use crate::processes::{self, Process};
use crate::request::Request;
use crate::run_dir::{OUTCOME, REQUEST, RunDir, RunDirError, Started};
use crate::supervise::{GRACE, KILL_LIMIT};

/// Between two looks: a walk through /proc costs milliseconds on a busy host.
const INTERVAL: Duration = Duration::from_millis(20);

/// A process that a script left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOver {
    /// Its pid.
    pub pid: i32,
    /// Its program, and the file that it interprets; never its other arguments, which may be
    /// secrets.
    pub command: String,
}

impl fmt::Display for LeftOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

/// What [`sweep`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes of the script that were still there and are gone now.
    pub ended: Vec<LeftOver>,
    /// Processes of the script that cannot be ended: they hang in the kernel, or we may not.
    pub survivors: Vec<LeftOver>,
    /// What could not be looked at or done, for people.
    pub complaints: Vec<String>,
}

/// Ends what is left of the script of `run_dir` after its runner was killed: the members of its
/// session, all their descendants, and processes in other sessions that carry its marks (see
/// [`Started::marks`]) and began after it. SIGTERM, 10 s later SIGKILL. Blocks until none is left,
/// or up to 5 s after SIGKILL for those that cannot be ended.
///
/// Nothing is signalled when the script never began, when there is an outcome (whatever it says,
/// readable or not: the script has ended, and what it started may live on), or when the host has
/// booted since. May be repeated, and given up half way.
///
/// # Errors
/// [`RunDirError::Held`] while a runner is at work: that one is to be waited for. Others when the
/// run directory is not safe, `started` cannot be understood, or /proc cannot be read.
pub fn sweep(run_dir: &Path) -> Result<Swept, LaunchError> {
    let run_dir = match RunDir::open(run_dir) {
        Err(RunDirError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Swept::default());
        }
        other => other?,
    };
    let Some(lock) = run_dir.open_existing_lock()? else {
        return Ok(Swept::default());
    };
    // Until the end: no runner is to begin here meanwhile.
    run_dir.lock(&lock)?;
    if run_dir.has(OUTCOME) {
        return Ok(Swept::default());
    }
    let Some(started) = run_dir.read_started()? else {
        return Ok(Swept::default());
    };
    let failed = |source| LaunchError::Sweep {
        run_dir: run_dir.path().to_owned(),
        source,
    };
    if processes::boot_id().map_err(failed)? != started.boot_id {
        return Ok(Swept::default());
    }
    // Only tells whether sudo may be needed.
    let request = run_dir.read(REQUEST).ok().flatten();
    let elevation = request
        .and_then(|bytes| Request::decode(&bytes).ok())
        .and_then(|request| Elevation::of(&request));
    Broom::new(&started, elevation).run().map_err(failed)
}

struct Broom<'a> {
    started: &'a Started,
    elevation: Option<Elevation>,
    /// All that were found, by pid and start time.
    found: BTreeMap<(i32, u64), LeftOver>,
    told: HashSet<(i32, u64, Signal)>,
    hidden: usize,
    complaints: Vec<String>,
}

impl<'a> Broom<'a> {
    fn new(started: &'a Started, elevation: Option<Elevation>) -> Self {
        Self {
            started,
            elevation,
            found: BTreeMap::new(),
            told: HashSet::new(),
            hidden: 0,
            complaints: Vec::new(),
        }
    }

    fn run(mut self) -> io::Result<Swept> {
        let begin = Instant::now();
        let (kill_at, give_up) = (begin + GRACE, begin + GRACE + KILL_LIMIT);
        let mut survivors = Vec::new();
        loop {
            let mut alive = self.look()?;
            if alive.is_empty() && !self.found.is_empty() {
                // A walk is no snapshot: one that was just forked may have been passed by.
                alive = self.look()?;
            }
            if alive.is_empty() {
                break;
            }
            let now = Instant::now();
            if now >= give_up {
                survivors = alive;
                break;
            }
            let signal = if now >= kill_at {
                Signal::SIGKILL
            } else {
                Signal::SIGTERM
            };
            self.tell(&alive, signal);
            std::thread::sleep(INTERVAL);
        }
        Ok(self.report(&survivors))
    }

    fn look(&mut self) -> io::Result<Vec<Process>> {
        let Kin { members, hidden } = kin::look(self.started)?;
        self.hidden = self.hidden.max(hidden);
        for process in &members {
            self.found
                .entry((process.pid, process.start_time))
                .or_insert_with(|| LeftOver {
                    pid: process.pid,
                    command: processes::command(process),
                });
        }
        Ok(members)
    }

    /// Each is told once; with `SIGKILL` there is no need to.
    fn tell(&mut self, alive: &[Process], signal: Signal) {
        let mut others = Vec::new();
        for process in alive {
            if !self.told.insert((process.pid, process.start_time, signal)) {
                continue;
            }
            // One that has just ended is no error; the next look tells.
            if processes::signal(process, signal) == Err(Errno::EPERM) {
                others.push(process.pid);
            }
        }
        if let Some(elevation) = &self.elevation {
            elevation.kill(signal, &others);
        }
    }

    fn report(mut self, survivors: &[Process]) -> Swept {
        if processes::process(1).is_err() {
            self.complaints.push(
                "processes of other users cannot be seen on this host (/proc is mounted with \
                 hidepid), so those of the script among them could not be looked for"
                    .to_owned(),
            );
        }
        if self.started.marks.is_empty() {
            self.complaints.push(
                "the script had no DEPLOYMENT_ID and LIFECYCLE_EVENT in its environment, so \
                 processes that left its session could not be looked for"
                    .to_owned(),
            );
        } else if self.hidden > 0 {
            self.complaints.push(format!(
                "the environment of {} processes that began after the script cannot be read, so \
                 those of the script among them could not be told from others",
                self.hidden
            ));
        }
        let survives = |pid: i32| survivors.iter().any(|process| process.pid == pid);
        let (survivors, ended) = self
            .found
            .into_values()
            .partition(|left| survives(left.pid));
        Swept {
            ended,
            survivors,
            complaints: self.complaints,
        }
    }
}
