//! What /proc tells about other processes: descendants, and who holds a pipe.
//!
//! Only looked at when something is wrong (a timeout, a stop, output left open): a walk costs
//! milliseconds on a busy host.

use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outcome::{Holder, Stream};
use crate::sys::ProcessDescriptor;

/// The longest command that is shown, in characters.
const COMMAND_CHARACTERS: usize = 200;

/// What identifies a process, and its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// The pid of its session's leader, which keeps meaning this session while it has members.
    pub(crate) session: i32,
    /// In clock ticks since boot: with the pid, unique until the next boot.
    pub(crate) start_time: u64,
    /// Ended and not yet reaped: nothing of it runs any more, and a wait for it does not block.
    pub(crate) ended: bool,
    /// Its main thread has ended, and others go on.
    pub(crate) headless: bool,
}

impl Process {
    /// Where /proc shows what it has: the main thread of a headless process has neither
    /// environment nor descriptors any more, so that another one is asked.
    pub(crate) fn directory(&self) -> PathBuf {
        let whole = PathBuf::from(format!("/proc/{}", self.pid));
        if !self.headless {
            return whole;
        }
        let main = self.pid.to_string();
        fs::read_dir(whole.join("task"))
            .ok()
            .and_then(|mut threads| {
                threads.find_map(|thread| {
                    let thread = thread.ok()?;
                    (thread.file_name() != main.as_str()).then(|| thread.path())
                })
            })
            .unwrap_or(whole)
    }
}

/// Process `pid`.
pub(crate) fn process(pid: i32) -> io::Result<Process> {
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("/proc/{pid}/stat has an unknown form"),
        )
    })
}

/// proc(5): `pid (comm) state ppid pgrp session ...`, the number of threads is field 20, the start
/// time 22. The name may hold anything.
///
/// The state is the main thread's. When that has ended alone, the process shows as a zombie that
/// cannot be reaped, and lives: the number of threads tells, because it counts the main thread
/// until it is reaped and the others until they end.
fn parse_stat(text: &[u8]) -> Option<Process> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(text.get(..open)?).ok()?.trim();
    let fields: Vec<&str> = std::str::from_utf8(text.get(close + 1..)?)
        .ok()?
        .split_ascii_whitespace()
        .collect();
    let main_has_ended = matches!(*fields.first()?, "Z" | "X" | "x");
    let others = fields.get(17)?.parse::<u32>().ok()? > 1;
    Some(Process {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
        ended: main_has_ended && !others,
        headless: main_has_ended && others,
    })
}

fn pids() -> io::Result<Vec<i32>> {
    Ok(fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

/// All processes that can be seen.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    // One that vanishes meanwhile is none any more.
    Ok(pids()?
        .into_iter()
        .filter_map(|pid| process(pid).ok())
        .collect())
}

/// The kernel's id of this boot.
///
/// # Errors
/// When /proc cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// All descendants of process `root`, ended ones included.
pub(crate) fn descendants(root: i32) -> io::Result<Vec<Process>> {
    let mut others = all()?;
    let mut family = HashSet::from([root]);
    let mut found = Vec::new();
    loop {
        let before = found.len();
        others.retain(|process| {
            let ours = family.contains(&process.parent);
            if ours {
                family.insert(process.pid);
                found.push(*process);
            }
            !ours
        });
        if found.len() == before {
            return Ok(found);
        }
    }
}

/// Sends `signal` to exactly this process, not to one that has its pid by now.
pub(crate) fn signal(target: &Process, signal: Signal) -> Result<(), Errno> {
    let same =
        || process(target.pid).is_ok_and(|now| now.start_time == target.start_time && !now.ended);
    let errno = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    match ProcessDescriptor::open(target.pid).map_err(errno) {
        Ok(descriptor) if same() => descriptor.signal(signal as libc::c_int).map_err(errno),
        Ok(_) => Err(Errno::ESRCH),
        // A kernel before 5.3, or a filter of system calls: whoever may not signal a process may
        // still open it. Between the look and the signal the pid would have to come around.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            if same() {
                kill(Pid::from_raw(target.pid), signal)
            } else {
                Err(Errno::ESRCH)
            }
        }
        Err(error) => Err(error),
    }
}

