//! The plan's tree of names: an arena in which a node is a name and its parent's index.
//!
//! Paths are text as configured (records compare them as text), never resolved. Names live in one
//! buffer and nodes are about 50 bytes, because a revision may have a hundred thousand files.
//! Invariant: a parent's index is smaller than its children's, so one pass upwards or downwards
//! over the indices visits parents first or children first.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// Index of a node.
pub(super) type NodeId = u32;

/// No node, no source, no rule.
pub(super) const NONE: u32 = u32::MAX;

/// The root directory.
pub(super) const ROOT: NodeId = 0;

/// What this Install does with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planned {
    /// Not part of the revision: of an earlier one, or only a step on the way.
    Nothing,
    /// A directory that is there and stays as it is.
    Kept,
    /// A directory that this Install makes (perhaps where one is that the old revision made).
    Made,
    /// A copied file.
    File,
    /// A link that is made again.
    Link,
    /// A foreign file that stays (RETAIN).
    Retained,
}

/// What is on the file system under a name; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Not looked at yet.
    Unknown,
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// One name.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    name_start: u32,
    name_length: u16,
    pub(super) first_child: NodeId,
    pub(super) next_sibling: NodeId,
    same_hash: NodeId,
    /// The source directory (index into the plan's) that a copied file or link comes from.
    pub(super) source: u32,
    /// The `permissions` rule that matches.
    pub(super) rule: u32,
    /// The directory that exists under this name (index into the plan's table).
    pub(super) directory: u32,
    pub(super) planned: Planned,
    pub(super) existing: Existing,
    /// The previous Install's record has it.
    pub(super) recorded: bool,
    /// Recorded, and the clean-up alone would leave nothing here.
    pub(super) gone: bool,
    /// Something below is not ours to remove, so this directory outlives a clean-up.
    pub(super) alive: bool,
    /// An existing directory is used in place (kept, or made again).
    pub(super) merged: bool,
}

/// A hasher for keys that are hashes.
#[derive(Debug, Default, Clone)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The arena.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    names: Vec<u8>,
    /// Randomly keyed: names come from archives, and chosen collisions must not slow us down.
    hasher: RandomState,
    index: HashMap<u64, NodeId, BuildHasherDefault<Identity>>,
}

impl Tree {
    /// A tree with nothing but the root directory, which is kept.
    pub(super) fn new() -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            names: Vec::new(),
            hasher: RandomState::new(),
            index: HashMap::default(),
        };
        let root = tree.push(NONE, b"");
        let root = tree.node_mut(root);
        root.planned = Planned::Kept;
        root.existing = Existing::Directory;
        root.merged = true;
        root.alive = true;
        tree
    }

    fn push(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        // More names than 32 bits can count do not fit into a host's memory either; a length
        // is at most NAME_MAX (255) on Linux, PATH_MAX for a hostile record.
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let name_start = u32::try_from(self.names.len()).unwrap_or(NONE);
        self.names.extend_from_slice(name);
        self.nodes.push(Node {
            parent,
            name_start,
            name_length: u16::try_from(name.len()).unwrap_or(u16::MAX),
            first_child: NONE,
            next_sibling: NONE,
            same_hash: NONE,
            source: NONE,
            rule: NONE,
            directory: NONE,
            planned: Planned::Nothing,
            existing: Existing::Unknown,
            recorded: false,
            gone: false,
            alive: false,
            merged: false,
        });
        id
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(NONE)
    }

    /// The node at `id`.
    #[expect(
        clippy::expect_used,
        reason = "ids come from this arena, which never shrinks"
    )]
    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id as usize).expect("a node of this tree")
    }

    /// The node at `id`, to change.
    #[expect(
        clippy::expect_used,
        reason = "ids come from this arena, which never shrinks"
    )]
    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes
            .get_mut(id as usize)
            .expect("a node of this tree")
    }

    /// The node's name; empty for the root.
    pub(super) fn name(&self, id: NodeId) -> &OsStr {
        let node = self.node(id);
        let start = node.name_start as usize;
        let bytes = self.names.get(start..start + usize::from(node.name_length));
        OsStr::from_bytes(bytes.unwrap_or_default())
    }

    fn hash(&self, parent: NodeId, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    /// The child of `parent` called `name`, when there is one.
    pub(super) fn find(&self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        let mut next = *self.index.get(&self.hash(parent, name))?;
        while next != NONE {
            let node = self.node(next);
            if node.parent == parent && self.name(next).as_bytes() == name {
                return Some(next);
            }
            next = node.same_hash;
        }
        None
    }

    /// The child of `parent` called `name`, made when there is none.
    pub(super) fn child(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        if let Some(found) = self.find(parent, name) {
            return found;
        }
        let id = self.push(parent, name);
        let hash = self.hash(parent, name);
        let same_hash = self.index.insert(hash, id).unwrap_or(NONE);
        let next_sibling = std::mem::replace(&mut self.node_mut(parent).first_child, id);
        let node = self.node_mut(id);
        node.same_hash = same_hash;
        node.next_sibling = next_sibling;
        id
    }

    /// The node of an absolute path without `.` and `..`, made when there is none.
    pub(super) fn insert(&mut self, path: &[u8]) -> NodeId {
        path.split(|b| *b == b'/')
            .filter(|name| !name.is_empty())
            .fold(ROOT, |parent, name| self.child(parent, name))
    }

    /// The node of an absolute path, when there is one.
    pub(super) fn lookup(&self, path: &[u8]) -> Option<NodeId> {
        path.split(|b| *b == b'/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |parent, name| self.find(parent, name))
    }

    /// The children of `parent`, in no particular order.
    pub(super) fn children(&self, parent: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let first = self.node(parent).first_child;
        std::iter::successors((first != NONE).then_some(first), |id| {
            let next = self.node(*id).next_sibling;
            (next != NONE).then_some(next)
        })
    }

    /// Writes the absolute path of `id` to the end of `path`.
    pub(super) fn append_path(&self, id: NodeId, path: &mut Vec<u8>) {
        if id == ROOT {
            path.push(b'/');
            return;
        }
        let from = path.len();
        let mut next = id;
        while next != ROOT {
            // Backwards, and turned round at the end: no list of ancestors is needed.
            path.extend(self.name(next).as_bytes().iter().rev());
            path.push(b'/');
            next = self.node(next).parent;
        }
        if let Some(added) = path.get_mut(from..) {
            added.reverse();
        }
    }

    /// The absolute path of `id`.
    pub(super) fn path(&self, id: NodeId) -> PathBuf {
        let mut path = Vec::new();
        self.append_path(id, &mut path);
        PathBuf::from(OsString::from_vec(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_paths_are_rebuilt() {
        let mut tree = Tree::new();
        let file = tree.insert(b"/srv//app/x");
        assert_eq!(tree.insert(b"/srv/app/x/"), file);
        assert_eq!(tree.lookup(b"/srv/app/x"), Some(file));
        assert_eq!(tree.lookup(b"/srv/x"), None);
        assert_eq!(tree.path(file), PathBuf::from("/srv/app/x"));
        assert_eq!(tree.path(ROOT), PathBuf::from("/"));
        let app = tree.node(file).parent;
        assert_eq!(tree.children(app).collect::<Vec<_>>(), [file]);
    }

    #[test]
    fn a_node_is_small() {
        assert!(size_of::<Node>() <= 56, "{}", size_of::<Node>());
    }
}
