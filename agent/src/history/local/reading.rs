//! From the file to deployments.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::ledger::Ledger;
use super::record::{HEADER, Record};
use crate::deployment_root::DeploymentRoot;
use crate::files::{Found, checked_line, read_state_file};
use crate::history::deployment::{DeploymentResult, PastDeployment};
use crate::history::error::HistoryError;

/// More damaged lines than these are counted, not named.
const NAMED: usize = 3;

/// How often the file is read while it changes: each writer's record is one change.
const TRIES: usize = 5;

/// What the file comes to.
#[derive(Debug, Default)]
pub(in crate::history) struct LocalDeployments {
    pub(in crate::history) deployments: Vec<PastDeployment>,
    pub(in crate::history) complaints: Vec<String>,
}

/// What has the file's name.
pub(super) enum Content {
    /// Records, in their order, and what is wrong with others.
    Records {
        records: Vec<Record>,
        complaints: Vec<String>,
    },
    /// This user may not read it.
    Denied,
    /// Nothing of it can be used, and why.
    Unusable(String),
}

/// The local deployments below `root`.
pub(in crate::history) fn read(root: &DeploymentRoot) -> Result<LocalDeployments, HistoryError> {
    let path = root.local_deployments();
    let failed = |source| HistoryError::of(&path, source);
    let mut tries = 0;
    loop {
        let before = State::of(&path).map_err(failed)?;
        let read = read_once(root, &path)?;
        tries += 1;
        // One that has ended between the reading and the look at its lock is not killed.
        let is_killed =
            |past: &PastDeployment| matches!(past.result, DeploymentResult::Killed { .. });
        if tries == TRIES
            || !read.deployments.iter().any(is_killed)
            || State::of(&path).map_err(failed)? == before
        {
            return Ok(read);
        }
    }
}

fn read_once(root: &DeploymentRoot, path: &Path) -> Result<LocalDeployments, HistoryError> {
    let content = content(path).map_err(|source| HistoryError::of(path, source))?;
    let (records, complaints) = match content {
        Content::Records {
            records,
            complaints,
        } => (records, complaints),
        Content::Denied => {
            return Err(HistoryError::Denied {
                path: path.to_owned(),
            });
        }
        Content::Unusable(reason) => {
            let complaint = format!(
                "{} cannot be read as a record of local deployments: {reason}",
                path.display()
            );
            (Vec::new(), vec![complaint])
        }
    };
    let mut ledger = Ledger::default();
    for record in records {
        ledger.apply(record);
    }
    Ok(LocalDeployments {
        deployments: ledger.deployments(root),
        complaints,
    })
}

/// Tells whether the file has been written to.
#[derive(PartialEq, Eq)]
struct State(Option<(u64, u64)>);

impl State {
    fn of(path: &Path) -> io::Result<Self> {
        match fs_err::symlink_metadata(path) {
            Ok(metadata) => Ok(Self(Some((metadata.ino(), metadata.len())))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

/// The records in the file at `path`.
pub(super) fn content(path: &Path) -> io::Result<Content> {
    let bytes = match read_state_file(path, false)? {
        Found::Ours((_, bytes)) => bytes,
        Found::Nothing => Vec::new(),
        Found::Denied => return Ok(Content::Denied),
        Found::Unusable(reason) => return Ok(Content::Unusable(reason)),
    };
    let mut records = Vec::new();
    let mut damaged = Vec::new();
    // What follows the last line end is being written, or its writer was killed.
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let whole = checked_line::json(line);
        if index == 0
            && let Some(json) = whole
        {
            if let Err(reason) = HEADER.check(json) {
                return Ok(Content::Unusable(reason));
            }
            continue;
        }
        let json = whole.or_else(|| checked_line::json_at_end(line));
        let record = json.and_then(|json| serde_json::from_slice(json).ok());
        if whole.is_none() || record.is_none() {
            damaged.push(index + 1);
        }
        records.extend(record);
    }
    Ok(Content::Records {
        records,
        complaints: complaints(path, &damaged),
    })
}

fn complaints(path: &Path, damaged: &[usize]) -> Vec<String> {
    let path = path.display();
    let mut complaints: Vec<String> = damaged
        .iter()
        .take(NAMED)
        .map(|number| {
            format!(
                "line {number} of the record of local deployments {path} is damaged and left out"
            )
        })
        .collect();
    if let Some(more @ 1..) = damaged.len().checked_sub(NAMED) {
        complaints.push(format!("so are {more} more lines of {path}"));
    }
    complaints
}
