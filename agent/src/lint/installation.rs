//! What an Install of a bundle would bring, worked out from names alone: which sources are there,
//! where each file goes, and which `permissions` rule matches what.
//!
//! The host is not asked, so a directory at or above a destination may be there already or be made.

use std::collections::HashSet;

use super::tree::{EntryKind, Resolved, Tree, base, join};
use crate::appspec::{AppSpec, Pattern, Permission};
use crate::install::pattern;

/// Entries that are planned, and comparisons of entries with rules, at most.
const MOST_ENTRIES: usize = 1_000_000;
const MOST_MATCHES: usize = 20_000_000;
/// Links to directories within each other.
const MOST_LINKS: usize = 16;

/// A name that is made, or passed, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// Without the leading slash.
    pub(super) destination: Vec<u8>,
    pub(super) kind: PlannedKind,
    /// Index in `files`.
    pub(super) entry: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlannedKind {
    /// At or above an entry's `destination`: made only when it is not there.
    Way,
    Directory,
    File,
    Link,
}

/// What stands against an Install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The source of an entry is not in the bundle.
    NoSource { entry: usize },
    /// A link in the bundle leads to a directory that contains it.
    LinkLoop { entry: usize, path: Vec<u8> },
    /// Neither file, directory nor link.
    SpecialFile { entry: usize, path: Vec<u8> },
    /// Two entries bring one name.
    TwoSources {
        first: usize,
        second: usize,
        path: Vec<u8>,
        /// One of the two is a directory.
        directory: bool,
    },
}

/// The Install of a bundle.
#[derive(Debug, Default)]
pub(super) struct Installation {
    /// Sorted by destination, each once.
    pub(super) planned: Vec<Planned>,
    pub(super) obstacles: Vec<Obstacle>,
    /// Something could not be followed, so what is missing here may be there after all.
    pub(super) incomplete: bool,
    /// A limit was met.
    pub(super) too_large: bool,
    matches_left: usize,
}

/// What a rule comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Matched {
    /// Indices of what it matches.
    These(Vec<usize>),
    /// The object is a file, and `pattern` or `except` say otherwise.
    PatternOnFile,
    /// The object is a link.
    Link,
    /// There was too much to compare.
    Unknown,
}

impl Installation {
    /// Plans `files` of `appspec`.
    pub(super) fn plan(appspec: &AppSpec, tree: &Tree) -> Self {
        let mut plan = Self {
            matches_left: MOST_MATCHES,
            ..Self::default()
        };
        for (index, mapping) in appspec.files.iter().enumerate() {
            let source = bytes(&mapping.source);
            let destination = bytes(&mapping.destination);
            let destination = destination.strip_prefix(b"/").unwrap_or(destination);
            plan.way(destination, index);
            match tree.resolve(source) {
                Resolved::Missing if is_link(tree, source) => {
                    // Dangling: installed as the link that it is.
                    let destination = join(destination, base(source));
                    plan.add(destination, PlannedKind::Link, index);
                }
                Resolved::Missing => plan.obstacles.push(Obstacle::NoSource { entry: index }),
                Resolved::Outside => plan.incomplete = true,
                Resolved::Special => plan.obstacles.push(Obstacle::SpecialFile {
                    entry: index,
                    path: source.to_vec(),
                }),
                Resolved::File(_) => {
                    let kind = match is_link(tree, source) {
                        true => PlannedKind::Link,
                        false => PlannedKind::File,
                    };
                    plan.add(join(destination, base(source)), kind, index);
                }
                Resolved::Directory(source) => plan.walk(tree, source, destination, index),
            }
        }
        plan.find_two_sources();
        plan
    }

    fn add(&mut self, destination: Vec<u8>, kind: PlannedKind, entry: usize) {
        if self.planned.len() >= MOST_ENTRIES {
            self.too_large = true;
            return;
        }
        self.planned.push(Planned {
            destination,
            kind,
            entry,
        });
    }

    /// The destination and the directories above it.
    fn way(&mut self, destination: &[u8], entry: usize) {
        let slashes = destination.iter().enumerate();
        let ends = slashes.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([destination.len()]).filter(|end| *end > 0) {
            let path = destination.get(..end).unwrap_or_default();
            self.add(path.to_vec(), PlannedKind::Way, entry);
        }
    }

