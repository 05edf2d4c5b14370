//! What goes, of what there is.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::survey::{Group, Stays};
use crate::deployment_root::{DeploymentDirectory, RetentionError, surplus};

/// What kind of thing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole deployment that is one too many.
    Deployment,
    /// A bundle whose archive is there.
    Bundle,
    /// What was begun and never came to its end.
    Partial,
    /// What a removal that was killed has left.
    LeftAside,
    /// A file of a log that was rotated out.
    Log,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Bundle => "bundle",
            Self::Partial => "partial",
            Self::LeftAside => "leftover",
            Self::Log => "log",
        }
    }
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Going {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
}

/// What goes of a group when `keep` revisions are to stay.
pub(super) fn going(group: &Group, keep: usize) -> Result<Vec<Going>, RetentionError> {
    let mut going: Vec<Going> = Vec::new();
    let mut goes = |kind, path: PathBuf| going.push(Going { kind, path });
    for path in &group.left_aside {
        goes(Kind::LeftAside, path.clone());
    }
    // What the next Install does about the killed one is not to be made harder.
    if group.unrecovered {
        return Ok(going);
    }
    let staying = group.deployments.iter().filter(|one| one.stays.is_some());
    let kept: Vec<&Path> = staying
        .map(|one| one.directory.path())
        .chain(group.foreign.iter().map(PathBuf::as_path))
        .collect();
    let surplus = surplus(&group.path, keep, &kept)?;
    let old: Vec<PathBuf> = surplus.candidates.into_iter().take(surplus.count).collect();
    for deployment in &group.deployments {
        let directory = &deployment.directory;
        if old.iter().any(|path| path == directory.path()) {
            goes(Kind::Deployment, directory.path().to_owned());
        } else if !deployment.stays.is_some_and(Stays::is_whole) {
            for (kind, path) in unneeded(directory) {
                goes(kind, path);
            }
        }
    }
    Ok(going)
}

/// What a deployment that is not at work does not need any more.
fn unneeded(directory: &DeploymentDirectory) -> Vec<(Kind, PathBuf)> {
    let has_archive = fs::symlink_metadata(directory.archive()).is_ok_and(|found| found.is_dir());
    let mut unneeded = vec![
        (Kind::Partial, directory.partial_archive()),
        (Kind::Partial, directory.partial_bundle()),
    ];
    if has_archive {
        unneeded.push((Kind::Bundle, directory.bundle()));
        unneeded.push((Kind::Partial, directory.bundle_parts()));
        // Without an archive it is the one: the next try puts it back.
        unneeded.push((Kind::Partial, directory.replaced_archive()));
    }
    unneeded.retain(|(_, path)| fs::symlink_metadata(path).is_ok());
    unneeded
}
