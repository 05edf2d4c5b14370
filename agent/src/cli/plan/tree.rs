//! The objects of a plan as a tree of lines. Where many have the same in store, one line tells of
//! all of them.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, PathBuf};

use super::details::details;
use super::names::{Accounts, counted, escaped};
use super::summary::{Counts, kind, word};
use crate::cli::sizes::bytes;
use crate::install::{Change, ObjectKind, PreviewedObject};

/// A subtree with the same in store for more than this many is one line.
const MOST_SHOWN: usize = 12;
/// Of more files than that in one directory with the same in store, so many are shown.
const EXAMPLES: usize = 5;

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The branches to its left.
    pub(super) branches: String,
    /// What happens; none for a directory that is only on the way.
    pub(super) change: Option<Change>,
    /// Something stands against it.
    pub(super) is_problem: bool,
    /// What is told.
    pub(super) text: String,
}

/// A name, with what is below it.
#[derive(Debug, Default)]
struct Node<'a> {
    object: Option<&'a PreviewedObject>,
    children: BTreeMap<&'a [u8], usize>,
    counts: Counts,
    is_problem: bool,
}

/// The tree of a plan's objects.
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    accounts: &'a Accounts,
    all: bool,
}

impl<'a> Tree<'a> {
    /// `problems` are the paths that something stands against; with `all`, nothing is summed up.
    pub(super) fn new(
        objects: &'a [PreviewedObject],
        problems: &HashSet<PathBuf>,
        accounts: &'a Accounts,
        all: bool,
    ) -> Self {
        let mut tree = Self {
            nodes: vec![Node::default()],
            accounts,
            all,
        };
        let mut parents = vec![0];
        for object in objects {
            let mut at = 0;
            for component in object.path.components() {
                if let Component::Normal(name) = component {
                    at = tree.child(at, name.as_bytes(), &mut parents);
                }
            }
            if let Some(node) = tree.nodes.get_mut(at) {
                node.object = Some(object);
                node.counts.count(object);
                node.is_problem = problems.contains(&object.path);
            }
        }
        // Children come after their parents.
        for index in (1..tree.nodes.len()).rev() {
            let node = tree
                .nodes
                .get(index)
                .map(|node| (node.counts, node.is_problem));
            let parent = parents
                .get(index)
                .and_then(|parent| tree.nodes.get_mut(*parent));
            if let (Some((counts, is_problem)), Some(parent)) = (node, parent) {
                parent.counts.add(&counts);
                parent.is_problem |= is_problem;
            }
        }
        tree
    }

    fn child(&mut self, at: usize, name: &'a [u8], parents: &mut Vec<usize>) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = *node.children.entry(name).or_insert(next);
        if child == next {
            self.nodes.push(Node::default());
            parents.push(at);
        }
        child
    }

