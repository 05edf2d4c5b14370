//! The plan of an Install: pure data, made by reading only.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::descriptors::Volume;
use super::metadata::DirectoryState;
use super::permissions::Rule;
use super::selinux::Context;
pub use super::tree::Existing;
use super::tree::{NONE, NodeId, Planned, Tree};

/// A directory of the revision that files are copied from.
#[derive(Debug)]
pub(super) struct SourceDirectory {
    /// The one above (index), none for the archive itself.
    pub(super) parent: u32,
    pub(super) name: OsString,
    /// A link that is followed.
    pub(super) followed: bool,
    pub(super) identity: (u64, u64),
}

/// A directory that exists and is used, or was made by the old revision.
#[derive(Debug)]
pub(super) struct ExistingDirectory {
    /// Device and inode: it must still be this one when the plan is carried out.
    pub(super) identity: (u64, u64),
    /// What names in it can be renamed within.
    pub(super) volume: Volume,
    /// Others may not write there, and it is ours: safe for staging.
    pub(super) safe: bool,
    /// Writing has been checked.
    pub(super) checked: bool,
    /// What an undo needs, when it may be changed or removed.
    pub(super) before: Option<Box<DirectoryState>>,
}

/// What an Install will do.
#[derive(Debug)]
pub struct Plan {
    pub(super) tree: Tree,
    /// The revision's nodes in the order created, kept and retained ones included.
    pub(super) sequence: Vec<NodeId>,
    /// What the previous Install recorded, in its order.
    pub(super) recorded: Vec<NodeId>,
    pub(super) archive: PathBuf,
    pub(super) sources: Vec<SourceDirectory>,
    pub(super) directories: Vec<ExistingDirectory>,
    pub(super) rules: Vec<Rule>,
    /// Nodes with a rule, in the order in which rules are applied.
    pub(super) permitted: Vec<NodeId>,
    /// SELinux rules of the previous Install.
    pub(super) old_contexts: Vec<Context>,
    pub(super) new_contexts: Vec<Context>,
    /// What is removed, children first.
    pub(super) stale: Vec<NodeId>,
    /// What goes with a directory in whose place something else comes.
    pub(super) carried: Vec<NodeId>,
    pub(super) warnings: Vec<String>,
}

/// What happens to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An existing directory stays and is used.
    KeepDirectory,
    /// A directory is made, or one of the old revision made again.
    MakeDirectory,
    /// A file is copied.
    CopyFile,
    /// A symbolic link is made.
    MakeLink,
    /// A foreign file stays.
    Retain,
    /// The old revision's file, link or (when empty) directory goes.
    Remove,
}

/// One line of a plan.
#[derive(Debug)]
pub struct PlannedObject<'a> {
    plan: &'a Plan,
    id: NodeId,
    /// What happens.
    pub action: Action,
}

impl PlannedObject<'_> {
    /// The destination.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.plan.tree.path(self.id)
    }

    /// Its last name.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        self.plan.tree.name(self.id)
    }

    /// What is there now.
    #[must_use]
    pub fn existing(&self) -> Existing {
        match self.plan.tree.node(self.id).existing {
            Existing::Unknown => Existing::Absent,
            known => known,
        }
    }

    /// Whether what is there now was installed by this group's last revision.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.plan.tree.node(self.id).recorded
    }

    /// Where a copied file or link comes from.
    #[must_use]
    pub fn source(&self) -> Option<PathBuf> {
        self.plan.source_path(self.id)
    }

    /// The line of the `permissions` rule that applies.
    #[must_use]
    pub fn rule_line(&self) -> Option<usize> {
        self.plan.rule_of(self.id).map(|rule| rule.line)
    }

    /// Previous mode, owner, group and extended attributes (ACLs among them) of an existing
    /// directory that is made again or removed.
    #[must_use]
    pub fn previous(&self) -> Option<&DirectoryState> {
        self.plan.directory(self.id)?.before.as_deref()
    }
}

impl Plan {
    /// Everything that the plan does to names: first what the revision brings, in the order
    /// created, then what is removed, in the order removed.
    pub fn objects(&self) -> impl Iterator<Item = PlannedObject<'_>> {
        let action = |id: NodeId| match self.tree.node(id).planned {
            Planned::Nothing => None,
            Planned::Kept => Some(Action::KeepDirectory),
            Planned::Made => Some(Action::MakeDirectory),
            Planned::File => Some(Action::CopyFile),
            Planned::Link => Some(Action::MakeLink),
            Planned::Retained => Some(Action::Retain),
        };
        let brought = self.sequence.iter().filter_map(move |id| {
            Some(PlannedObject {
                plan: self,
                id: *id,
                action: action(*id)?,
            })
        });
        let removed = self.stale.iter();
        brought.chain(removed.map(|id| PlannedObject {
            plan: self,
            id: *id,
            action: Action::Remove,
        }))
    }

    /// What should be known although it stops nothing.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn directory(&self, id: NodeId) -> Option<&ExistingDirectory> {
        self.directories.get(self.tree.node(id).directory as usize)
    }

    pub(super) fn rule_of(&self, id: NodeId) -> Option<&Rule> {
        self.rules.get(self.tree.node(id).rule as usize)
    }

    /// Whether the node gets its name by a rename of its own (and not with a directory above).
    pub(super) fn is_placed(&self, id: NodeId) -> bool {
        let node = self.tree.node(id);
        let is_new = matches!(node.planned, Planned::Made | Planned::File | Planned::Link);
        is_new && !node.merged && self.tree.node(node.parent).merged
    }

    pub(super) fn source_path(&self, id: NodeId) -> Option<PathBuf> {
        let node = self.tree.node(id);
        if !matches!(
            node.planned,
            Planned::File | Planned::Link | Planned::Retained
        ) {
            return None;
        }
        let mut path = source_directory_path(&self.archive, &self.sources, node.source);
        path.push(self.tree.name(id));
        Some(path)
    }
}

/// The path of a source directory, by text.
pub(super) fn source_directory_path(
    archive: &std::path::Path,
    sources: &[SourceDirectory],
    id: u32,
) -> PathBuf {
    let mut names = Vec::new();
    let mut next = sources.get(id as usize);
    while let Some(source) = next {
        if source.parent == NONE {
            break;
        }
        names.push(source.name.as_os_str());
        next = sources.get(source.parent as usize);
    }
    let mut path = archive.as_os_str().as_bytes().to_vec();
    for name in names.into_iter().rev() {
        path.push(b'/');
        path.extend(name.as_bytes());
    }
    PathBuf::from(OsStr::from_bytes(&path))
}