    /// The content of a directory, through links to directories of the bundle.
    fn walk(&mut self, tree: &Tree, source: Vec<u8>, destination: &[u8], entry: usize) {
        // A source, where it goes, and the directories entered through links on the way.
        let mut ahead = vec![(source, destination.to_vec(), Vec::<Vec<u8>>::new())];
        while let Some((source, destination, through)) = ahead.pop() {
            for found in tree.below(&source) {
                if self.too_large {
                    return;
                }
                let skip = if source.is_empty() {
                    0
                } else {
                    source.len() + 1
                };
                let below = found.path.get(skip..).unwrap_or_default();
                let to = join(&destination, below);
                match &found.kind {
                    EntryKind::File => self.add(to, PlannedKind::File, entry),
                    EntryKind::Directory => self.add(to, PlannedKind::Directory, entry),
                    EntryKind::Special => self.obstacles.push(Obstacle::SpecialFile {
                        entry,
                        path: found.path.to_vec(),
                    }),
                    EntryKind::Link(_) => match tree.resolve(&found.path) {
                        Resolved::Directory(target) => {
                            let within = |directory: &[u8]| {
                                directory.is_empty()
                                    || *found.path == *directory
                                    || found
                                        .path
                                        .strip_prefix(directory)
                                        .is_some_and(|rest| rest.starts_with(b"/"))
                            };
                            if within(&target) || through.contains(&target) {
                                self.obstacles.push(Obstacle::LinkLoop {
                                    entry,
                                    path: found.path.to_vec(),
                                });
                            } else if through.len() >= MOST_LINKS {
                                self.too_large = true;
                            } else {
                                self.add(to.clone(), PlannedKind::Directory, entry);
                                let mut through = through.clone();
                                through.push(target.clone());
                                ahead.push((target, to, through));
                            }
                        }
                        // It may be a directory of the host, whose content would be copied.
                        Resolved::Outside => {
                            self.incomplete = true;
                            self.add(to, PlannedKind::Link, entry);
                        }
                        _ => self.add(to, PlannedKind::Link, entry),
                    },
                }
            }
        }
    }

    /// Sorts the plan, and keeps one of each destination.
    fn find_two_sources(&mut self) {
        self.planned
            .sort_by(|one, other| one.destination.cmp(&other.destination));
        let mut told = HashSet::new();
        let mut kept: Vec<Planned> = Vec::with_capacity(self.planned.len());
        for next in std::mem::take(&mut self.planned) {
            let Some(last) = kept
                .last_mut()
                .filter(|last| last.destination == next.destination)
            else {
                kept.push(next);
                continue;
            };
            let (was, is) = (is_directory(last.kind), is_directory(next.kind));
            if was && is {
                if last.kind == PlannedKind::Way {
                    last.kind = next.kind;
                }
                continue;
            }
            let pair = (last.entry.min(next.entry), last.entry.max(next.entry));
            if told.insert(pair) {
                self.obstacles.push(Obstacle::TwoSources {
                    first: pair.0,
                    second: pair.1,
                    path: next.destination,
                    directory: was || is,
                });
            }
        }
        self.planned = kept;
    }

    /// Whether anything comes to a path, or to a place below it.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        let at = |path: &[u8]| {
            let place = self
                .planned
                .partition_point(|planned| *planned.destination < *path);
            self.planned.get(place).map(|planned| &*planned.destination)
        };
        let prefix = [path, b"/"].concat();
        path.is_empty()
            || at(path) == Some(path)
            || at(&prefix).is_some_and(|found| found.starts_with(&prefix))
    }

    /// What a rule matches.
    pub(super) fn matches(&mut self, rule: &Permission) -> Matched {
        let object = bytes(&rule.object);
        let object = object.strip_prefix(b"/").unwrap_or(object);
        let mut matched = Vec::new();
        let place = self
            .planned
            .binary_search_by(|planned| (*planned.destination).cmp(object));
        if let Ok(index) = place
            && let Some(planned) = self.planned.get(index)
        {
            match planned.kind {
                PlannedKind::File | PlannedKind::Link if !rule.files => {
                    return Matched::These(matched);
                }
                PlannedKind::Link => return Matched::Link,
                PlannedKind::File => {
                    if rule.pattern != Pattern::Everything || !rule.except.is_empty() {
                        return Matched::PatternOnFile;
                    }
                    return Matched::These(vec![index]);
                }
                PlannedKind::Way | PlannedKind::Directory => {}
            }
        }
        let prefix = match object {
            b"" => Vec::new(),
            _ => [object, b"/"].concat(),
        };
        let start = self
            .planned
            .partition_point(|planned| planned.destination < prefix);
        for (index, planned) in self.planned.iter().enumerate().skip(start) {
            let Some(below) = planned.destination.strip_prefix(&*prefix) else {
                break;
            };
            self.matches_left = self.matches_left.saturating_sub(1 + rule.except.len());
            if self.matches_left == 0 {
                self.too_large = true;
                return Matched::Unknown;
            }
            let wanted = if is_directory(planned.kind) {
                rule.directories
            } else {
                rule.files
            };
            let depth = below.iter().filter(|byte| **byte == b'/').count() + 1;
            let depth = u32::try_from(depth).unwrap_or(u32::MAX);
            let name = base(below);
            if wanted
                && pattern::matches(&rule.pattern, name, depth)
                && !rule
                    .except
                    .iter()
                    .any(|except| pattern::matches(except, name, depth))
            {
                matched.push(index);
            }
        }
        Matched::These(matched)
    }
}

fn is_directory(kind: PlannedKind) -> bool {
    matches!(kind, PlannedKind::Way | PlannedKind::Directory)
}

fn is_link(tree: &Tree, path: &[u8]) -> bool {
    let entries = tree.entries();
    entries
        .binary_search_by(|entry| (*entry.path).cmp(path))
        .ok()
        .and_then(|place| entries.get(place))
        .is_some_and(|entry| matches!(entry.kind, EntryKind::Link(_)))
}

pub(super) fn bytes(path: &std::path::Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}
