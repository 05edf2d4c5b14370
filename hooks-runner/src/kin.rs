//! Which processes belong to a script where descent does not tell: its runner is gone, or the
//! kernel does not leave orphans to it. A function of what /proc shows.
//!
//! A process belongs to it when
//! - it is in the script's session. The number of a session means the same one for as long as it
//!   has members. That it is the script's is shown by its leader, which began when `started`
//!   says, or, when the leader has ended, by a member that carries the script's marks;
//! - it carries the marks, began after the script, and nothing shows that it is another's;
//! - its parent belongs to it.
//!
//! Another's are: a session that has a member older than the script, because one joins a session
//! by being born in it; a child of a marked process that is older, which is a daemon of an
//! earlier script of the same hook; what runs below another runner; and runners themselves.
//!
//! So a process escapes that left the session, dropped the marks, and whose parent has ended.

use std::collections::{HashMap, HashSet};
use std::io;

use fs_err as fs;

use crate::processes::{self, Process};
use crate::program::PROGRAM_NAME;
use crate::run_dir::Started;

/// What a closer look at a process shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It carries the script's marks.
    Marked,
    /// It does not.
    Unmarked,
    /// We may not look.
    Hidden,
    /// It runs scripts itself.
    Runner,
}

/// The processes of a script.
#[derive(Debug, Default)]
pub(crate) struct Kin {
    /// Those that are alive.
    pub(crate) members: Vec<Process>,
    /// How many others might belong to it and could not be looked at.
    pub(crate) hidden: usize,
}

/// The processes of the script that `started` tells of; ourselves are never among them.
///
/// # Errors
/// When /proc cannot be read.
pub(crate) fn look(started: &Started) -> io::Result<Kin> {
    let script = (started.script_start_time, started.script_pid);
    let own = std::process::id().cast_signed();
    Ok(of(script, own, &processes::all()?, |process| {
        look_at(process, &started.marks)
    }))
}

fn look_at(process: &Process, marks: &[String]) -> Look {
    if is_runner(process.pid) {
        return Look::Runner;
    }
    match fs::read(process.directory().join("environ")) {
        Ok(environment) => {
            let has = |mark: &String| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == mark.as_bytes())
            };
            if !marks.is_empty() && marks.iter().all(has) {
                Look::Marked
            } else {
                Look::Unmarked
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Look::Hidden,
        // It has ended.
        Err(_) => Look::Unmarked,
    }
}

/// Whether it is a runner, or what reads on after one: both have the environment of their script.
fn is_runner(pid: i32) -> bool {
    let first_word = |file: &str, end: u8| {
        fs::read(format!("/proc/{pid}/{file}"))
            .ok()
            .and_then(|text| text.split(|byte| *byte == end).next().map(<[u8]>::to_vec))
    };
    let is_name = |word: Option<Vec<u8>>| word.is_some_and(|word| word == PROGRAM_NAME.as_bytes());
    is_name(first_word("comm", b'\n')) && is_name(first_word("cmdline", 0))
}

struct View<'a, L> {
    script: (u64, i32),
    own: i32,
    by_pid: HashMap<i32, &'a Process>,
    look: L,
    looked: HashMap<i32, Look>,
}

/// The living processes among `all` that belong to the script, given by start time and pid.
/// `own` never does.
fn of(script: (u64, i32), own: i32, all: &[Process], look: impl FnMut(&Process) -> Look) -> Kin {
    let mut view = View {
        script,
        own,
        by_pid: all.iter().map(|process| (process.pid, process)).collect(),
        look,
        looked: HashMap::new(),
    };
    let older_sessions: HashSet<i32> = all
        .iter()
        .filter(|process| !view.is_younger(process))
        .map(|process| process.session)
        .collect();
    let its_session = view.session_is_the_scripts(all, &older_sessions);
    let mut members: HashSet<i32> = HashSet::new();
    let mut hidden = 0;
    for process in all {
        if process.ended || !view.may_be_signalled(process) {
            continue;
        }
        if process.session == script.1 {
            if its_session {
                members.insert(process.pid);
            }
        } else if view.is_younger(process) && !older_sessions.contains(&process.session) {
            match view.look_at(process) {
                Look::Marked if !view.is_below_another(process) => {
                    members.insert(process.pid);
                }
                Look::Hidden => hidden += 1,
                Look::Marked | Look::Unmarked | Look::Runner => {}
            }
        }
    }
    loop {
        let children: Vec<i32> = all
            .iter()
            .filter(|process| {
                members.contains(&process.parent)
                    && !process.ended
                    && view.may_be_signalled(process)
                    && !members.contains(&process.pid)
            })
            .map(|process| process.pid)
            .collect();
        if children.is_empty() {
            break;
        }
        members.extend(children);
    }
    Kin {
        members: all
            .iter()
            .filter(|process| members.contains(&process.pid))
            .copied()
            .collect(),
        hidden,
    }
}

