//! Why a bundle could not be unpacked.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::deployment::BundleType;

use super::format::Format;

/// A name from an archive, safe to print: quoted, control characters escaped, cut when long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName(Vec<u8>);

impl EntryName {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let text = String::from_utf8_lossy(&self.0);
        if text.chars().count() <= SHOWN {
            return write!(f, "{text:?}");
        }
        let start: String = text.chars().take(SHOWN).collect();
        write!(f, "{start:?}... ({} bytes)", self.0.len())
    }
}

/// Why a bundle could not be unpacked, or a directory not copied. The archive that was there
/// before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bundle could not be opened or read.
    #[error("cannot read the bundle {}", path.display())]
    Bundle {
        /// The bundle.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The bundle has no bytes at all.
    #[error("the bundle {} is an empty file; build and upload the revision again", path.display())]
    EmptyFile {
        /// The bundle.
        path: PathBuf,
    },
    /// The archive is well-formed and holds nothing.
    #[error("the archive {} holds no files; a revision needs at least an AppSpec", path.display())]
    NoEntries {
        /// The bundle.
        path: PathBuf,
    },
    /// The bundle is not what the revision says.
    #[error(
        "the revision says {said}, but {} looks like {seems}; name the bundle type that it has, \
         or build it as {said}", path.display()
    )]
    WrongType {
        /// The bundle.
        path: PathBuf,
        /// What the revision says.
        said: BundleType,
        /// What the first bytes look like.
        seems: Format,
    },
    /// The archive ends in the middle.
    #[error(
        "the {format} archive {} is cut short{}; build and upload it again",
        path.display(), within(entry.as_ref())
    )]
    Truncated {
        /// The bundle.
        path: PathBuf,
        /// What it is.
        format: Format,
        /// The entry that is incomplete, when known.
        entry: Option<EntryName>,
    },
    /// The archive's bytes do not make sense.
    #[error(
        "the {format} archive {} is corrupt{}; build and upload it again",
        path.display(), within(entry.as_ref())
    )]
    Corrupt {
        /// The bundle.
        path: PathBuf,
        /// What it is.
        format: Format,
        /// The entry, when known.
        entry: Option<EntryName>,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Something that archives can hold and that we do not read.
    #[error("entry {name} of the archive uses {what}, which is not supported")]
    Unsupported {
        /// The entry.
        name: EntryName,
        /// The feature.
        what: String,
    },
    /// A name that leads out of the archive or cannot be a path.
    #[error("entry {name} of the archive is refused: {why}")]
    UnsafeName {
        /// The entry.
        name: EntryName,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An entry below a symbolic link.
    #[error(
        "entry {name} of the archive is refused: it passes through {link}, which is not a \
         directory of the archive"
    )]
    ThroughLink {
        /// The entry.
        name: EntryName,
        /// The link or file in its path.
        link: EntryName,
    },
    /// Two entries of one name that cannot both be meant.
    #[error("entry {name} is in the archive twice: {what}")]
    Duplicate {
        /// The entry.
        name: EntryName,
        /// What the two are.
        what: &'static str,
    },
    /// A device, fifo or socket.
    #[error("{name} is {what}; a bundle may hold files, directories and links only")]
    SpecialFile {
        /// The entry.
        name: EntryName,
        /// What it is.
        what: &'static str,
    },
    /// A link while links are rejected.
    #[error("{name} is a link, and reject_symlinks_in_bundle is set")]
    LinkRejected {
        /// The entry.
        name: EntryName,
    },
    /// A setuid or setgid bit while these are rejected.
    #[error(
        "{name} has mode {mode:04o} (setuid or setgid), and reject_unsafe_permissions_in_bundle is set"
    )]
    UnsafePermissions {
        /// The entry.
        name: EntryName,
        /// Its mode.
        mode: u32,
    },
    /// A hard link whose target is not a file unpacked before it.
    #[error("hard link {name} refers to {target}, which is no file earlier in the archive")]
    HardLinkTarget {
        /// The link.
        name: EntryName,
        /// What it refers to.
        target: EntryName,
    },
    /// More than a limit allows.
    #[error(
        "the archive holds more than {limit} {what}, the limit{}",
        key.map(|key| format!(" of {key}")).unwrap_or_default()
    )]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// The configuration key that sets it.
        key: Option<&'static str>,
    },
    /// A file, directory or link of the archive could not be made.
    #[error("cannot {operation} {name} in {}", archive.display())]
    Write {
        /// What was tried.
        operation: &'static str,
        /// The entry.
        name: EntryName,
        /// Where to.
        archive: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The directory for the archive could not be prepared.
    #[error("cannot {operation} {}", path.display())]
    Directory {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The local directory could not be read.
    #[error("cannot read {}", path.display())]
    Source {
        /// What could not be read.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The local directory and the archive contain one another.
    #[error(
        "{} cannot be deployed into {}: one lies in the other; choose another directory or \
         another root_dir", source_directory.display(), archive.display()
    )]
    IntoItself {
        /// What was to be copied.
        source_directory: PathBuf,
        /// Where to.
        archive: PathBuf,
    },
    /// Somebody wanted the unpacking to end; the next try begins it anew.
    #[error("the unpacking was interrupted")]
    Interrupted,
    /// `unpack` was called for a directory.
    #[error("a revision of type directory is copied, not unpacked")]
    NotAnArchive,
}

fn within(entry: Option<&EntryName>) -> String {
    entry.map_or_else(String::new, |name| format!(" within {name}"))
}
