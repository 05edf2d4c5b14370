//! Looking at the file system for a plan: which names exist, which directories are one.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd::geteuid;

use super::descriptors::{self, OpenDirectories, OpenError, Volume};
use super::error::PlanError;
use super::metadata::DirectoryState;
use super::plan::ExistingDirectory;
use super::problem::Problem;
use super::tree::{Existing, NONE, NodeId, Planned, ROOT, Tree};

/// The tree and what has been learnt about it so far.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) tree: Tree,
    pub(super) directories: Vec<ExistingDirectory>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// Of directories of the previous revision that stay, a name in each that is not of it.
    pub(super) strangers: BTreeMap<NodeId, Vec<u8>>,
    /// The nodes that are one directory, reached by different paths.
    same: HashMap<(u64, u64), Vec<NodeId>>,
    open: OpenDirectories,
}

impl Survey {
    pub(super) fn new() -> Result<Self, PlanError> {
        let mut survey = Self {
            tree: Tree::new(),
            directories: Vec::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
            strangers: BTreeMap::new(),
            same: HashMap::new(),
            open: OpenDirectories::default(),
        };
        survey
            .enter(ROOT)
            .map_err(|error| survey.failure("open", ROOT, error))?;
        Ok(survey)
    }

    /// An error about a node that is no fault of the revision.
    pub(super) fn failure(&self, action: &'static str, id: NodeId, error: OpenError) -> PlanError {
        let source = match error {
            OpenError::Io(error) => error.into(),
            OpenError::Untrusted { .. } => Errno::ELOOP.into(),
        };
        PlanError::Io {
            action,
            path: self.tree.path(id),
            source,
        }
    }

    pub(super) fn path(&self, id: NodeId) -> PathBuf {
        self.tree.path(id)
    }

    fn descriptor(&mut self, id: NodeId) -> Result<Arc<OwnedFd>, OpenError> {
        let tree = &self.tree;
        self.open.get(
            id,
            |id| (id != ROOT).then(|| tree.node(id).parent),
            |parent, id| match parent {
                None => Ok(descriptors::root()?),
                Some(parent) => descriptors::enter(parent.as_fd(), tree.name(id)),
            },
        )
    }

    /// What is under the node's name; only names in directories that have been entered exist.
    pub(super) fn existing(&mut self, id: NodeId) -> Result<Existing, PlanError> {
        let node = self.tree.node(id);
        if node.existing != Existing::Unknown {
            return Ok(node.existing);
        }
        let parent = node.parent;
        let existing = if self.tree.node(parent).directory == NONE {
            Existing::Absent
        } else {
            let at = self
                .descriptor(parent)
                .map_err(|e| self.failure("open", parent, e))?;
            match descriptors::look(&*at, self.tree.name(id)) {
                Ok(existing) => existing,
                // No file system could hold such a name: staging will say so if it is to be made.
                Err(Errno::ENAMETOOLONG) => Existing::Absent,
                Err(error) => return Err(self.failure("look at", id, error.into())),
            }
        };
        self.tree.node_mut(id).existing = existing;
        Ok(existing)
    }

    /// Whether the node's name leads to a directory, itself or through any link.
    pub(super) fn leads_to_directory(&mut self, id: NodeId) -> bool {
        use nix::fcntl::AtFlags;
        use nix::sys::stat::fstatat;

        let parent = self.tree.node(id).parent;
        self.descriptor(parent).is_ok_and(|at| {
            fstatat(&*at, self.tree.name(id), AtFlags::empty())
                .is_ok_and(|status| descriptors::kind(&status) == Existing::Directory)
        })
    }

    /// Opens the directory under the node's name and registers which one it is.
    pub(super) fn enter(&mut self, id: NodeId) -> Result<(), OpenError> {
        if self.tree.node(id).directory != NONE {
            return Ok(());
        }
        let opened = self.descriptor(id)?;
        let status = fstat(&*opened)?;
        let identity = (status.st_dev, status.st_ino);
        let directory = u32::try_from(self.directories.len()).unwrap_or(NONE);
        self.directories.push(ExistingDirectory {
            identity,
            volume: Volume::of(&*opened)?,
            safe: status.st_uid == geteuid().as_raw() && status.st_mode & 0o022 == 0,
            checked: false,
            before: None,
        });
        self.same.entry(identity).or_default().push(id);
        self.tree.node_mut(id).directory = directory;
        Ok(())
    }

    /// Every entry of an entered directory.
    pub(super) fn list(
        &mut self,
        id: NodeId,
        mut each: impl FnMut(&mut Tree, &[u8], Existing),
    ) -> Result<(), PlanError> {
        let opened = self
            .descriptor(id)
            .map_err(|e| self.failure("open", id, e))?;
        let tree = &mut self.tree;
        let listed = descriptors::list(&*opened, |name, kind| each(tree, name, kind));
        listed.map_err(|error| self.failure("list", id, error.into()))
    }

