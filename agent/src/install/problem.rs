//! What can stand against a plan. Each is found before anything is touched, all in one go.

use std::io;
use std::path::{Path, PathBuf};

/// One reason why a revision cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// DISALLOW, and something foreign is there.
    #[error(
        "{} exists and is not of this deployment group's last revision{}; remove it, or set \
         file_exists_behavior to OVERWRITE or RETAIN", path.display(),
        group.as_ref().map_or(String::new(), |g| format!(" (deployment group {g} installed it)"))
    )]
    Exists {
        /// The destination.
        path: PathBuf,
        /// The deployment group whose record has it.
        group: Option<String>,
    },
    /// Something foreign is there, and the behaviour's value means nothing.
    #[error(
        "{} exists, and file_exists_behavior {value:?} is none of DISALLOW, OVERWRITE, RETAIN",
        path.display()
    )]
    UnknownBehavior {
        /// The destination.
        path: PathBuf,
        /// The behaviour as given.
        value: String,
    },
    /// A file or link would replace a directory.
    #[error(
        "{} is a directory, and the revision has a file of that name; no directory is removed to \
         make room for a file{}", path.display(),
        keeper.as_ref().map_or_else(String::new, |keeper| format!(
            ". It is the last revision's and would go, but for {}, which is not: move that away",
            keeper.display()
        ))
    )]
    DirectoryThere {
        /// The destination.
        path: PathBuf,
        /// What keeps it, when it is a directory of the last revision.
        keeper: Option<PathBuf>,
    },
    /// A directory is needed where something else is.
    #[error("{} must be a directory and is something else; remove it", path.display())]
    NotADirectory {
        /// The destination or one of its parents.
        path: PathBuf,
    },
    /// A directory is needed where a link is that leads to none.
    #[error(
        "{} must be a directory and is a link that leads nowhere; make the directory that it leads \
         to, or remove the link", path.display()
    )]
    DanglingLink {
        /// The destination or one of its parents.
        path: PathBuf,
    },
    /// A directory above is a link that others could have planted.
    #[error(
        "{} is a link that user {owner} could have made; links are followed only when they and \
         their directory belong to root or to the agent's user", path.display()
    )]
    UntrustedLink {
        /// The link's place in the destination's path.
        path: PathBuf,
        /// Numeric user.
        owner: u32,
    },
    /// Two sources for one destination.
    #[error(
        "{} has two sources, {} and {}", path.display(), first.display(), second.display()
    )]
    TwoSources {
        /// The destination.
        path: PathBuf,
        /// Planned first.
        first: PathBuf,
        /// Planned again.
        second: PathBuf,
    },
    /// Two destinations are one place, through a link.
    #[error(
        "{} and {} are one place, reached through a link, and both are installed", first.display(),
        second.display()
    )]
    SamePlace {
        /// One name of the place.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The destination may not be written to.
    #[error("cannot write to {}: {reason}", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A `files` entry's source is not there.
    #[error(
        "the source {} of `files` entry {entry} is not in the revision ({}){}",
        source_path.display(), archive.display(), wildcards(source_path)
    )]
    MissingSource {
        /// As in the AppSpec.
        source_path: PathBuf,
        /// Counted from 1.
        entry: usize,
        /// The unpacked revision.
        archive: PathBuf,
    },
    /// A device, pipe or socket in the revision.
    #[error("{} is neither file, directory nor link, and cannot be installed", path.display())]
    SpecialFile {
        /// In the unpacked revision.
        path: PathBuf,
    },
    /// A link to a directory that contains the link.
    #[error("{} is a link to a directory that contains it: it would be copied for ever", path.display())]
    LinkLoop {
        /// In the unpacked revision.
        path: PathBuf,
    },
    /// Too deep, or too much through links.
    #[error("{} {what}", path.display())]
    TooMuch {
        /// In the unpacked revision.
        path: PathBuf,
        /// What exceeds which limit.
        what: &'static str,
    },
    /// `reject_unsafe_permissions_in_bundle`.
    #[error(
        "{} is setuid or setgid, which reject_unsafe_permissions_in_bundle forbids", path.display()
    )]
    UnsafeFile {
        /// In the unpacked revision.
        path: PathBuf,
    },
    /// A `permissions` rule cannot be applied.
    #[error("`permissions` at line {line}: {what}")]
    Rule {
        /// The rule's line.
        line: usize,
        /// What is wrong and what to do.
        what: String,
    },
    /// Two `permissions` rules for one object.
    #[error(
        "the `permissions` at lines {first} and {second} both match {}; each object may have one",
        path.display()
    )]
    TwoRules {
        /// The object.
        path: PathBuf,
        /// A rule's line.
        first: usize,
        /// The other's.
        second: usize,
    },
}

impl Problem {
    /// The destination that it is about, where it is about one.
    #[must_use]
    pub fn destination(&self) -> Option<&Path> {
        match self {
            Self::Exists { path, .. }
            | Self::UnknownBehavior { path, .. }
            | Self::DirectoryThere { path, .. }
            | Self::NotADirectory { path }
            | Self::DanglingLink { path }
            | Self::UntrustedLink { path, .. }
            | Self::TwoSources { path, .. }
            | Self::NotWritable { path, .. }
            | Self::TwoRules { path, .. }
            | Self::SamePlace { second: path, .. } => Some(path),
            Self::MissingSource { .. }
            | Self::SpecialFile { .. }
            | Self::LinkLoop { .. }
            | Self::TooMuch { .. }
            | Self::UnsafeFile { .. }
            | Self::Rule { .. } => None,
        }
    }
}

/// What to say to somebody who thinks that a shell reads the path.
fn wildcards(path: &Path) -> &'static str {
    if path.to_string_lossy().contains(['*', '?']) {
        "; wildcards are not expanded: name a file, or a directory for all that is in it"
    } else {
        ""
    }
}
