//! The only unsafe code of the crate: fork and exec with a change of identity, the sweep of
//! inherited descriptors, and process descriptors.
//!
//! Invariant: between fork and exec (or `_exit`) the child makes async-signal-safe calls only and
//! allocates nothing. Everything it needs is prepared before the fork, so that it is sound in a
//! program with threads too; the runner itself has a single thread.

#![expect(
    unsafe_code,
    reason = "the one module that talks to the kernel where nix has no safe way"
)]

use std::ffi::{CStr, CString};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{self, c_char, c_int};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};

/// How often a script that somebody still has open for writing is tried again, 10 ms apart.
///
/// Another thread's fork can hold a descriptor of a file that was just unpacked until it execs.
const BUSY_TRIES: u32 = 100;

/// The identity that a child takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    /// User.
    pub(crate) uid: u32,
    /// Primary group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
}

/// All that a child needs; nothing is looked up after the fork.
pub(crate) struct Spawn<'a> {
    pub(crate) program: &'a CStr,
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) switch: Option<&'a Switch>,
    pub(crate) umask: u32,
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
    /// Hand a file without a shebang that the kernel does not know to `/bin/sh`.
    pub(crate) shell_fallback: bool,
}

/// The step at which a child gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Session,
    Streams,
    Groups,
    Group,
    User,
    Directory,
    Exec,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::Session,
        Self::Streams,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Directory,
        Self::Exec,
    ];
}

/// Why a child did not become the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExecError {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

/// A child that waits for the word to go on. Dropped without it, it ends by itself.
pub(crate) struct HeldChild {
    pid: Pid,
    go: OwnedFd,
    errors: OwnedFd,
}

impl HeldChild {
    /// The child's pid, which is also its session and process group.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the child exec; returns when it has, or why it could not (it is then reaped).
    pub(crate) fn release(self) -> io::Result<Result<(), ExecError>> {
        nix::unistd::write(&self.go, b"g")?;
        drop(self.go);
        let mut report = Vec::new();
        std::fs::File::from(self.errors).read_to_end(&mut report)?;
        let Some((step, errno)) = report.split_first_chunk::<1>().and_then(|([step], rest)| {
            let step = Step::ALL.into_iter().find(|known| *known as u8 == *step)?;
            Some((step, i32::from_ne_bytes(rest.try_into().ok()?)))
        }) else {
            return Ok(Ok(()));
        };
        // It has nothing left to do but to end.
        let _ = waitpid(self.pid, None);
        Ok(Err(ExecError {
            step,
            errno: Errno::from_raw(errno),
        }))
    }

    /// Ends the child before it has run anything.
    pub(crate) fn abandon(self) {
        drop(self.go);
        let _ = waitpid(self.pid, None);
    }
}

/// Forks a child in a session of its own that waits, see [`HeldChild`].
pub(crate) fn spawn(spawn: &Spawn<'_>) -> io::Result<HeldChild> {
    let (wait, go) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (errors, report) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let mut arguments: Vec<*const c_char> = spawn.arguments.iter().map(|a| a.as_ptr()).collect();
    arguments.push(ptr::null());
    let mut environment: Vec<*const c_char> =
        spawn.environment.iter().map(|e| e.as_ptr()).collect();
    environment.push(ptr::null());
    let shell = [
        c"/bin/sh".as_ptr(),
        spawn.program.as_ptr(),
        ptr::null::<c_char>(),
    ];
    // SAFETY: the child only calls `child`, which keeps to async-signal-safe functions.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(HeldChild {
            pid: child,
            go,
            errors,
        }),
        ForkResult::Child => child(
            spawn,
            &arguments,
            &environment,
            &shell,
            wait.as_raw_fd(),
            go.as_raw_fd(),
            report.as_raw_fd(),
        ),
    }
}

fn child(
    spawn: &Spawn<'_>,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    shell: &[*const c_char; 3],
    wait: RawFd,
    go: RawFd,
    report: RawFd,
) -> ! {
    let give_up = |step: Step| -> ! {
        let mut message = [0_u8; 5];
        message[0] = step as u8;
        message[1..].copy_from_slice(&Errno::last_raw().to_ne_bytes());
        // SAFETY: write and _exit are async-signal-safe; the buffer outlives the call.
        unsafe {
            libc::write(report, message.as_ptr().cast(), message.len());
            libc::_exit(127)
        }
    };
    // SAFETY: plain system calls on descriptors and memory that the caller keeps alive; each is
    // async-signal-safe, and all pointer arrays end in null.
    unsafe {
        libc::close(go);
        if libc::setsid() < 0 {
            give_up(Step::Session);
        }
        for (source, target) in [(spawn.stdin, 0), (spawn.stdout, 1), (spawn.stderr, 2)] {
            if libc::dup2(source.as_raw_fd(), target) < 0 {
                give_up(Step::Streams);
            }
        }
        let mut word = 0_u8;
        loop {
            match libc::read(wait, (&raw mut word).cast(), 1) {
                1 => break,
                -1 if Errno::last_raw() == libc::EINTR => {}
                // The runner has gone or thought better of it.
                _ => libc::_exit(127),
            }
        }
        reset_signals();
        if let Some(switch) = spawn.switch {
            if libc::setgroups(switch.groups.len(), switch.groups.as_ptr()) < 0 {
                give_up(Step::Groups);
            }
            if libc::setresgid(switch.gid, switch.gid, switch.gid) < 0 {
                give_up(Step::Group);
            }
            if libc::setresuid(switch.uid, switch.uid, switch.uid) < 0 {
                give_up(Step::User);
            }
        }
        if libc::chdir(c"/".as_ptr()) < 0 {
            give_up(Step::Directory);
        }
        libc::umask(spawn.umask);
        let mut tries = 0;
        loop {
            libc::execve(
                spawn.program.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
            );
            match Errno::last_raw() {
                libc::ETXTBSY if tries < BUSY_TRIES => {
                    tries += 1;
                    let pause = libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 10_000_000,
                    };
                    libc::nanosleep(&raw const pause, ptr::null_mut());
                }
                libc::ENOEXEC if spawn.shell_fallback => {
                    libc::execve(c"/bin/sh".as_ptr(), shell.as_ptr(), environment.as_ptr());
                    give_up(Step::Exec);
                }
                _ => give_up(Step::Exec),
            }
        }
    }
}