impl<L: FnMut(&Process) -> Look> View<'_, L> {
    /// Whether it began after the script, or is the script. Within one tick of the clock the
    /// numbers tell, which are given out in order.
    fn is_younger(&self, process: &Process) -> bool {
        (process.start_time, process.pid) >= self.script
    }

    fn may_be_signalled(&self, process: &Process) -> bool {
        process.pid > 1 && process.pid != self.own
    }

    fn look_at(&mut self, process: &Process) -> Look {
        if let Some(look) = self.looked.get(&process.pid) {
            return *look;
        }
        let look = (self.look)(process);
        self.looked.insert(process.pid, look);
        look
    }

    fn session_is_the_scripts(&mut self, all: &[Process], older: &HashSet<i32>) -> bool {
        let (start_time, pid) = self.script;
        if let Some(leader) = self.by_pid.get(&pid) {
            return leader.start_time == start_time;
        }
        !older.contains(&pid)
            && all
                .iter()
                .any(|member| member.session == pid && self.look_at(member) == Look::Marked)
    }

    /// Whether a marked process has a runner or a daemon of an earlier script above it. The walk
    /// ends at whoever adopts orphans, as far as that can be known.
    fn is_below_another(&mut self, process: &Process) -> bool {
        let mut seen = HashSet::new();
        let mut parent = process.parent;
        while parent > 1 && parent != self.own && seen.insert(parent) {
            let Some(above) = self.by_pid.get(&parent).copied() else {
                return false;
            };
            match self.look_at(above) {
                Look::Runner => return true,
                Look::Marked if !self.is_younger(above) => return true,
                Look::Marked | Look::Unmarked | Look::Hidden => parent = above.parent,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The script: pid 100, begun at 50.
    const SCRIPT: (u64, i32) = (50, 100);
    const OWN: i32 = 10;

    fn process(pid: i32, parent: i32, session: i32, start_time: u64) -> Process {
        Process {
            pid,
            parent,
            session,
            start_time,
            ended: false,
            headless: false,
        }
    }

    /// The script in its session, the agent, and `others`; what is in `looks` is not unmarked.
    fn members(others: &[Process], looks: &[(i32, Look)]) -> (Vec<i32>, usize) {
        let mut all = vec![
            process(1, 0, 1, 0),
            process(OWN, 1, OWN, 5),
            process(100, 1, 100, 50),
        ];
        all.extend_from_slice(others);
        of_all(&all, looks)
    }

    fn of_all(all: &[Process], looks: &[(i32, Look)]) -> (Vec<i32>, usize) {
        let kin = of(SCRIPT, OWN, all, |process| {
            let found = looks.iter().find(|(pid, _)| *pid == process.pid);
            found.map_or(Look::Unmarked, |(_, look)| *look)
        });
        let pids = kin.members.iter().map(|process| process.pid).collect();
        (pids, kin.hidden)
    }

    #[rstest]
    #[case::nothing_else(&[], &[], &[100])]
    #[case::in_its_session(&[process(101, 1, 100, 51)], &[], &[100, 101])]
    #[case::a_child_in_its_own_session(&[process(101, 100, 101, 51)], &[], &[100, 101])]
    #[case::a_child_that_is_listed_before_its_parent(
        &[process(90, 101, 90, 53), process(101, 100, 101, 51)], &[], &[100, 90, 101])]
    #[case::a_marked_session(&[process(101, 1, 101, 51)], &[(101, Look::Marked)], &[100, 101])]
    #[case::unmarked(&[process(101, 1, 101, 51)], &[], &[100])]
    #[case::marked_and_older(&[process(99, 1, 99, 49)], &[(99, Look::Marked)], &[100])]
    #[case::marked_in_the_same_tick_and_before(
        &[process(99, 1, 99, 50)], &[(99, Look::Marked)], &[100])]
    #[case::marked_in_the_same_tick_and_after(
        &[process(101, 1, 101, 50)], &[(101, Look::Marked)], &[100, 101])]
    #[case::marked_in_a_session_that_is_older(
        &[process(99, 1, 99, 49), process(101, 1, 99, 51)], &[(101, Look::Marked)], &[100])]
    #[case::a_worker_in_a_session_of_its_own_of_an_older_daemon(
        &[process(99, 1, 99, 49), process(101, 99, 101, 51), process(102, 101, 102, 52)],
        &[(99, Look::Marked), (101, Look::Marked), (102, Look::Marked)], &[100])]
    #[case::adopted_by_an_older_process_that_is_no_daemon_of_the_hook(
        &[process(20, 1, 20, 6), process(101, 20, 101, 51)], &[(101, Look::Marked)], &[100, 101])]
    #[case::adopted_by_the_agent(&[process(101, OWN, 101, 51)], &[(101, Look::Marked)], &[100, 101])]
    #[case::another_runner_and_its_script(
        &[process(101, OWN, 101, 51), process(102, 101, 102, 52), process(103, 102, 103, 53)],
        &[(101, Look::Runner), (102, Look::Marked), (103, Look::Marked)], &[100])]
    #[case::a_runner_that_the_script_started(
        &[process(101, 100, 101, 51), process(102, 101, 102, 52)],
        &[(101, Look::Runner)], &[100, 101, 102])]
    #[case::children_of_the_agent(&[process(101, OWN, 101, 51)], &[], &[100])]
    fn members_are(
        #[case] others: &[Process],
        #[case] looks: &[(i32, Look)],
        #[case] expected: &[i32],
    ) {
        assert_eq!(members(others, looks), (expected.to_vec(), 0));
    }

    #[test]
    fn the_agent_is_none_even_when_the_script_started_it() {
        let all = [
            process(1, 0, 1, 0),
            process(100, 1, 100, 50),
            process(OWN, 100, 100, 51),
            process(102, OWN, 102, 52),
        ];
        assert_eq!(of_all(&all, &[(OWN, Look::Marked)]), (vec![100], 0));
    }

    #[test]
    fn a_session_of_that_number_with_another_leader_is_not_the_scripts() {
        let all = [process(100, 1, 100, 60), process(101, 100, 100, 61)];
        assert_eq!(of_all(&all, &[]), (vec![], 0));
        // Not even when it has the marks: then it is of another script, whose runner ends it.
        assert_eq!(of_all(&all, &[(101, Look::Marked)]), (vec![], 0));
    }

    #[rstest]
    #[case::a_member_is_marked(&[process(101, 1, 100, 51), process(102, 1, 100, 52)],
        &[(102, Look::Marked)], &[101, 102])]
    #[case::no_member_is_marked(&[process(101, 1, 100, 51)], &[], &[])]
    #[case::a_member_is_older(&[process(101, 1, 100, 49), process(102, 1, 100, 51)],
        &[(102, Look::Marked)], &[])]
    fn a_session_without_its_leader(
        #[case] all: &[Process],
        #[case] looks: &[(i32, Look)],
        #[case] expected: &[i32],
    ) {
        assert_eq!(of_all(all, looks).0, expected);
    }

    #[test]
    fn what_may_not_be_looked_at_is_counted_and_left_alone() {
        let others = [
            process(101, 1, 101, 51),
            process(99, 1, 99, 49),
            process(102, 1, 99, 52),
        ];
        let looks = [101, 99, 102].map(|pid| (pid, Look::Hidden));
        assert_eq!(members(&others, &looks), (vec![100], 1));
    }

    #[test]
    fn what_has_ended_is_none() {
        let mut child = process(101, 100, 100, 51);
        child.ended = true;
        assert_eq!(members(&[child], &[]).0, [100]);
    }
}