/// Who holds the pipes with these inodes, apart from ourselves, and whether every process could
/// be looked at. Found also after setsid or a change of user.
pub(crate) fn holders(pipes: &[(Stream, u64)]) -> (Vec<Holder>, bool) {
    let own = std::process::id().cast_signed();
    let Ok(pids) = pids() else {
        return (Vec::new(), false);
    };
    let mut all_visible = true;
    let mut found = Vec::new();
    for pid in pids {
        if pid == own {
            continue;
        }
        let shown = process(pid).and_then(|process| {
            let entries = fs::read_dir(process.directory().join("fd"))?;
            Ok((process, entries))
        });
        let (process, entries) = match shown {
            Ok(shown) => shown,
            Err(error) => {
                all_visible &= error.kind() != io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let mut streams: Vec<Stream> = Vec::new();
        for entry in entries {
            let target = match entry.and_then(|entry| fs::read_link(entry.path())) {
                Ok(target) => target,
                Err(error) => {
                    all_visible &= error.kind() != io::ErrorKind::PermissionDenied;
                    continue;
                }
            };
            let Some(inode) = pipe_inode(&target) else {
                continue;
            };
            for (stream, pipe) in pipes {
                if *pipe == inode && !streams.contains(stream) {
                    streams.push(*stream);
                }
            }
        }
        if !streams.is_empty() {
            streams.sort_by_key(|stream| *stream == Stream::Stderr);
            found.push(Holder {
                pid,
                command: command(&process),
                streams,
            });
        }
    }
    found.sort_by_key(|holder| holder.pid);
    (found, all_visible)
}

fn pipe_inode(target: &Path) -> Option<u64> {
    target
        .to_str()?
        .strip_prefix("pipe:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The program, and the file it interprets if that is its first argument. Not the others: people
/// pass passwords there.
pub(crate) fn command(process: &Process) -> String {
    let directory = process.directory();
    let line = fs::read(directory.join("cmdline")).unwrap_or_default();
    let mut words = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let mut text = match words.next() {
        Some(program) => String::from_utf8_lossy(program).into_owned(),
        None => fs::read(directory.join("comm"))
            .map(|name| String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
            .unwrap_or_default(),
    };
    if let Some(argument) = words.next() {
        let path = Path::new(std::ffi::OsStr::from_bytes(argument));
        if argument.contains(&b'/') && path.is_absolute() || path.starts_with(".") {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(argument));
        }
    }
    text.chars()
        .take(COMMAND_CHARACTERS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use rstest::rstest;

    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_is_parsed() {
        let text = b"42 (a) b (c) R 7 42 43 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(
            parse_stat(text),
            Some(Process {
                pid: 42,
                parent: 7,
                session: 43,
                start_time: 12345,
                ended: false,
                headless: false
            })
        );
        assert_eq!(parse_stat(b"42 (x"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[rstest]
    #[case::ended("Z", 1, true, false)]
    #[case::only_its_main_thread_has_ended("Z", 2, false, true)]
    #[case::being_reaped("X", 0, true, false)]
    #[case::running("S", 2, false, false)]
    fn a_process_lives_for_as_long_as_one_of_its_threads(
        #[case] state: &str,
        #[case] threads: u32,
        #[case] ended: bool,
        #[case] headless: bool,
    ) {
        let text = format!("42 (x) {state} 7 42 43 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 9 0 0");
        let process = parse_stat(text.as_bytes()).unwrap();
        assert_eq!((process.ended, process.headless), (ended, headless));
    }

    #[test]
    fn we_are_a_descendant_of_our_parent() {
        let own = process(std::process::id().cast_signed()).unwrap();
        let family = descendants(own.parent).unwrap();
        assert!(family.iter().any(|process| process.pid == own.pid));
        assert!(
            !descendants(own.pid)
                .unwrap()
                .iter()
                .any(|process| process.pid == own.parent)
        );
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_signalled() {
        let mut own = process(std::process::id().cast_signed()).unwrap();
        own.start_time += 1;
        assert_eq!(signal(&own, Signal::SIGKILL), Err(Errno::ESRCH));
    }

    #[test]
    fn pipes_are_recognised_by_inode() {
        let (read, _write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", read.as_raw_fd())).unwrap();
        assert!(pipe_inode(&link).is_some());
        assert_eq!(pipe_inode(Path::new("socket:[12]")), None);
        assert_eq!(pipe_inode(Path::new("/tmp/pipe:[x]")), None);
    }
}