    /// All lines.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(root) = self.nodes.first() {
            let mut ahead = vec![(root, String::new(), b"/".to_vec())];
            // The tops: from the root down to where the ways part.
            while let Some((node, _, path)) = ahead.pop() {
                let is_way = node
                    .object
                    .is_none_or(|object| object.change == Change::Keep);
                let parts = node
                    .children
                    .values()
                    .all(|child| self.is_directory(*child));
                if is_way && parts && node.children.len() <= 8 && !node.children.is_empty() {
                    for (name, child) in node.children.iter().rev() {
                        if let Some(child) = self.nodes.get(*child) {
                            let mut path = path.clone();
                            path.extend_from_slice(name);
                            path.push(b'/');
                            ahead.push((child, String::new(), path));
                        }
                    }
                } else {
                    self.top(node, &path, &mut lines);
                }
            }
        }
        lines
    }

    fn is_directory(&self, index: usize) -> bool {
        self.nodes.get(index).is_some_and(|node| {
            !node.children.is_empty()
                || node
                    .object
                    .is_some_and(|object| kind(object) == ObjectKind::Directory)
        })
    }

    fn top(&self, node: &Node<'a>, path: &[u8], lines: &mut Vec<Line>) {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let path = if path.is_empty() { b"/" } else { path };
        if self.is_summed_up(node) {
            lines.push(self.sum(node, path, String::new()));
        } else {
            lines.push(self.line(node, path, String::new()));
            self.below(node, "", lines);
        }
    }

    fn is_summed_up(&self, node: &Node<'a>) -> bool {
        let large = node.counts.total() > MOST_SHOWN;
        let only_kept = node.counts.uniform() == Some(Change::Keep) && node.counts.total() > 1;
        !self.all
            && !node.is_problem
            && node.object.is_some()
            && (large || only_kept)
            && node.counts.uniform().is_some()
    }

    fn below(&self, node: &Node<'a>, prefix: &str, lines: &mut Vec<Line>) {
        // Files with the same in store, of which only some are shown.
        let mut seen: BTreeMap<Change, usize> = BTreeMap::new();
        let mut total: BTreeMap<Change, usize> = BTreeMap::new();
        let plain = |index: usize| {
            let node = self.nodes.get(index)?;
            let object = node.object?;
            (node.children.is_empty() && !node.is_problem).then_some(object.change)
        };
        for change in node.children.values().filter_map(|child| plain(*child)) {
            *total.entry(change).or_default() += 1;
        }
        let mut shown: Vec<(&[u8], usize)> = Vec::new();
        let mut left_out: BTreeMap<Change, usize> = BTreeMap::new();
        for (name, child) in &node.children {
            if let Some(change) = plain(*child).filter(|_| !self.all) {
                let seen = seen.entry(change).or_default();
                *seen += 1;
                if total.get(&change).is_some_and(|all| *all > MOST_SHOWN) && *seen > EXAMPLES {
                    *left_out.entry(change).or_default() += 1;
                    continue;
                }
            }
            shown.push((name, *child));
        }
        let count = shown.len() + left_out.len();
        let branch = |number: usize| {
            if number == count {
                "└── "
            } else {
                "├── "
            }
        };
        let mut number = 0;
        for (name, child) in shown {
            number += 1;
            let Some(child) = self.nodes.get(child) else {
                continue;
            };
            let branches = format!("{prefix}{}", branch(number));
            if self.is_summed_up(child) {
                lines.push(self.sum(child, name, branches));
                continue;
            }
            lines.push(self.line(child, name, branches));
            let further = if number == count { "    " } else { "│   " };
            self.below(child, &format!("{prefix}{further}"), lines);
        }
        for (change, more) in left_out {
            number += 1;
            lines.push(Line {
                branches: format!("{prefix}{}", branch(number)),
                change: Some(change),
                is_problem: false,
                text: format!("… and {more} more to {}", word(change)),
            });
        }
    }

    /// A whole subtree in one line.
    fn sum(&self, node: &Node<'a>, name: &[u8], branches: String) -> Line {
        let change = node.counts.uniform().unwrap_or(Change::Keep);
        let mut parts = Vec::new();
        let (files, directories) = (node.counts.files(change), node.counts.directories(change));
        if files > 0 {
            parts.push(counted(files, "file"));
        }
        if directories > 1 {
            parts.push(counted(directories, "directory"));
        }
        if node.counts.bytes > 0 {
            parts.push(bytes(node.counts.bytes));
        }
        Line {
            branches,
            change: Some(change),
            is_problem: false,
            text: format!("{}/  {}", escaped(name), parts.join(", ")),
        }
    }

    fn line(&self, node: &Node<'a>, name: &[u8], branches: String) -> Line {
        let name = escaped(name);
        let Some(object) = node.object else {
            return Line {
                branches,
                change: None,
                is_problem: false,
                text: with_slash(name),
            };
        };
        let is_directory = kind(object) == ObjectKind::Directory;
        let name = if is_directory { with_slash(name) } else { name };
        let details = details(object, self.accounts);
        Line {
            branches,
            change: Some(object.change),
            is_problem: node.is_problem && node.children.is_empty(),
            text: if details.is_empty() {
                name
            } else {
                format!("{name}  {details}")
            },
        }
    }
}

fn with_slash(name: String) -> String {
    if name.ends_with('/') {
        name
    } else {
        format!("{name}/")
    }
}