    /// Remembers the state of a directory that may be changed or removed.
    pub(super) fn remember(&mut self, id: NodeId) -> Result<(), PlanError> {
        let opened = self
            .descriptor(id)
            .map_err(|e| self.failure("open", id, e))?;
        let state = descriptors::reopen(&*opened)
            .map_err(Into::into)
            .and_then(|file| DirectoryState::read(&file));
        let state = state.map_err(|source| PlanError::Io {
            action: "read mode and attributes of",
            path: self.path(id),
            source,
        })?;
        let directory = self.tree.node(id).directory as usize;
        if let Some(directory) = self.directories.get_mut(directory) {
            directory.before.get_or_insert_with(|| Box::new(state));
        }
        Ok(())
    }

    /// Notes a problem when entries cannot be made in the directory.
    pub(super) fn check_writable(&mut self, id: NodeId) {
        use nix::fcntl::AtFlags;
        use nix::unistd::{AccessFlags, faccessat};

        let index = self.tree.node(id).directory as usize;
        match self.directories.get_mut(index) {
            Some(directory) if !directory.checked => directory.checked = true,
            _ => return,
        }
        let Ok(opened) = self.descriptor(id) else {
            return;
        };
        let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
        if let Err(error) = faccessat(&*opened, ".", wanted, AtFlags::AT_EACCESS) {
            let problem = Problem::NotWritable {
                path: self.path(id),
                reason: error.into(),
            };
            self.problems.push(problem);
        }
    }

    /// The other nodes for the same name in the same directory, reached by other paths.
    fn twins(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        use std::os::unix::ffi::OsStrExt as _;

        let parent = self.tree.node(id).parent;
        let directory = self
            .directories
            .get(self.tree.node(parent).directory as usize);
        let same = directory.and_then(|d| self.same.get(&d.identity));
        let others = same
            .into_iter()
            .flatten()
            .filter(move |other| **other != parent);
        others.filter_map(move |other| self.tree.find(*other, self.tree.name(id).as_bytes()))
    }

    /// Whether what is under the node's name is the old revision's alone.
    pub(super) fn is_gone(&self, id: NodeId) -> bool {
        self.tree.node(id).gone || self.twins(id).any(|twin| self.tree.node(twin).gone)
    }

    /// What keeps a directory of the previous revision, at or below the node, although it is not of
    /// that revision.
    pub(super) fn keeper(&self, id: NodeId) -> Option<PathBuf> {
        let is_below = |mut at: NodeId| {
            while at != id && at != ROOT {
                at = self.tree.node(at).parent;
            }
            at == id
        };
        let mut strangers = self.strangers.iter();
        let (directory, name) = strangers.find(|(directory, _)| is_below(**directory))?;
        Some(self.path(*directory).join(OsStr::from_bytes(name)))
    }

    /// Whether the previous Install recorded the name, by whatever path.
    pub(super) fn is_recorded(&self, parent: NodeId, name: &[u8]) -> bool {
        let same = self
            .directories
            .get(self.tree.node(parent).directory as usize);
        let same = same
            .and_then(|d| self.same.get(&d.identity))
            .map_or(&[][..], Vec::as_slice);
        std::iter::once(&parent).chain(same).any(|directory| {
            self.tree
                .find(*directory, name)
                .is_some_and(|id| self.tree.node(id).recorded)
        })
    }

    /// Whether the revision brings the node's place by another path.
    pub(super) fn is_superseded(&self, id: NodeId) -> bool {
        self.twins(id)
            .any(|twin| self.tree.node(twin).planned != Planned::Nothing)
    }

    /// Notes a problem for each place that the revision brings by two paths.
    pub(super) fn check_same_places(&mut self) {
        let mut found = Vec::new();
        for nodes in self.same.values().filter(|nodes| nodes.len() > 1) {
            for id in nodes.iter().flat_map(|parent| self.tree.children(*parent)) {
                let brings = |id: NodeId| {
                    let node = self.tree.node(id);
                    matches!(node.planned, Planned::File | Planned::Link | Planned::Made)
                };
                if brings(id) {
                    let twins = self.twins(id).filter(|twin| *twin > id && brings(*twin));
                    found.extend(twins.map(|twin| (id, twin)));
                }
            }
        }
        found.sort_unstable();
        for (first, second) in found {
            let (first, second) = (self.path(first), self.path(second));
            self.problems.push(Problem::SamePlace { first, second });
        }
    }
}