/// Every disposition to its default and an empty mask. Async-signal-safe.
fn reset_signals() {
    // The kernel's own structure (handler, flags, restorer, mask), all zero: SIG_DFL. The C
    // library's function would refuse the signals that it keeps for itself.
    let default = [0_u64; 8];
    const MASK_BYTES: usize = 8;
    // SAFETY: `default` is as large as the structure on every architecture and outlives the
    // calls; `empty` is valid when zeroed. KILL and STOP cannot be set, which is only an error.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                MASK_BYTES,
            );
        }
        let mut empty: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, ptr::null_mut());
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    /// By number: nix knows no real-time signals.
    Signal(i32),
}

/// A child that has ended (`child`, or any), left unreaped so that its pid and process group
/// cannot come to mean others; `None` when there is none yet.
pub(crate) fn peek_ended(child: Option<Pid>) -> Result<Option<(Pid, Exit)>, Errno> {
    let (kind, id) = match child {
        Some(pid) => (libc::P_PID, pid.as_raw().cast_unsigned()),
        None => (libc::P_ALL, 0),
    };
    // SAFETY: siginfo_t is valid when zeroed and outlives the call; waitid fills the fields of
    // SIGCHLD, which si_pid and si_status read (si_pid stays 0 when nothing has ended).
    let (pid, code, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        Errno::result(libc::waitid(kind, id, &raw mut info, flags))?;
        (info.si_pid(), info.si_code, info.si_status())
    };
    if pid == 0 {
        return Ok(None);
    }
    let exit = match code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::Signal(status),
    };
    Ok(Some((Pid::from_raw(pid), exit)))
}

/// Forks the calling process; `None` in the child.
///
/// Only for the runner, which has one thread: the child goes on with ordinary code.
pub(crate) fn fork_single_threaded() -> io::Result<Option<Pid>> {
    // SAFETY: with a single thread no lock can be left held in the child.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Closes every descriptor from 3 on: whatever the parent forgot to mark close-on-exec.
///
/// To be called first thing in the program, before it has opened anything.
pub(crate) fn close_inherited_descriptors() {
    // SAFETY: no object of this process owns a descriptor from 3 on yet (see above).
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, c_int::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Kernels before 5.9.
    let Ok(entries) = fs_err::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: as above; the directory's own descriptor is closed already, which is only EBADF.
        unsafe {
            libc::close(number);
        }
    }
}

/// Makes `command` start in a session of its own with SIGINT and SIGTERM blocked, so that a
/// terminal's Ctrl-C does not reach it and no early request to stop is lost. It inherits `passed`,
/// which has to be open for as long as `command` may be spawned.
pub(crate) fn detach(command: &mut Command, passed: Option<RawFd>) {
    // SAFETY: setsid, sigprocmask and fcntl are async-signal-safe, and the set is a local.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGINT);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) < 0 {
                return Err(io::Error::last_os_error());
            }
            if let Some(descriptor) = passed
                && libc::fcntl(descriptor, libc::F_SETFD, 0) < 0
            {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// A point in time on this host's clocks on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

/// Local time `seconds` after 1970. The C library's: a time zone library reads the whole zone
/// database at start, which costs more than all the rest of a short run.
pub(crate) fn local_time(seconds: i64) -> Option<LocalTime> {
    // SAFETY: both structures are valid (tm when zeroed) and outlive the call. It reads TZ from
    // the environment, which this program never changes.
    let time = unsafe {
        let mut time: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const seconds, &raw mut time).is_null() {
            return None;
        }
        time
    };
    Some(LocalTime {
        year: time.tm_year + 1900,
        month: time.tm_mon + 1,
        day: time.tm_mday,
        hour: time.tm_hour,
        minute: time.tm_min,
        second: time.tm_sec,
    })
}

/// A descriptor of a process: unlike a pid it never comes to mean another one.
pub(crate) struct ProcessDescriptor(OwnedFd);

impl ProcessDescriptor {
    /// Opens `pid`, which needs no right to it; `ENOSYS` before Linux 5.3.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor or -1.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor =
            RawFd::try_from(Errno::result(result)?).map_err(|_| io::Error::from(Errno::EBADF))?;
        // SAFETY: the descriptor was just made for us (close-on-exec by definition).
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Sends `signal` to the process; `ESRCH` when it has ended.
    pub(crate) fn signal(&self, signal: c_int) -> io::Result<()> {
        // SAFETY: a valid descriptor, a number, no signal information, no flags.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        Errno::result(result)?;
        Ok(())
    }
}
