//! Counts the file syncs of a process and of everything that it starts, by tracing system calls as
//! `strace -f` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// `fsync`, `fdatasync`, `sync`, `syncfs` and `sync_file_range`.
const SYNCS: [libc::c_long; 5] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
];

/// Counts from when it was attached until the process has ended.
#[derive(Debug)]
pub struct SyncCounter {
    count: Arc<AtomicU64>,
}

impl SyncCounter {
    /// Begins to count. The end of a child process that is traced cannot be waited for with
    /// [`std::process::Child::wait`] any more.
    ///
    /// # Panics
    /// When the process may not be traced.
    #[must_use]
    pub fn attach(pid: i32) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Self {
            count: Arc::clone(&count),
        };
        let (attached, wait) = mpsc::channel();
        // Only the thread that has attached may go on.
        std::thread::spawn(move || {
            attach(pid);
            attached.send(()).unwrap();
            trace(&count);
        });
        wait.recv().unwrap();
        counter
    }

    /// How many there were so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

fn attach(pid: i32) {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    let threads = || -> Vec<Pid> {
        fs_err::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .map(Pid::from_raw)
            .collect()
    };
    // What a thread starts that is attached is attached, too; so one look more than there is news.
    let mut known = Vec::new();
    loop {
        let new: Vec<Pid> = threads()
            .into_iter()
            .filter(|thread| !known.contains(thread))
            .collect();
        if new.is_empty() {
            return;
        }
        for thread in new {
            known.push(thread);
            match ptrace::seize(thread, options) {
                Ok(()) => ptrace::interrupt(thread).unwrap(),
                // Attached by its maker's, or gone.
                Err(Errno::EPERM | Errno::ESRCH) if known.len() > 1 => {}
                Err(error) => panic!("cannot trace {thread}: {error}"),
            }
        }
    }
}

fn trace(count: &AtomicU64) {
    // Not the children of other threads: those are other tests'.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let (pid, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::PtraceSyscall(pid)) => {
                if begins_sync(pid) {
                    count.fetch_add(1, Ordering::AcqRel);
                }
                (pid, None)
            }
            Ok(WaitStatus::PtraceEvent(pid, _, _)) => (pid, None),
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        // It may have been killed while it was stopped.
        let _ = ptrace::syscall(pid, signal);
    }
}

fn begins_sync(pid: Pid) -> bool {
    let begins = ptrace::syscall_info(pid)
        .is_ok_and(|information| information.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
    begins && number(pid).is_some_and(|number| SYNCS.contains(&number))
}

fn number(pid: Pid) -> Option<libc::c_long> {
    let registers = ptrace::getregs(pid).ok()?;
    #[cfg(target_arch = "x86_64")]
    let number = registers.orig_rax;
    #[cfg(target_arch = "aarch64")]
    let number = registers.regs[8];
    libc::c_long::try_from(number).ok()
}
