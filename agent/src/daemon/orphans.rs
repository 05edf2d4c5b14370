//! Process 1 of a container inherits every process whose parent has ended, and nobody else
//! collects those when they end.

use std::collections::HashSet;
use std::time::Duration;

use fs_err as fs;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Between two looks. Children of our own are collected at once by those who wait for them, so
/// one that is found twice is nobody's.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Collects orphans that have ended, for as long as the daemon runs; only as process 1.
pub(super) async fn collect() {
    if std::process::id() != 1 {
        return;
    }
    let mut seen = HashSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let ended = ended_children();
        for pid in ended.intersection(&seen) {
            // By now somebody may have.
            let _ = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
        }
        seen = ended;
    }
}

/// Our children that have ended and that nobody has collected.
fn ended_children() -> HashSet<i32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return HashSet::new();
    };
    processes
        .filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_ended_child(*pid))
        .collect()
}

/// proc(5): `pid (name) state parent ...`; the name may hold anything.
fn is_ended_child(pid: i32) -> bool {
    let Ok(text) = fs::read(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let text = String::from_utf8_lossy(&text);
    let Some((_, fields)) = text.rsplit_once(") ") else {
        return false;
    };
    let mut fields = fields.split(' ');
    let own = std::process::id();
    fields.next() == Some("Z") && fields.next().and_then(|parent| parent.parse().ok()) == Some(own)
}
