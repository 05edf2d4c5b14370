//! Which failpoints were passed, in which order, by which processes.

use std::path::Path;

use failpoints::{Failpoint, Program};

/// One line of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) point: Failpoint,
    pub(crate) pid: i32,
}

/// The trace at `path`; empty when nothing has been passed.
pub(crate) fn read(path: &Path) -> Vec<Passed> {
    let text = fs_err::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n')
        // A line without its end is being written.
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| {
            let (name, pid) = line.split_once(' ').unwrap();
            let point = Failpoint::ALL.iter().find(|point| point.name() == name);
            Passed {
                point: *point.unwrap(),
                pid: pid.parse().unwrap(),
            }
        })
        .collect()
}

/// How often `point` was passed.
pub(crate) fn times(trace: &[Passed], point: Failpoint) -> usize {
    trace.iter().filter(|passed| passed.point == point).count()
}

/// How often any place of `program` was passed.
pub(crate) fn times_of(trace: &[Passed], program: Program) -> usize {
    trace
        .iter()
        .filter(|passed| passed.point.program() == program)
        .count()
}

/// The first, a middle and the last of so many, each once.
pub(crate) fn first_middle_last(times: usize) -> Vec<usize> {
    let mut which = vec![1, times.div_ceil(2), times];
    which.retain(|which| *which > 0);
    which.dedup();
    which
}
